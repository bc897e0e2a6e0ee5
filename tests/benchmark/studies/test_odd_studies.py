"""Studies that are too small, broken or odd: refused in a line, or told what they can't say."""

import math
from dataclasses import replace

import numpy as np
import pytest

from likeness.benchmark.studies.answers import StudyError
from likeness.benchmark.studies.conduct.folder import load, make, raters_of
from likeness.benchmark.studies.dimensions import AVATAR_V, ITU, dimensions_of
from likeness.benchmark.studies.outcome import outcome
from likeness.benchmark.studies.plan import Entry, StudyPlan, read_plan
from likeness.store.clip import Clip
from likeness.store.errors import LikenessError

ME = "1" * 32
REAL = Entry(case="c", system="real", file="real", real=True)
MADE = Entry(case="c", system="made", file="made", real=False)


def plan(kind: str = "turing", **changes) -> StudyPlan:
    values = {"name": "Odd", "kind": kind, "clips": (REAL, MADE), "raters": 1, "training": 0,
              "checks": 0, "traps": 0, "repeats": 0, "dimensions": ("overall",)}  # fmt: skip
    return StudyPlan(**{**values, **changes})


def clip(file: str, side: int = 32, width: int = 32, loud: float = 0.1) -> Clip:
    frames = np.full((6, side, width, 3), 90 if file == "real" else 120, np.uint8)
    audio = np.random.default_rng(0).normal(0, loud, 3840).clip(-1, 1).astype(np.float32)
    return Clip(frames=frames, fps=25.0, audio=audio, sample_rate=16000)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": " "}, "plan.name"),
        ({"raters": 0}, "plan.raters must be 1 to 5000"),
        ({"repeats": -1}, "plan.repeats must be 0 or more"),
        ({"margin": 0.5}, "plan.margin must lie between 0 and 0.5"),
        ({"alpha": 0.0}, "plan.alpha"),
        ({"days": 0.0}, "plan.days"),
        ({"failed_most": 1.5}, "plan.failed_most must be 0 to 1"),
        ({"clips": ()}, "plan.clips is empty"),
        ({"clips": (REAL, REAL)}, "more than once"),
        ({"clips": (REAL,)}, "1 real and 0 generated"),
        ({"clips": (MADE,)}, "0 real and 1 generated"),
        ({"cases_each": 2}, "there are 1 cases"),
        ({"kind": "rating", "dimensions": ("beauty",)}, "plan.dimensions has 'beauty'"),
        ({"kind": "rating", "dimensions": ()}, "name each dimension once"),
        ({"kind": "rating", "dimensions": ("overall", "avatar-v")}, "name each dimension once"),
        ({"kind": "rating", "dimensions": ("avatar-v",)}, "case c has no reference"),
    ],
)
def test_a_plan_that_makes_no_study_is_refused(changes, message):
    with pytest.raises(StudyError, match=message):
        plan(**changes)


def test_six_and_ten_dimensions():
    assert len(AVATAR_V) == 6 and len(ITU) == 10
    assert dimensions_of(["itu", "overall"]) == (*ITU, AVATAR_V[-1])
    assert all(len(dimension.labels) == 5 for dimension in (*AVATAR_V, *ITU))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "is not TOML"),
        ('name = "n"\nkind = "turing"\nratres = 3\nclips = []', "did you mean raters"),
        ('name = "n"\nkind = "duel"\nclips = []', "must be one of turing, rating"),
        ('name = "n"\nkind = "turing"\nclips = [{case = 3}]', "plan.clips.case must be a text"),
    ],
)
def test_a_plan_file_that_is_wrong_says_where(tmp_path, text, message):
    (tmp_path / "plan.toml").write_text(text)
    with pytest.raises(LikenessError, match=message):
        read_plan(tmp_path / "plan.toml")


@pytest.mark.parametrize(
    ("shown", "message"),
    [
        ({"made": {"width": 64}}, "bars beside one would tell them apart"),
        ({"made": {"loud": 0.0}}, "sound different"),
    ],
)
def test_clips_that_would_be_told_apart_are_refused_and_nothing_is_left(tmp_path, shown, message):
    with pytest.raises(LikenessError, match=message):
        make(plan(), lambda file: clip(file, **shown.get(file, {})), tmp_path / "study")
    assert list(tmp_path.iterdir()) == []


def test_a_smaller_clip_is_brought_to_the_larger_and_that_is_told(tmp_path):
    def read(file: str) -> Clip:
        side = 32 if file == "real" else 16
        return clip(file, side, side)

    folder = make(plan(), read, tmp_path / "study")
    assert folder.notes == ("case c: made is brought from 16 x 16 to 32 x 32 pixels",)
    with pytest.raises(LikenessError, match="is there already"):
        make(plan(), clip, tmp_path / "study")


def test_one_rater_and_one_item_have_figures_without_intervals(tmp_path, opened):
    folder = make(plan(), clip, tmp_path / "turing")
    desk = opened(folder)
    state = desk.begin(desk.invite("r01"), ME)
    said = {"key": state["key"], "stamp": state["stamp"], "chosen": "left", "confidence": 1}
    assert desk.answer(desk.invite("r01"), ME, said)["stage"] == "done"
    told = outcome(folder, desk.rows)
    assert told["accuracy"] in (0, 1) and math.isnan(told["accuracy_clustered"][0])
    assert not told["equivalence"]["equivalent"]
    assert any("no interval" in note for note in told["notes"])
    assert math.isnan(told["study"]["repeats"]["same"])


def test_ratings_all_alike_have_scores_and_a_reason(tmp_path, opened):
    folder = make(plan("rating", raters=2), clip, tmp_path / "rating")
    desk = opened(folder)
    for rater in folder.trials:
        state = desk.begin(desk.invite(rater), ME)
        while state["stage"] == "trial":
            said = {"key": state["key"], "stamp": state["stamp"], "scores": {"overall": 3}}
            state = desk.answer(desk.invite(rater), ME, said)
    told = outcome(folder, desk.rows)
    assert [row["mos"] for row in told["items"]] == pytest.approx([3, 3])
    assert all(row["reason"] for row in told["study"]["systems"])
    assert [row["bias"] for row in told["raters"]] == pytest.approx([0, 0])


def test_missing_and_broken_files_are_named(study):
    folder = study()
    gone, changed = sorted(folder.media)[:2]
    (folder.path / "media" / gone).unlink()
    (folder.path / "media" / changed).write_bytes(b"x")
    assert folder.lacking() == [gone, changed]
    with pytest.raises(StudyError, match="no rater r77; they are r01 to r04"):
        raters_of(folder, ["r77"])
    (folder.path / "deal.json").write_text("{")
    with pytest.raises(StudyError, match=r"deal\.json is broken"):
        load(folder.path)
    (folder.path / "deal.json").unlink()
    with pytest.raises(StudyError, match=r"no study here \(deal\.json is missing\)"):
        load(folder.path)


def test_a_changed_plan_is_told(study, opened):
    folder = study()
    desk = opened(folder)
    text = (folder.path / "plan.toml").read_text()
    (folder.path / "plan.toml").write_text(text.replace("margin = 0.05", "margin = 0.2"))
    changed = load(folder.path)
    assert changed.plan == replace(folder.plan, margin=0.2)
    assert changed.planned != folder.planned == desk.rows.claimed("planned")
