"""`likeness benchmark ablate movement`."""

import json

import pytest

from likeness.cli import run
from likeness.model import Generator
from likeness.model.encoders.movement import MovementScale
from likeness.model.weights.growing import with_movement_stream
from likeness.rewards.movement import COEFFICIENTS

REFUSED = 2


def test_a_checkpoint_without_a_stream_is_refused(tmp_path, capsys):
    words = ["benchmark", "ablate", "movement", "--checkpoint", "tiny", "--out", str(tmp_path)]
    assert run(words) == REFUSED
    assert "this checkpoint has no movement stream: train one" in capsys.readouterr().err


@pytest.mark.slow
def test_an_untrained_stream_neither_follows_nor_takes_a_manner(tmp_path, capsys):
    scale = MovementScale(names=COEFFICIENTS, mean=(0.0,) * 7, std=(0.1,) * 7)
    grown = with_movement_stream(Generator.load("tiny"), tokens=1, scale=scale, seed=0)
    grown.save(tmp_path / "grown")
    words = ["benchmark", "ablate", "movement", "--checkpoint", str(tmp_path / "grown")]
    words += ["--out", str(tmp_path / "out"), "--people", "3", "--seconds", "1.2"]
    assert run(words) == 0
    assert "Not confirmed by the testbed that movement" in capsys.readouterr().out
    found = json.loads((tmp_path / "out" / "ablation.json").read_text())["studies"]["movement"]
    rows = {(row["system"], row["metric"]): row for row in found["rows"]}
    assert len({system for system, _ in rows}) == 5
    assert rows["true", "movement_follow"]["value"] == pytest.approx(1.0)
    # Its clips are those of the generator without one, whatever is asked for.
    for metric in ("movement_follow", "identity_ref", "sync_c"):
        free = rows["free", metric]["value"]
        for arm in ("own_manner", "lent_manner", "followed"):
            assert rows[arm, metric]["value"] == pytest.approx(free, abs=2e-3)
    assert run(words) == 0
    again = json.loads((tmp_path / "out" / "ablation.json").read_text())["studies"]["movement"]
    assert again == found
