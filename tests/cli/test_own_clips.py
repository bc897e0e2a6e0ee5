"""The demo on a folder of films: what is read, refused, cut, told apart, learnt and held out."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from likeness.cli import run
from likeness.cli.loop.own.division import (
    GAP,
    LEAST,
    WINDOW,
    Division,
    divide,
    learnt,
    partners,
    talking_set,
)
from likeness.cli.loop.own.footage import FootageError, Head, films, read
from likeness.cli.loop.own.staging import (
    Footing,
    cases_to_learn_from,
    gather,
    held_out_cases,
)
from likeness.rewards.faces import FaceTrack
from likeness.rewards.framing import (
    CENTRE,
    HEIGHT_SHARE,
    Window,
    fit_within,
    outside,
    steady_square,
)
from likeness.rewards.people import who_is_who
from likeness.rewards.sets import RewardSet
from likeness.store.clip import Clip
from likeness.store.media import MediaError, encode
from likeness.store.workspace import Workspace
from likeness.testbed.cast import cast, take_of

SECONDS = 3.6
ASKED = {"minutes": 1.0, "seed": 0}


def track_of(boxes: np.ndarray) -> FaceTrack:
    left, _, right, bottom = boxes.T
    mouth = np.stack(
        [
            np.stack([left + 0.3 * (right - left), bottom - 10], 1),
            np.stack([left + 0.7 * (right - left), bottom - 10], 1),
        ],
        axis=1,
    )
    five = np.concatenate([mouth[:, :1], mouth[:, :1], mouth[:, :1], mouth], axis=1)
    return FaceTrack(
        boxes=boxes.astype(np.float32),
        five=five.astype(np.float32),
        confidence=np.ones(len(boxes), np.float32),
        people=np.ones(len(boxes), int),
    )


def a_head(name: str, frames: int, seed: int = 0, size: int = 64) -> Head:
    rng = np.random.default_rng(seed)
    clip = Clip(
        frames=rng.integers(0, 255, (frames, size, size, 3), dtype=np.uint8),
        fps=25.0,
        audio=rng.normal(0, 0.1, frames * 640).clip(-1, 1).astype(np.float32),
        sample_rate=16000,
        scene=name,
    )
    box = np.tile(np.array([16, 12, 48, 54], np.float32), (frames, 1))
    mouth = np.tile(np.array([26, 40, 40, 50], np.float32), (frames, 1))
    return Head(name=name, clip=clip, boxes=box, mouths=mouth)


class TestFraming:
    def test_the_square_is_steady_and_frames_the_face(self) -> None:
        boxes = np.tile(np.array([100.0, 80, 150, 148]), (9, 1))
        boxes[4] += 30
        boxes[7] = np.nan
        square = steady_square(track_of(boxes))
        assert square.width == square.height == round(68 / HEIGHT_SHARE)
        assert square.left + CENTRE[0] * square.width == pytest.approx(125, abs=1)
        assert square.top + CENTRE[1] * square.height == pytest.approx(114, abs=1)

    def test_boxes_move_along_with_the_picture(self) -> None:
        square = Window(left=10, top=20, width=128, height=128)
        assert square.boxes(np.array([[10.0, 20, 138, 148]]), (64, 64)).tolist() == [[0, 0, 64, 64]]

    def test_beyond_the_picture_its_edge_goes_on(self) -> None:
        frames = np.zeros((2, 20, 20, 3), np.uint8)
        frames[:, :, 0] = 200
        cut = Window(left=-10, top=0, width=20, height=20).cut(frames, (20, 20))
        assert cut.shape == (2, 20, 20, 3)
        assert (cut[:, :, :11] == 200).all()
        assert (cut[:, :, 11:] == 0).all()

    def test_a_head_that_walks_away_is_noticed(self) -> None:
        boxes = np.tile(np.array([100.0, 80, 150, 148]), (10, 1))
        assert outside(track_of(boxes), steady_square(track_of(boxes))) == 0
        boxes[7:, [0, 2]] += 200
        assert outside(track_of(boxes), steady_square(track_of(boxes))) == pytest.approx(0.3)

    def test_pictures_only_shrink(self) -> None:
        assert fit_within(1080, 1920, 480) == (270, 480)
        assert fit_within(300, 200, 480) == (300, 200)


class TestPeople:
    def test_films_of_one_person_are_joined_under_the_first_name(self) -> None:
        a, b = np.eye(4)[:1], np.eye(4)[1:2]
        near = (0.9 * a + 0.1 * b) / np.linalg.norm(0.9 * a + 0.1 * b)
        assert who_is_who({"x": a, "y": b, "z": near}) == {"x": "x", "y": "y", "z": "x"}

    def test_a_film_like_two_joins_both(self) -> None:
        a, b = np.eye(4)[:1], np.eye(4)[1:2]
        both = (a + b) / np.sqrt(2)
        assert set(who_is_who({"x": a, "y": b, "z": both}).values()) == {"x"}


class TestDivision:
    @pytest.mark.parametrize("frames", [LEAST, 88, 125, 750])
    def test_nothing_held_out_is_learnt(self, frames: int) -> None:
        parts = divide(a_head("film", frames))
        assert parts.first.start == 0
        assert parts.first.stop == parts.second.start
        assert parts.second.stop + GAP == parts.held_out.start
        assert parts.held_out.stop == frames
        assert min(len(parts.first), len(parts.second), len(parts.held_out)) >= WINDOW

    def test_a_person_is_known_from_another_film_where_there_is_one(self) -> None:
        one, two = divide(a_head("one", 90)), divide(a_head("two", 90, seed=1))
        assert partners(one.first, [one]) == [one.second]
        assert all(s.head.name == "two" for s in partners(one.first, [one, two]))
        assert all(s.head.name == "two" for s in partners(one.held_out, [one, two]))

    def test_the_training_set_pairs_takes_that_do_not_overlap(self) -> None:
        people: dict[str, list[Division]] = {
            "a": [divide(a_head("a", 90)), divide(a_head("b", 130, seed=1))],
            "c": [divide(a_head("c", 200, seed=2))],
        }
        data = talking_set(people, 5, np.random.default_rng(0))
        frames = min(len(s) for divisions in people.values() for s in learnt(divisions))
        assert data.frames.shape == (10, 2, frames, 64, 64, 3)
        assert data.audio.shape == (10, 2, frames * 640)
        assert data.hidden.shape == (10, 2, 64, 64)
        alone = people["c"][0]
        kept = {frame.tobytes() for frame in alone.held_out.head.clip.frames[145:]}
        for pair in data.frames[5:]:
            seen = [{frame.tobytes() for frame in take} for take in pair]
            assert not seen[0] & seen[1]
            assert not (seen[0] | seen[1]) & kept


class TestReading:
    def test_no_folder_and_no_files_are_one_line(self, tmp_path: Path) -> None:
        with pytest.raises(FootageError, match="no such folder"):
            films(tmp_path / "nowhere")
        with pytest.raises(FootageError, match="no files in it"):
            films(tmp_path)

    def test_names_keep_their_ending_where_they_need_it(self, tmp_path: Path) -> None:
        for name in ("a.mp4", "a.mov", "b.mp4", ".hidden"):
            (tmp_path / name).touch()
        assert set(films(tmp_path)) == {"a.mp4", "a.mov", "b"}

    def test_silent_and_soundless_films_are_refused(self, tmp_path: Path) -> None:
        clip = a_head("film", 30).clip
        encode(replace(clip, audio=np.zeros(0, np.float32)), tmp_path / "soundless.mp4")
        encode(replace(clip, audio=clip.audio * 0), tmp_path / "silent.mp4")
        with pytest.raises(FootageError, match="no sound in it"):
            read(tmp_path / "soundless.mp4")
        with pytest.raises(FootageError, match="silent"):
            read(tmp_path / "silent.mp4")
        (tmp_path / "text.mp4").write_text("no film at all")
        with pytest.raises(MediaError):
            read(tmp_path / "text.mp4")

    def test_sound_lasts_as_long_as_the_picture(self, tmp_path: Path) -> None:
        encode(a_head("film", 30).clip, tmp_path / "film.mp4")
        clip = read(tmp_path / "film.mp4")
        assert (len(clip), len(clip.audio), clip.fps) == (30, 30 * 640, 25)

    def test_an_empty_folder_exits_with_two(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        code = run(["demo", "--clips", str(tmp_path), "--out", str(tmp_path / "out")])
        assert code == 2
        assert "no files in it" in capsys.readouterr().err


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Films of drawn people: one twice, another once, and three that can't be used."""
    folder = tmp_path_factory.mktemp("films")
    person, stranger = cast("heldout", 2)
    first, second = (take_of(person, scene, SECONDS).clip for scene in (0, 1))
    other = take_of(stranger, 0, SECONDS)
    plate = np.repeat(other.background[None], len(other.clip), axis=0)
    clips = {
        "ann1": first,
        "ann2": second,
        "bob": other.clip,
        "faceless": replace(other.clip, frames=plate),
        "short": first.window(0, 40),
        "two": replace(first, frames=np.concatenate([first.frames, other.clip.frames], axis=2)),
    }
    for name, clip in clips.items():
        encode(clip, folder / f"{name}.mp4", lossless=True)
    (folder / "notes.txt").write_text("not a film")
    return folder


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace.create(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="module")
def footing(folder: Path, workspace: Workspace) -> Footing:
    return gather(films(folder), ASKED, workspace, RewardSet.load("testbed"), 64)


@pytest.mark.slow
class TestGathering:
    def test_usable_films_are_joined_by_person(self, footing: Footing) -> None:
        names = {p: [d.first.head.name for d in parts] for p, parts in footing.cast.items()}
        assert names == {"ann1": ["ann1", "ann2"], "bob": ["bob"]}

    def test_the_others_are_refused_with_their_reason(self, footing: Footing) -> None:
        reasons = footing.refused
        assert set(reasons) == {"faceless", "short", "two", "notes"}
        assert "no face" in reasons["faceless"]
        assert "too short" in reasons["short"]
        assert "two faces" in reasons["two"]

    def test_a_second_call_reads_no_film(
        self, folder: Path, workspace: Workspace, footing: Footing
    ) -> None:
        missing = {name: path.with_suffix(".gone") for name, path in films(folder).items()}
        again = gather(missing, ASKED, workspace, RewardSet.load("testbed"), 64)
        assert list(again.cast) == list(footing.cast)
        before, after = footing.cast["bob"][0].first, again.cast["bob"][0].first
        assert (before.head.clip.frames == after.head.clip.frames).all()
        assert (before.head.boxes == after.head.boxes).all()

    def test_another_turn_is_not_mixed_in(
        self, folder: Path, workspace: Workspace, footing: Footing
    ) -> None:
        with pytest.raises(FootageError, match="other minutes"):
            gather({}, ASKED | {"minutes": 2.0}, workspace, RewardSet.load("testbed"), 64)

    def test_no_film_left_is_an_error(self, folder: Path, tmp_path: Path) -> None:
        paths = {name: folder / f"{name}.mp4" for name in ("short", "faceless")}
        with Workspace.create(tmp_path) as workspace, pytest.raises(FootageError, match="nor can"):
            gather(paths, ASKED, workspace, RewardSet.load("testbed"), 64)

    def test_cases_refer_to_another_part_or_film(
        self, workspace: Workspace, footing: Footing
    ) -> None:
        learnt_from = cases_to_learn_from(workspace, footing.cast, 2)
        held_out = held_out_cases(workspace, footing.cast, 3)
        assert (len(learnt_from), len(held_out)) == (12, 9)
        targets = {case.target for case in learnt_from}
        assert not targets & {case.target for case in held_out}
        for case in learnt_from + held_out:
            scenes = [workspace.get_clip(c).scene for c in (case.reference, case.target)]
            assert (scenes[0] == scenes[1]) == (case.identity == "bob")


@pytest.mark.slow
@pytest.mark.skipif(
    not {"LIKENESS_MEDIA", "LIKENESS_WEIGHTS"} <= os.environ.keys(),
    reason="LIKENESS_MEDIA and LIKENESS_WEIGHTS name no folders of real films and weights",
)
def test_recorded_people_are_told_apart(tmp_path: Path) -> None:
    folder = Path(os.environ["LIKENESS_MEDIA"]) / "video"
    chosen = ("aoc_tight_sadtalker", "aoc_wide_retalking", "may_5s_real3d")
    silent = "man_glasses_liveportrait_d9"
    paths = {name: films(folder)[name] for name in (*chosen, silent)}
    with Workspace.create(tmp_path) as workspace:
        footing = gather(paths, ASKED, workspace, RewardSet.load("real"), 64)
    assert [len(parts) for parts in footing.cast.values()] == [2, 1]
    assert "silent" in footing.refused[silent]
