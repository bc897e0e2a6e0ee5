"""`likeness benchmark ablate alignment`: trained once, judged by seed, ended by tripwires."""

import json
from pathlib import Path

import numpy as np
import pytest

from likeness.alignment.comparison import COMPARISONS, Comparison
from likeness.alignment.guards import GuardError, TrainingError
from likeness.cli import run
from likeness.cli.console import bars
from likeness.cli.loop import aligning
from likeness.cli.loop.hacked import NAME, Ended, combined
from likeness.store.errors import LikenessError
from likeness.store.recipes import RecipeError
from likeness.store.records import Score

SHORT = ["masked_dpo.steps=1", "masked_dpo.batch=2", "mining.margin=1e-9", "mining.tolerances={}"]
ROLLOUTS = [
    *("rollouts.rollouts=1", "rollouts.groups=2", "rollouts.group=2", "rollouts.steps=4"),
    *("grpo.sde_range=3", "rollouts.save_every=1"),
]


def test_the_packaged_comparison_has_what_the_tables_need():
    table = COMPARISONS.load("table_5")
    assert {*aligning.TABLE_5, *aligning.REWARDS} == set(table.arms)
    recipes = {arm: table.recipe(arm, 2) for arm in table.arms}
    assert {recipe.masked_dpo.seed for recipe in recipes.values()} == {2}
    assert {recipe.rollouts.seed for recipe in recipes.values()} == {2}
    assert recipes["dpo"].masked_dpo.region == "frame"
    assert recipes["masked_real"].pairs.winner == "real"
    assert list(recipes["unguarded"].rollouts.rewards) == ["identity_ref"]
    assert recipes["unguarded"].grpo.kl == 0 < recipes["grpo"].grpo.kl
    same = {recipes[arm].masked_dpo.steps for arm in aligning.TABLE_5}
    assert len(same) == 1


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (["seeds=0"], TrainingError, "comparison.seeds must be 1 or more, got 0"),
        (["arms.none.label=x"], TrainingError, "arms.none is the checkpoint as it is"),
        (["arms.dpo.recepi=x"], RecipeError, "did you mean recipe"),
    ],
)
def test_impossible_comparisons_are_named(words, error, message):
    with pytest.raises(error, match=message):
        COMPARISONS.load("table_5", words)


def test_an_arm_whose_recipe_is_not_there_is_named():
    table = COMPARISONS.load("table_5", ["arms.dpo.recipe=demo_maskd_dpo"])
    with pytest.raises(RecipeError, match=r"comparison\.arms\.dpo: .* did you mean demo_masked"):
        table.recipe("dpo", 0)


def test_a_comparison_without_the_tables_arms_is_refused(tmp_path):
    ablation = aligning.Aligning(
        checkpoint="tiny", out=tmp_path, comparison=Comparison(), people=2, bars=bars
    )
    with pytest.raises(LikenessError, match="neither all of the arms dpo, masked_dpo"):
        ablation.run()


def test_the_clip_of_an_end_is_the_one_that_breaks_most(tmp_path: Path):
    assert Ended.of(tmp_path) is None
    ended = Ended.note(tmp_path, "identity_ref rose")
    assert Ended.of(tmp_path) == ended and (tmp_path / NAME).is_file()
    assert ended.clip(tmp_path, "testbed") is None
    for step, faces in ((0, (1.0, 5.0)), (2, (9.0, 5.0))):
        folder = tmp_path / "validation" / f"step_{step:06d}"
        folder.mkdir(parents=True)
        rows = [
            {
                "person": "x",
                "files": [f"{number}.mp4"],
                "scores": [{"reward": "wire_faces", "value": value, "reason": None}],
            }
            for number, value in enumerate(faces)
        ]
        (folder / "scores.json").write_text(json.dumps(rows))
    assert ended.clip(tmp_path, "testbed") == tmp_path / "validation" / "step_000002" / "0.mp4"


def test_the_combined_reward_is_of_what_is_scored():
    def score(reward: str, value: float) -> Score:
        return Score(clip="c", reward=reward, value=value, version="1")

    base = combined([score("identity_ref", 0.794), score("sync_c", 2.68)], "c")
    true = combined([score("identity_ref", 0.878), score("sync_c", 3.50)], "c")
    assert (base.value, true.value) == (pytest.approx(0.0), pytest.approx(1.0))
    lost = Score.missing(clip="c", reward="sync_c", reason="no sound", version="1")
    missing = combined([score("identity_ref", 0.8), lost], "c")
    assert np.isnan(missing.value) and "no sound" in (missing.reason or "")


@pytest.mark.slow
def test_table_5_is_made_and_not_made_twice(tmp_path, capsys, monkeypatch):
    settings = [
        f"arms.{arm}.settings={json.dumps([*SHORT, *more])}"
        for arm, more in (
            ("dpo", ["masked_dpo.region=frame", "masked_dpo.anchor_outside=0"]),
            ("masked_dpo", []),
            ("masked_real", ["pairs.winner=real"]),
        )
    ]
    settings += [f"arms.{arm}.settings={json.dumps(ROLLOUTS)}" for arm in ("grpo", "unguarded")]
    settings[-1] = f"arms.unguarded.settings={json.dumps(ROLLOUTS)}"
    plain = aligning.align_on_rewards

    def hacked(studio, rewards, recipe, name, progress):
        outcome = plain(studio, rewards, recipe, name, progress)
        if name.startswith("unguarded"):
            raise GuardError("rollout 1: identity_ref rose, and wire_colour is outside")
        return outcome

    monkeypatch.setattr(aligning, "align_on_rewards", hacked)
    words = ["benchmark", "ablate", "alignment", "table_5", *settings, "learnt=2", "noises=1"]
    words += ["steps=2", "--out", str(tmp_path / "out"), "--people", "2", "--seeds", "2"]
    assert run(words) == 0
    told = capsys.readouterr().out
    assert "Masked DPO (as TAVR's Table 5)" in told
    assert "without guards a tripwire ends 2 of 2 trainings" in told
    assert "GRPO on identity, no guards, seed 1: rollout 1: identity_ref rose" in told
    found = json.loads((tmp_path / "out" / "ablation.json").read_text())["studies"]
    assert set(found) == {"preferences", "alignment", "rewards"}
    cases = {
        row["system"]: row["cases"]
        for row in found["preferences"]["rows"]
        if row["metric"] == "quality"
    }
    assert cases == dict.fromkeys(("none", *aligning.TABLE_5), 4)
    assert any(row["metric"] == "combined" for row in found["rewards"]["rows"])
    runs = tmp_path / "out" / "workspace" / "runs"
    assert len(list(runs.iterdir())) == 10
    before = {path: path.stat().st_mtime_ns for path in runs.rglob("*.safetensors")}
    assert run(words) == 0
    assert {path: path.stat().st_mtime_ns for path in runs.rglob("*.safetensors")} == before
    assert json.loads((tmp_path / "out" / "ablation.json").read_text())["studies"] == found
