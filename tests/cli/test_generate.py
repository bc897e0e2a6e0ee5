"""`likeness generate`: one clip, or a table of them, marked, noted and resumed."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from likeness.cli import run
from likeness.cli.making.maker import Maker, _held
from likeness.cli.making.orders import read_orders
from likeness.cli.making.settings import Making
from likeness.model import Generator
from likeness.store.marks import manifest, watermark
from likeness.store.media import decode, encode

QUICK = ["--steps", "1", "--audio-guidance", "1", "--reference-guidance", "1"]


@pytest.fixture(autouse=True)
def settings(tmp_path, monkeypatch):
    monkeypatch.delenv("LIKENESS_SIGNING", raising=False)
    monkeypatch.setattr(
        "likeness.store.marks.signing._settings_folder", lambda: tmp_path / "settings"
    )


@pytest.fixture
def table(asked, tmp_path):
    """Three rows, of which the second one's audio isn't there."""
    rows = [
        {"reference": asked.reference, "audio": audio, "background": asked.background, "name": name}
        for name, audio in (("one", asked.audio), ("two", "nowhere.wav"), ("three", asked.audio))
    ]
    path = tmp_path / "conditions.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def generated(table: Path, *more: str) -> tuple[int, pd.DataFrame]:
    out = table.parent / "clips"
    code = run(["generate", "--table", str(table), "--out", str(out), *QUICK, *more])
    return code, pd.read_csv(out / "clips.csv", index_col="path")


def test_one_clip_is_marked_signed_and_noted(asked, tmp_path, capsys):
    out = tmp_path / "clip.mp4"
    words = ["generate", str(out), *asked.options(), "--seed", "5", *QUICK, "--sampler", "euler"]
    assert run(words) == 0
    assert "25 frames, seed 5, checkpoint" in capsys.readouterr().out
    clip = decode(out)
    assert clip.frames.shape == (25, 64, 64, 3)
    assert clip.origin == "generated"
    assert watermark.certainty(clip.frames) >= watermark.FOUND
    signed = manifest.read(out)
    assert signed is not None
    assert signed.state == "valid"
    note = json.loads((tmp_path / "clip.mp4.json").read_text())
    assert signed.claims["seed"] == note["seed"] == 5
    assert signed.claims["checkpoint"] == note["checkpoint"] == Generator.load("tiny").hash
    assert (note["sampler"], note["steps"], note["origin"]) == ("euler", 1, "generated")

    assert run(["inspect", str(out), "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert told["watermark"]["found"]
    assert told["manifest"]["this_machine"]
    assert told["manifest"]["claims"] == signed.claims

    data = bytearray(out.read_bytes())
    data[data.index(b"mdat") + 300] ^= 255
    out.write_bytes(data)
    assert run(["inspect", str(out)]) == 1
    assert "tampered: file or manifest were changed" in capsys.readouterr().out


def test_marks_are_left_out_where_that_is_asked_for(asked, tmp_path, capsys):
    out = tmp_path / "bare.mp4"
    words = [str(out), *asked.options(), *QUICK, "--mark", "none", "--no-provenance"]
    assert run(["generate", *words]) == 0
    note = json.loads((tmp_path / "bare.mp4.json").read_text())
    assert (note["mark"], note["manifest"]) == ("none", False)
    assert manifest.read(out) is None
    capsys.readouterr()
    assert run(["inspect", str(out)]) == 0
    told = capsys.readouterr().out
    assert "says generated" in told  # the container's own word stays
    assert "not found" in told
    assert "manifest   none" in told


def test_a_row_that_fails_is_told_and_the_others_are_made(table, capsys):
    code, rows = generated(table)
    assert code == 1
    assert list(rows.state) == ["made", "failed", "made"]
    assert "nowhere.wav: there is no such file" in rows.error["two.mp4"]
    assert list(rows.seed) == [0, 1, 2]
    assert rows.origin["one.mp4"] == "generated"
    assert rows.guidance["one.mp4"] == "audio=1 text=1 reference=1 movement=1"
    (last,) = [line for line in capsys.readouterr().err.splitlines() if "failed" in line]
    assert "1 of 3 rows failed" in last
    clips = [decode(table.parent / "clips" / name) for name in ("one.mp4", "three.mp4")]
    assert clips[0].hash != clips[1].hash


@pytest.mark.slow
def test_a_table_goes_on_where_it_was(table, capsys):
    generated(table)
    capsys.readouterr()
    out = table.parent / "clips"
    first = (out / "one.mp4").read_bytes()
    (out / "three.mp4").write_bytes((out / "three.mp4").read_bytes()[:-100])  # half written
    code, rows = generated(table, "--json")
    assert code == 1
    assert list(rows.state) == ["kept", "failed", "made"]
    told = json.loads(capsys.readouterr().out)
    assert [row["state"] for row in told] == list(rows.state)
    assert (out / "one.mp4").read_bytes() == first
    assert len(decode(out / "three.mp4")) == 25
    _, rows = generated(table, "--steps", "2")  # other settings: another clip
    assert list(rows.state) == ["made", "failed", "made"]


def test_a_clip_that_another_run_makes_is_not_made_twice(table):
    making = Making(steps=1, provenance=False)
    orders = read_orders(table, table.parent / "clips", seed=0)
    maker = Maker(making, Generator.load("tiny"), "cpu")
    with _held(orders[0].out, wait=False) as ours:
        assert ours
        states = [outcome.state for outcome in maker.follow([orders[0], orders[2]])]
    assert states == ["busy", "made"]
    assert [outcome.state for outcome in maker.follow([orders[2]])] == ["kept"]


def test_a_batch_makes_what_single_clips_are(table, tmp_path):
    making = Making(steps=1, provenance=False, mark="none")
    maker = Maker(making, Generator.load("tiny"), "cpu")
    first, _, third = read_orders(table, tmp_path / "together", seed=0)
    maker.follow([first, third])
    alone = replace(third, out=tmp_path / "alone.mp4")
    maker.follow([alone])
    other, together, single = (
        decode(order.out).frames.astype(int) for order in (first, third, alone)
    )
    assert np.abs(together - single).mean() < 1  # rounding, then H.264
    assert np.abs(together - other).mean() > 5


@pytest.mark.slow  # two processes load the generator
def test_two_processes_share_a_table(table):
    code, rows = generated(table, "--devices", "cpu,cpu", "--batch", "1")
    assert code == 1
    assert list(rows.state) == ["made", "failed", "made"]


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        (["--reference-frames", "0"], "without any there is no person"),
        (["--reference-frames", "49"], "no model has seen more"),
        (["--reference-frames", "10"], "the nearest is 9"),
        (["--devices", "cuda:77"], "there is no 'cuda:77'"),
        (["--reference-start", "0.8"], "give a longer clip"),
        (["--table", "x.csv"], "--table goes with --out"),
    ],
)
def test_bad_input_is_one_line(asked, tmp_path, capsys, more, complaint):
    assert run(["generate", str(tmp_path / "out.mp4"), *asked.options(), *QUICK, *more]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("likeness: ")
    assert complaint in line


def test_a_clip_of_another_kind_is_refused(asked, tmp_path, capsys):
    assert run(["generate", str(tmp_path / "out.avi"), *asked.options()]) == 2
    assert "clips are .mp4 files" in capsys.readouterr().err


def test_what_lacks_in_the_speech_is_told(asked, tmp_path, capsys):
    short = tmp_path / "short.mp4"
    encode(decode(asked.audio).window(0, 10), short)
    out = tmp_path / "out.mp4"
    assert run(["generate", str(out), *asked.options(audio=short), *QUICK]) == 0
    assert "0.40 s of sound for a clip of 1.00 s; silence after its end" in capsys.readouterr().err
