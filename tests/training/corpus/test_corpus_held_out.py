"""People of a corpus whom no training sees, and clips of them at validation."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from likeness.cli import run
from likeness.cli.loop import held_out
from likeness.cli.loop.held_out import HeldOut
from likeness.cli.loop.learning import Validation, validation_of
from likeness.rewards.sets import NAMES, RewardSet
from likeness.store.crew import Alone
from likeness.store.media import decode
from likeness.store.weights import WeightsError
from likeness.store.workspace import Workspace
from likeness.training.batch import Wish
from likeness.training.corpus.making import Plan, make_corpus
from likeness.training.corpus.people import is_held_out
from likeness.training.corpus.reading import Corpus
from likeness.training.corpus.settings import CorpusError, CorpusSettings


def place(name: str) -> float:
    return int(hashlib.sha256(name.encode()).hexdigest()[:16], 16) / 2**64


@pytest.fixture
def share(clips) -> float:
    """Hold one of the two people out."""
    return sum(place(name) for name in {clip.identity for clip in clips}) / 2


@pytest.fixture
def halved(made, share, tmp_path) -> Path:
    folder = Path(shutil.copytree(made, tmp_path / "halved"))
    described = json.loads((folder / "corpus.json").read_text())
    assert "held_out" not in described["settings"]
    described["settings"]["held_out"] = share
    (folder / "corpus.json").write_text(json.dumps(described))
    return folder


@pytest.fixture
def learning(halved, loaded) -> Corpus:
    return Corpus.open(halved, loaded, least_people=1)


def test_a_person_is_held_out_by_their_name_alone():
    names = [f"person {n}" for n in range(2000)]
    quarter = {n for n in names if is_held_out(n, 0.25)}
    assert quarter == {n for n in names if place(n) < 0.25}
    assert 0.22 < len(quarter) / len(names) < 0.28
    assert quarter < {n for n in names if is_held_out(n, 0.5)}
    assert not any(is_held_out(n, 0.0) for n in names)


def test_training_never_sees_them(learning, clips, share, made, loaded):
    everyone = sorted({clip.identity for clip in clips})
    apart = [name for name in everyone if place(name) < share]
    assert len(apart) == 1
    assert [*learning.identities] == [name for name in everyone if name not in apart]
    assert learning.held_out is not None and [*learning.held_out.identities] == apart
    whole = Corpus.open(made, loaded)
    assert len(learning) + len(learning.held_out) == len(whole)
    assert whole.held_out is None and whole.hash != learning.hash
    draw = learning.draw(
        np.random.default_rng(0), Wish(batch=50, pairing="cross", reference_frames=5)
    )
    theirs = {learning._place[row] for row in (*draw.target, *draw.reference)}
    assert not theirs & set(learning.held_out._place)


def test_the_card_names_them_and_going_on_asks_for_the_same(
    halved, share, checkpoint, settings, clips
):
    plan = Plan(checkpoint=str(checkpoint), out=halved, settings=replace(settings, held_out=share))
    card = make_corpus(plan, clips, Alone())
    assert [place(name) < share for name in card.held_out] == [True]
    assert f"never to train on: {card.held_out[0]}." in card.to_text()
    with pytest.raises(CorpusError, match=r"settings.held_out was 0\.\d+ and is None"):
        make_corpus(replace(plan, settings=settings), clips, Alone())
    with pytest.raises(CorpusError, match="held_out must be in 0"):
        CorpusSettings(frames=25, step=25, held_out=1.0)


def test_nobody_left_to_learn_from_is_said(halved, loaded):
    described = json.loads((halved / "corpus.json").read_text())
    described["settings"]["held_out"] = 0.999999
    (halved / "corpus.json").write_text(json.dumps(described))
    with pytest.raises(CorpusError, match="holds all its people out"):
        Corpus.open(halved, loaded)


def test_clips_of_them_are_made_and_judged_beside_the_true_ones(learning, loaded, tmp_path):
    assert learning.held_out is not None
    judge = validation_of(learning, tmp_path, 3)
    assert isinstance(judge, HeldOut)
    values = judge(loaded, 7)
    folder = tmp_path / "step_000007"
    assert {path.name for path in folder.iterdir()} == {"0.mp4", "0_true.mp4", "scores.json"}
    made, true = (decode(folder / name) for name in ("0.mp4", "0_true.mp4"))
    assert made.frames.shape == true.frames.shape and len(true.audio)
    (row,) = json.loads((folder / "scores.json").read_text())
    assert (row["person"],) == learning.held_out.identities
    rows = row["scores"]
    wanted = [name for names in NAMES.values() for name in names]
    assert [row["reward"] for row in rows] == wanted
    known = {f"held_out_{r['reward']}": r["value"] for r in rows if r["value"] is not None}
    assert "held_out_quality" in known
    assert {**values} == pytest.approx(known | {"held_out_missing": len(rows) - len(known)})
    assert all(bool(row["reason"]) == (row["value"] is None) for row in rows)
    again = judge(loaded, 8)
    assert {**again} == {**values}


def test_their_clips_are_forgotten_too(tmp_path, capsys):
    Workspace.create(tmp_path).close()
    folder = tmp_path / "runs" / "first" / "validation" / "step_000001"
    folder.mkdir(parents=True)
    rows = [
        {"person": name, "files": [f"{n}.mp4", f"{n}_true.mp4"], "scores": []}
        for n, name in enumerate(("ann", "bob"))
    ]
    for row in rows:
        for name in row["files"]:
            (folder / name).write_bytes(b"film")
    (folder / "scores.json").write_text(json.dumps(rows))
    assert run(["forget", "ann", "--yes", "-w", str(tmp_path)]) == 0
    assert "removed 2 clips of them by which runs were judged" in capsys.readouterr().out
    assert {p.name for p in folder.iterdir()} == {"1.mp4", "1_true.mp4", "scores.json"}
    assert json.loads((folder / "scores.json").read_text()) == rows[1:]
    assert run(["forget", "cid", "--yes", "-w", str(tmp_path)]) == 2


def test_without_weights_every_score_is_missing_and_says_why(
    learning, loaded, tmp_path, monkeypatch
):
    def load(world: str) -> RewardSet:
        raise WeightsError("yunet.onnx is not here; `likeness weights` says more")

    monkeypatch.setattr(held_out.RewardSet, "load", load)
    assert learning.held_out is not None
    values = HeldOut(corpus=learning.held_out, folder=tmp_path, people=1)(loaded, 1)
    rows = json.loads((tmp_path / "step_000001" / "scores.json").read_text())[0]["scores"]
    assert {**values} == {"held_out_missing": len(rows)}
    assert all(row["value"] is None and "yunet.onnx" in row["reason"] for row in rows)


def test_others_are_judged_on_people_of_the_testbed(corpus, tmp_path):
    assert isinstance(validation_of(corpus, tmp_path, 3), Validation)
    assert validation_of(corpus, tmp_path, 0) is None
