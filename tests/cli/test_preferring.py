"""`likeness rewards fit-preference` on votes by known taste."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from likeness.cli import run
from likeness.rewards.preference.learned import Learned


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """Forty conditions of four clips; the better identity wins, near ones tie."""
    rng = np.random.default_rng(0)
    scores, votes = [], []
    for q in range(40):
        values = rng.normal(size=4)
        for i, value in enumerate(values):
            for reward, number in (("identity_ref", value), ("motion", rng.normal())):
                scores.append((f"{q}-{i}.mp4", reward, number, "", "v1"))
        for a in range(4):
            for b in range(a):
                gap = values[a] - values[b] + rng.normal(0, 0.3)
                winner = "tie" if abs(gap) < 0.4 else "left" if gap > 0 else "right"
                votes.append((f"{q}-{a}.mp4", f"{q}-{b}.mp4", winner, f"q{q}"))
    votes.append(("0-0.mp4", "0-1.mp4", "both_bad", "q0"))
    scored = pd.DataFrame(scores, columns=["clip", "reward", "value", "reason", "version"])
    scored.loc[0, "value"] = np.nan
    scored.to_csv(tmp_path / "scores.csv", index=False)
    voted = pd.DataFrame(votes, columns=["left", "right", "winner", "condition"])
    voted.to_csv(tmp_path / "votes.csv", index=False)
    return tmp_path


def fit(folder: Path, *more: str) -> int:
    arguments = [str(folder / "votes.csv"), "--scores", str(folder / "scores.csv")]
    return run(["rewards", "fit-preference", *arguments, "--out", str(folder / "out"), *more])


def test_votes_on_held_out_conditions_are_called(
    tables: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fit(tables, "--json") == 0
    (told,) = json.loads(capsys.readouterr().out)["held_out"]
    assert told["low"] > told["commonest"]
    assert told["low"] < told["accuracy"] < told["high"]
    assert told["loss"] < told["chance_loss"]
    learned = Learned.load(tables / "out")
    head = learned.heads["overall"]
    names = dict(zip(head.space.names(learned.features), head.weights, strict=True))
    assert names["identity_ref"] > 5 * abs(names["motion"]) > 0


def test_result_is_printed_and_a_used_folder_refused(
    tables: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fit(tables) == 0
    assert "of 48 votes, ties counted, over 8 held-out conditions" in capsys.readouterr().out
    assert fit(tables) == 2
    assert "is there already" in capsys.readouterr().err


def test_scores_in_two_versions_are_refused(
    tables: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = pd.read_csv(tables / "scores.csv")
    scores.loc[scores.index[-1], "version"] = "v2"
    scores.to_csv(tables / "scores.csv", index=False)
    assert fit(tables) == 2
    assert "motion comes in two versions (v1 and v2)" in capsys.readouterr().err
