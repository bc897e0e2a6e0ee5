"""`likeness generate` beyond one window, and on little memory."""

import json

import numpy as np
import pytest

from likeness.cli import run
from likeness.cli.making import long_take
from likeness.store.media import decode, encode
from likeness.testbed.cast import cast, take_of

QUICK = ["--steps", "1", "--audio-guidance", "1", "--reference-guidance", "1", "--no-provenance"]


@pytest.fixture
def speech(tmp_path):
    """2.6 seconds: a chunk of 25 frames and two that add 20."""
    path = tmp_path / "speech.mp4"
    encode(take_of(cast("spare", 1)[0], 1, 2.6, 64).clip, path)
    return path


def told(out):
    return json.loads((out.parent / f"{out.name}.json").read_text())


@pytest.mark.slow
def test_a_clip_is_as_long_as_its_speech(asked, speech, tmp_path):
    out = tmp_path / "long.mp4"
    assert run(["generate", str(out), *asked.options(audio=speech), *QUICK]) == 0
    note = told(out)
    clip = decode(out)
    assert len(clip) == note["frames"] == 65
    assert abs(len(clip.audio) - 2.6 * 16_000) < 1100  # aac's frames
    assert note["chunks"] == 3
    assert note["seams"] == [25, 45]
    assert note["anchor_frame"]["frame"] >= 0
    assert note["drift"]["chunks"] == 3
    assert note["drift"]["identity"]["low"] <= note["drift"]["identity"]["high"]
    assert not list((tmp_path / ".parts").iterdir())


@pytest.mark.slow
def test_a_stopped_long_clip_goes_on(asked, speech, tmp_path, monkeypatch):
    words = [*asked.options(audio=speech), *QUICK, "--no-anchor"]
    assert run(["generate", str(tmp_path / "whole.mp4"), *words]) == 0
    make = long_take.LongVideo.make

    def stop(self, progress):
        def tell(done, total, note):
            if done == 2:
                raise KeyboardInterrupt
            progress(done, total, note)

        make(self, tell)

    monkeypatch.setattr(long_take.LongVideo, "make", stop)
    out = tmp_path / "stopped.mp4"
    assert run(["generate", str(out), *words]) != 0
    assert not out.exists()
    (parts,) = (tmp_path / ".parts").iterdir()
    assert len(list(parts.glob("chunk-*"))) == 2
    monkeypatch.setattr(long_take.LongVideo, "make", make)
    assert run(["generate", str(out), *words]) == 0
    assert (decode(out).frames == decode(tmp_path / "whole.mp4").frames).all()
    assert told(out)["anchor_frame"] is None


def test_seconds_cut_the_speech(asked, speech, tmp_path, capsys):
    out = tmp_path / "short.mp4"
    words = [*asked.options(audio=speech), *QUICK, "--seconds", "1.4", "--mark", "none"]
    assert run(["generate", str(out), *words]) == 0
    assert told(out)["frames"] == 35
    assert "what comes later is left out" in capsys.readouterr().err


@pytest.mark.slow
def test_less_memory_makes_nearly_the_same_clip(asked, tmp_path):
    clips = {}
    for name, more in {
        "plain": [],
        "other": ["--seed", "1"],
        "saving": ["--storage", "fp8", "--offload", "group", "--one-by-one"],
    }.items():
        out = tmp_path / f"{name}.mp4"
        assert run(["generate", str(out), *asked.options(), *QUICK, "--mark", "none", *more]) == 0
        clips[name] = decode(out).frames.astype(int)
    assert told(tmp_path / "saving.mp4")["storage"] == "fp8"
    difference = np.abs(clips["saving"] - clips["plain"]).mean()
    assert difference < np.abs(clips["other"] - clips["plain"]).mean() / 2


def test_a_storage_that_the_machine_lacks_is_told(asked, tmp_path, capsys):
    words = [*asked.options(), *QUICK, "--storage", "torchao"]
    assert run(["generate", str(tmp_path / "x.mp4"), *words]) == 2
    assert "choose fp8" in capsys.readouterr().err
