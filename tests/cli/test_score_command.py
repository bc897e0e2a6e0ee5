"""`likeness score` on good and bad files, drawn people and, where weights are here, real ones."""

import csv
import io
import json
import os
import wave
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from likeness.cli import run
from likeness.store import Clip
from likeness.store.media import encode
from likeness.testbed.cast import cast, take_of

NAMES = [
    "identity_ref",
    "identity_target",
    "sync_c",
    "sync_d",
    "sync_offset",
    "sync_c_valid",
    "sync_d_valid",
    "motion",
    "quality",
    "text",
]
FACES = {"identity_ref", *(name for name in NAMES if name.startswith("sync_")), "motion"}
SECONDS = 1.4


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder of films: a person twice, a stranger, and films that lack something."""
    folder = tmp_path_factory.mktemp("films")
    person, stranger = cast("heldout", 2)
    first, second = (take_of(person, scene, SECONDS).clip for scene in (0, 1))
    other = take_of(stranger, 0, SECONDS)
    plate = replace(other.clip, frames=np.repeat(other.background[None], len(other.clip), axis=0))
    both = replace(first, frames=np.concatenate([first.frames, other.clip.frames], axis=2))
    films: dict[str, Clip] = {
        "person": first,
        "clip": second,
        "stranger": other.clip,
        "silent": replace(second, audio=np.zeros(0, np.float32)),
        "faceless": plate,
        "two": both,
        "still": second.window(0, 1),
    }
    for name, clip in films.items():
        encode(clip, folder / f"{name}.mp4")
    whole = (folder / "clip.mp4").read_bytes()
    (folder / "truncated.mp4").write_bytes(whole[: len(whole) // 2])
    (folder / "text.mp4").write_text("no film at all")
    with wave.open(str(folder / "sound.wav"), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(bytes(32000))
    return folder


@pytest.fixture
def score(films: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., dict]:
    """Score films of the folder: reward -> row, of the first."""

    def score(*names: str, reference: str = "person.mp4", options: tuple[str, ...] = ()) -> dict:
        paths = [str(films / name) for name in names]
        arguments = ["score", *paths, "--reference", str(films / reference), *options]
        assert run([*arguments, "--format", "json"]) == 0
        rows = json.loads(capsys.readouterr().out)
        assert [row["reward"] for row in rows] == NAMES * len(names)
        return {row["reward"]: row for row in rows if row["clip"] == paths[0]}

    return score


def test_json_has_a_row_for_each_clip_and_reward(films, capsys):
    paths = [str(films / name) for name in ("clip.mp4", "stranger.mp4")]
    assert run(["score", *paths, "-r", str(films / "person.mp4"), "-f", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["clip"], row["reward"]) for row in rows] == [(p, n) for p in paths for n in NAMES]
    for row in rows:
        assert list(row) == ["clip", "reward", "value", "reason", "version"]
        assert (row["value"] is None) == (row["reason"] is not None)
        assert row["version"]


def test_the_person_is_more_alike_than_a_stranger(score):
    person, stranger = score("clip.mp4"), score("stranger.mp4")
    assert person["identity_ref"]["value"] > stranger["identity_ref"]["value"] + 0.2


def test_a_target_gives_its_identity(score, films):
    assert score("clip.mp4")["identity_target"]["reason"] == "no target given"
    scored = score("clip.mp4", options=("--target", str(films / "clip.mp4")))
    assert scored["identity_target"]["value"] == pytest.approx(1, abs=1e-4)


def test_a_clip_is_in_sync_with_itself(score):
    rows = score("clip.mp4")
    assert abs(rows["sync_offset"]["value"]) <= 1
    assert 1 <= rows["quality"]["value"] <= 5


def test_csv(films, capsys):
    paths = [str(films / name) for name in ("clip.mp4", "faceless.mp4")]
    assert run(["score", *paths, "-r", str(films / "person.mp4"), "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["reward"] for row in rows] == NAMES * 2
    assert float(rows[0]["value"]) <= 1
    assert rows[len(NAMES)]["value"] == ""


def test_the_table_says_why_values_are_missing(films, capsys):
    path = str(films / "silent.mp4")
    assert run(["score", path, "-r", str(films / "person.mp4")]) == 0
    told = capsys.readouterr().out
    assert f"{path}: no sync_c, sync_d, sync_offset, sync_c_valid, sync_d_valid: " in told
    assert f"{path}: no identity_target: no target given" in told


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("absent.mp4", "no such file"),
        ("truncated.mp4", "truncated"),
        ("text.mp4", "not a media file"),
        ("sound.wav", "no video stream"),
    ],
)
@pytest.mark.parametrize("role", ["clip", "--reference", "--target"])
def test_a_file_that_cannot_be_read_is_one_line_and_code_2(films, capsys, name, expected, role):
    roles = {"clip": "clip.mp4", "--reference": "person.mp4", "--target": "clip.mp4", role: name}
    clip = str(films / roles.pop("clip"))
    options = [part for option, file in roles.items() for part in (option, str(films / file))]
    assert run(["score", clip, *options, "--format", "json"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    (line,) = told.err.splitlines()
    assert line.startswith(f"likeness: {films / name}: ")
    assert expected in line


def test_a_bad_clip_does_not_stop_the_others(films, capsys):
    paths = [str(films / name) for name in ("truncated.mp4", "clip.mp4")]
    assert run(["score", *paths, "-r", str(films / "person.mp4"), "-f", "json"]) == 0
    told = capsys.readouterr()
    rows = json.loads(told.out)
    assert all(row["value"] is None and "truncated" in row["reason"] for row in rows[: len(NAMES)])
    assert len(rows) == 2 * len(NAMES)
    assert rows[len(NAMES)]["value"] is not None
    (line,) = (line for line in told.err.splitlines() if line.startswith("likeness: "))
    assert "truncated" in line


def test_several_bad_clips_are_still_one_line(films, capsys):
    paths = [str(films / name) for name in ("truncated.mp4", "absent.mp4", "text.mp4")]
    assert run(["score", *paths, "-r", str(films / "person.mp4")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "truncated.mp4" in line
    assert "2 others" in line


def test_no_sound_leaves_lip_sync_out(score):
    rows = score("silent.mp4")
    for name in ("sync_c", "sync_d", "sync_offset"):
        assert rows[name]["value"] is None
        assert "sound" in rows[name]["reason"] or "audio" in rows[name]["reason"]
    assert rows["identity_ref"]["value"] is not None
    assert rows["quality"]["value"] is not None


@pytest.mark.parametrize(
    ("name", "reason"),
    [("faceless.mp4", "no face"), ("still.mp4", "too short")],
)
def test_what_shows_no_one_person_has_no_value_but_a_reason(score, name, reason):
    rows = score(name)
    for reward in FACES:
        assert rows[reward]["value"] is None
        assert "\n" not in rows[reward]["reason"]
    assert reason in rows["identity_ref"]["reason"]
    assert reason in rows["motion"]["reason"]
    assert rows["quality"]["value"] is not None


def test_of_two_people_the_references_is_meant(score):
    rows = score("two.mp4")
    assert rows["identity_ref"]["value"] > 0.5
    assert "two faces" in rows["motion"]["reason"]
    assert rows["sync_c"]["value"] is not None or "two faces" in rows["sync_c"]["reason"]


@pytest.mark.parametrize("name", ["faceless.mp4", "two.mp4", "still.mp4"])
def test_a_reference_that_shows_no_one_person_is_named(score, name):
    reason = score("clip.mp4", reference=name)["identity_ref"]["reason"]
    assert reason.startswith("reference: ")


@pytest.mark.skipif(
    not {"LIKENESS_MEDIA", "LIKENESS_WEIGHTS"} <= os.environ.keys(),
    reason="LIKENESS_MEDIA and LIKENESS_WEIGHTS name no folders of real films and weights",
)
@pytest.mark.slow
def test_real_films(capsys):
    film = sorted(Path(os.environ["LIKENESS_MEDIA"]).glob("video/*.mp4"))[0]
    assert run(["score", str(film), "--reference", str(film), "--format", "json"]) == 0
    rows = {row["reward"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["identity_ref"]["value"] == pytest.approx(1, abs=1e-4)
    assert 1 <= rows["quality"]["value"] <= 5
