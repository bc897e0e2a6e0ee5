"""Arms that differ in their stages, trained once and judged by seed."""

import json

import pytest

from likeness.cli import run
from likeness.training.comparison import COMPARISONS, Comparison
from likeness.training.stages import Stage, TrainingError

SHORT = [
    f"stages.{stage}.{setting}"
    for stage in COMPARISONS.load("table_2").stages
    for setting in ("steps=1", "batch=2", "reference_frames=[5]")
]


def test_arms_that_begin_alike_share_their_beginning():
    table = COMPARISONS.load("table_2")
    drawn = [chain for chain in table.prefixes() if chain.drawn]
    assert [chain.stages for chain in drawn] == [
        ("same",),
        ("same", "same_end"),
        ("cross_first",),
        ("cross_first", "cross"),
        ("same", "cross"),
    ]
    assert {sum(table.stages[n].steps for n in arm) for arm in table.arms.values()} == {600}
    assert (
        len({(s.steps, s.batch) for n, s in table.stages.items() if (n,) in table.tuned.values()})
        == 1
    )
    seeds = {table.last(chain, seed).seed for chain in drawn for seed in range(3)}
    assert len(seeds) == 6  # first and second stages of three seeds


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"seeds": 0}, "seeds must be positive"),
        ({"arms": {"both": ("one",)}}, "arms.both has no stage one"),
        ({"arms": {"both": ()}}, "arms.both has no stages"),
        ({"tuned": {"plain": ("one",)}}, "tuned.plain has no stage one"),
        ({"arms": {"a": ("two",)}, "tuned": {"a": ("two",)}}, "both have an arm a"),
    ],
)
def test_impossible_comparisons_are_named(values, message):
    with pytest.raises(TrainingError, match=message):
        Comparison(stages={"two": Stage()}, **values)


@pytest.mark.slow
def test_table_2_is_made_and_not_made_twice(talking, tmp_path, capsys):
    talking.save(tmp_path / "takes")
    place = ["--data", str(tmp_path / "takes"), "--out", str(tmp_path / "out"), "--people", "2"]
    words = ["benchmark", "ablate", "training", "table_2", "seeds=2", *SHORT, *place]
    assert run(words) == 0
    told = capsys.readouterr().out
    assert "Stages of training (as TAVR's Table 2)" in told
    assert "the testbed that same-scene training alone copies" in told
    found = json.loads((tmp_path / "out" / "ablation.json").read_text())["studies"]["stages"]
    cases = {row["system"]: row["cases"] for row in found["rows"] if row["metric"] == "quality"}
    assert cases == {"same_scene": 4, "cross_scene": 4, "both": 4}
    runs = sorted(p.name for p in (tmp_path / "out" / "workspace" / "runs").iterdir())
    assert len(runs) == 20
    assert "Losses on the decoded face" in told and "with identity" in told
    weights = tmp_path / "out" / "workspace" / "runs" / "same-seed0" / "stages" / "same.pt"
    before = weights.stat().st_mtime_ns
    assert run(words) == 0
    assert weights.stat().st_mtime_ns == before
    assert (
        json.loads((tmp_path / "out" / "ablation.json").read_text())["studies"]["stages"] == found
    )
