"""What is planted in a held study comes out of its analysis, and what was not planned is told."""

import json
from dataclasses import replace

import numpy as np
import pytest

from likeness.benchmark.studies import turing
from likeness.benchmark.studies.answers import StudyError, read_answers
from likeness.benchmark.studies.conduct.allocation import deal, key_of
from likeness.benchmark.studies.conduct.folder import StudyFolder
from likeness.benchmark.studies.conduct.rows import Answer
from likeness.benchmark.studies.conduct.staging import Item
from likeness.benchmark.studies.foresight import foresee
from likeness.benchmark.studies.outcome import Settings, outcome, table_of
from likeness.benchmark.studies.paper import paper
from likeness.benchmark.studies.plan import Entry, StudyPlan
from likeness.store.sheets import write_sheet

CASES = 30


@pytest.fixture
def held(tmp_path):
    """Give a study without media, of many cases, whose rows are written by simulation."""
    rows = []

    def make(kind: str, raters: int = 12, cases: int = CASES, **changes):
        systems = ("real", "a", "b") if kind == "rating" else ("real", "a")
        clips = tuple(
            Entry(case=f"c{c:02}", system=s, file="f", real=s == "real")
            for c in range(cases)
            for s in systems
        )
        given = {"name": "Study", "kind": kind, "clips": clips, "raters": raters, "training": 0,
                 "checks": 3, "repeats": 4, "dimensions": ("lip_sync", "motion_naturalness",
                 "visual_quality")}  # fmt: skip
        plan = StudyPlan(**{**given, **changes})
        items = {
            (key := key_of(e.case, e.system)): Item(
                key=key, case=e.case, system=e.system, real=None, files={}, seconds=2.0,
                width=1, height=1,
            )
            for e in clips
            if not (kind == "turing" and e.real)
        }  # fmt: skip
        spoilt = Item(key="check:x/spoilt", case="check:x", system="spoilt", real=None, files={},
                      seconds=2.0, width=1, height=1,
                      expected={"visual_quality": (1, 2)})  # fmt: skip
        items[spoilt.key] = spoilt
        queues = deal(plan, {"check": [spoilt.key]})
        folder = StudyFolder(
            path=tmp_path, plan=plan, items=items, media={}, notes=(), secret=b"s", planned="p1",
            trials={f"r{n:02}": tuple(queue) for n, queue in enumerate(queues, 1)},
        )  # fmt: skip
        made = folder.rows()
        made.claim("opened", "1")
        made.claim("planned", "p1")
        rows.append(made)
        return folder, made

    yield make
    for made in rows:
        made.close()


def fill(folder, rows, say, *, only=None) -> None:
    at = 0.0
    for rater, trials in folder.trials.items():
        for place, trial in enumerate(trials):
            if only and rater not in only:
                continue
            told = {"elapsed": 5.0, "playing": {"only": 2.1}, "played": {"only": 2.0}}
            answer = Answer(rater=rater, place=place, item=trial.item, purpose=trial.purpose,
                            at=(at := at + 1), told={**told, **say(rater, trial)})  # fmt: skip
            assert rows.add(answer)


def choosing(rng, ability, left: float = 0.0, lapsing: tuple[str, ...] = ()):
    def say(rater, trial):
        right = trial.purpose == "check" or rng.random() < ability(rater)
        if rater in lapsing:
            right = False if trial.purpose == "check" else rng.random() < 0.5
        side = trial.real_side
        chosen = side if right else {"left": "right", "right": "left"}[side]
        if rng.random() < left:
            chosen = "left"
        return {"chosen": chosen, "confidence": 3 if right else 1, "why": ["mouth"], "words": ""}

    return say


def test_planted_ability_bias_and_confidence_are_found(held):
    folder, rows = held("turing", raters=20)
    rng = np.random.default_rng(0)
    fill(folder, rows, choosing(rng, lambda r: 0.55 + 0.02 * int(r[1:]), left=0.2))
    rows.claim("closed", "2")
    told = outcome(folder, rows)
    true = 0.8 * np.mean([0.55 + 0.02 * n for n in range(1, 21)]) + 0.1
    low, high = told["accuracy_clustered"]
    assert low < true < high and high - low < 0.15
    assert told["position_bias"] == pytest.approx(0.1, abs=0.04)
    found = [row["accuracy"] for row in told["per_rater"]]
    assert np.corrcoef(found, np.arange(20))[0, 1] > 0.6
    sure = {row["said"]: row for row in told["study"]["confidence"]}
    assert sure["Guessing"]["accuracy"] < 0.5
    assert sure["Fairly sure"]["accuracy"] > 0.8
    assert sure["Certain"]["answers"] == 0 and np.isnan(sure["Certain"]["accuracy"])
    assert told["study"]["repeats"]["pairs"] == 80
    assert told["study"]["deviations"] == []
    assert told["study"]["left_out"] == {}


def test_the_folder_and_its_table_say_the_same(held, tmp_path):
    folder, rows = held("turing")
    fill(folder, rows, choosing(np.random.default_rng(1), lambda _: 0.7))
    told = outcome(folder, rows)
    write_sheet(table_of(folder, rows.answers()), tmp_path / "answers.csv")
    same = turing.analyse(read_answers(tmp_path / "answers.csv"))
    assert json.dumps({name: told[name] for name in same}) == json.dumps(same)


def test_who_fails_the_checks_is_left_out_as_planned_and_told(held):
    folder, rows = held("turing")
    fill(folder, rows, choosing(np.random.default_rng(2), lambda _: 0.9, lapsing=("r03", "r07")))
    told = outcome(folder, rows)
    assert told["study"]["left_out"] == {
        "r03": "failed 3 of 3 checks",
        "r07": "failed 3 of 3 checks",
    }
    assert told["raters"] == 10
    assert told["with_everybody"]["accuracy"] < told["accuracy"]
    everybody = replace(folder, plan=replace(folder.plan, failed_most=1.0))
    assert outcome(everybody, rows)["raters"] == 12


def test_what_is_not_as_planned_is_listed(held):
    folder, rows = held("turing")
    fill(folder, rows, choosing(np.random.default_rng(3), lambda _: 0.6), only=("r01", "r02"))
    changed = replace(folder, planned="p2", media={"gone.mp4": "0" * 64})
    told = outcome(changed, rows, Settings(margin=0.1, alpha=0.05))["study"]["deviations"]
    for words in (
        "plan or deal were changed: the hash is p2, and was p1 when it opened",
        "1 media files are missing or were changed",
        "margin is 0.1, and was planned as 0.05",
        "still open: this is an interim look",
        "10 raters of 12 didn't finish",
    ):
        assert any(words in each for each in told), words
    assert not any("alpha" in each for each in told)


def test_planted_scores_of_systems_and_straight_lines_are_found(held):
    folder, rows = held("rating", raters=10, cases=8, checks=1)
    rng = np.random.default_rng(4)
    true = {"real": 4.5, "a": 3.5, "b": 2.0, "spoilt": 1.4}

    def say(rater, trial):
        mean = true[folder.items[trial.item].system]
        names = ("lip_sync", "motion_naturalness", "visual_quality")
        scores = {n: int(np.clip(round(rng.normal(mean, 0.5)), 1, 5)) for n in names}
        if rater == "r05":
            scores = dict.fromkeys(names, 2)
        return {"scores": scores}

    fill(folder, rows, say)
    told = outcome(folder, rows)
    for row in told["study"]["systems"]:
        assert row["mos"] == pytest.approx(true[row["system"]], abs=0.3)
        assert row["low"] < row["mos"] < row["high"]
    assert told["study"]["straight"]["r05"] == 1
    assert max(v for k, v in told["study"]["straight"].items() if k != "r05") < 0.8
    assert {row["rater"] for row in told["raters"] if row["straight_line"]} == {"r05"}
    plain = outcome(folder, rows, Settings(method="plain"))
    assert "method is plain, and was planned as p910" in plain["study"]["deviations"]


@pytest.mark.parametrize("kind", ["turing", "rating"])
def test_the_page_shows_its_figures_and_asks_for_nothing(held, kind):
    folder, rows = held(kind, raters=4, cases=5, name="<script>alert(1)</script> & Co")
    scores = {"scores": {"lip_sync": 3, "motion_naturalness": 4, "visual_quality": 2}}
    choose = choosing(np.random.default_rng(5), lambda _: 0.8)
    fill(folder, rows, choose if kind == "turing" else lambda *_: scores)
    told = outcome(folder, rows)
    page = paper(told)
    assert "<script" not in page and "&lt;script&gt;" in page
    assert "src=" not in page and "href=" not in page and "@import" not in page
    assert page.count("<svg") >= 2
    assert kind == "rating" or f"{told['accuracy']:.3f}" in page


def test_power_grows_with_the_study_and_with_the_difference(held):
    few, many = (held("turing", raters=n, cases=c)[0] for n, c in ((4, 6), (30, 40)))
    small, large = (foresee(f.plan, f.trials, studies=60) for f in (few, many))
    assert small["raters_an_item"] == [4, 4] and large["answers"] == 1200
    assert large["difference"]["0.6"] > small["difference"]["0.6"]
    assert large["difference"]["0.8"] > 0.95
    ratings = held("rating", raters=9, cases=3)[0]
    told = foresee(ratings.plan, ratings.trials)
    assert told["half_width"] == pytest.approx(2.306 * 0.8 / 3, abs=1e-3)


def test_a_study_without_answers_has_no_outcome(held):
    folder, rows = held("turing")
    with pytest.raises(StudyError, match="no answer that counts yet"):
        outcome(folder, rows)
    fill(folder, rows, choosing(np.random.default_rng(6), lambda _: 0.5,
                                lapsing=tuple(folder.trials)))  # fmt: skip
    with pytest.raises(StudyError, match="12 raters failed too many checks"):
        outcome(folder, rows)
