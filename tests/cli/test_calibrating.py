"""`likeness rewards calibrate` on drawn people and on tables that can't be used."""

import json
from pathlib import Path

import pandas as pd
import pytest

from likeness.cli import run
from likeness.rewards.identity import IdentityReward
from likeness.rewards.sets import RewardSet, own_weights
from likeness.rewards.thresholds import stored
from likeness.store.weights import file_hash

RECOGNISER = file_hash(own_weights("recogniser"))


def test_drawn_people_give_a_threshold_that_scores_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIKENESS_WEIGHTS", str(tmp_path))
    assert run(["rewards", "calibrate", "--testbed", "12", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    threshold = stored(RECOGNISER)
    assert threshold is not None
    assert told["threshold"]["value"] == threshold.value
    assert (threshold.genuine, threshold.impostor, threshold.people) == (12, 264, 12)
    assert threshold.rule == "equal error"
    assert 0.1 < threshold.low <= threshold.value <= threshold.high < 0.95
    reasons = [point["reason"] for point in told["points"]]
    assert "1000 needed for FAR 0.01" in reasons[0]
    assert reasons[2] is None
    identity = RewardSet.load("testbed").rewards[0]
    assert isinstance(identity, IdentityReward)
    assert identity.threshold == threshold


def test_says_in_a_line_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rewards", "calibrate"]) == 2
    assert "give either a table or --testbed PEOPLE" in capsys.readouterr().err
    table = tmp_path / "pairs.csv"
    assert run(["rewards", "calibrate", str(table), "--testbed", "3"]) == 2
    capsys.readouterr()
    pd.DataFrame({"left": ["a"], "right": ["b"]}).to_csv(table, index=False)
    assert run(["rewards", "calibrate", str(table), "--out", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line
