import numpy as np
import pytest
from scripted import BESIDE, BIG, SMALL, ScriptedDetector, clip, faces

from likeness.rewards.cache import ClipCache
from likeness.rewards.faces import FaceFinder, Faces, FaceTrack, interpolate, iou, track
from likeness.rewards.tracks import follow
from likeness.store.clip import Clip


def test_iou_of_known_boxes() -> None:
    a = np.array([0.0, 0, 2, 2])
    assert iou(a, a) == 1
    assert iou(a, np.array([1.0, 0, 3, 2])) == pytest.approx(1 / 3)
    assert iou(a, np.array([5.0, 5, 6, 6])) == 0


def test_follows_the_largest_face() -> None:
    result = track([faces(BIG, BESIDE)] * 3)
    assert (result.boxes == BIG).all()
    assert result.people.tolist() == [2, 2, 2]


def test_bridges_gaps_and_leaves_them_missing() -> None:
    result = track([faces(BIG), faces(), faces(), faces(BIG)])
    assert result.found.tolist() == [True, False, False, True]
    assert result.coverage == 0.5
    assert np.isnan(result.five[1]).all()


def test_interpolates_linearly() -> None:
    result = track([faces((0, 0, 10, 10)), faces(), faces((2, 2, 12, 12)), faces()])
    np.testing.assert_allclose(interpolate(result)[:, 0], [0, 1, 2, 2])


def test_does_not_jump_to_another_person() -> None:
    result = track([faces(BIG)] * 5 + [faces(BESIDE)] * 3)
    assert result.found.tolist() == [True] * 5 + [False] * 3


def test_follows_a_fast_but_steady_face() -> None:
    result = track([faces((10 * t, 0, 10 * t + 40, 50)) for t in range(8)])
    assert result.coverage == 1


def finder_track(*codes: int) -> FaceTrack:
    return FaceFinder(ScriptedDetector()).tracks([clip(*codes)])[0]


def test_says_what_is_wrong() -> None:
    assert finder_track(*[1] * 20).complaint(20) is None
    assert finder_track(*[3] * 20).complaint(20) is None
    assert "no face in any of 20" in (finder_track(*[0] * 20).complaint(20) or "")
    assert "two faces in 20 of 20" in (finder_track(*[2] * 20).complaint(20) or "")
    assert "too short: 1 frames" in (finder_track(1).complaint(20) or "")
    assert "only 10 of 20" in (finder_track(*[1, 0] * 10).complaint(20) or "")


def test_looks_at_a_clip_once() -> None:
    detector = ScriptedDetector()
    finder = FaceFinder(detector)
    one, other = clip(1, 1), clip(1, 0)
    first = finder.tracks([one, other, one])
    assert first[0] is first[2]
    assert finder.tracks([one])[0] is first[0]
    assert detector.frames == 4


def test_tracks_clips_of_several_sizes_in_order() -> None:
    small = Clip(
        frames=np.ones((3, 8, 8, 3), dtype=np.uint8),
        fps=25.0,
        audio=np.zeros(0, dtype=np.float32),
        sample_rate=16_000,
    )
    tracks = FaceFinder(ScriptedDetector()).tracks([clip(1, 0), small, clip(0, 0, 0, 1)])
    assert [t.found.tolist() for t in tracks] == [
        [True, False],
        [True, True, True],
        [False, False, False, True],
    ]


def test_gives_every_face_the_main_one_first() -> None:
    finder = FaceFinder(ScriptedDetector())
    one = clip(3, 2, 0, 1)
    main, beside, small = finder.all_tracks([one])[0]
    assert main is finder.tracks([one])[0]
    assert main.found.tolist() == [True, True, False, True]
    assert beside.found.tolist() == [False, True, False, False]
    assert small.found.tolist() == [True, False, False, False]
    assert (beside.boxes[1] == BESIDE).all() and (small.boxes[0] == SMALL).all()
    assert finder.all_tracks([clip(0, 0)]) == [[]]


def test_a_face_that_comes_back_is_one_face() -> None:
    boxes = [faces(BIG, BESIDE), *[faces(BESIDE)] * 30, faces(BIG, BESIDE)]
    assert [t.found.sum() for t in follow(boxes)] == [32, 2]


def test_a_long_clip_is_looked_at_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    class Counting(ScriptedDetector):
        def detect(self, frames: np.ndarray) -> list[Faces]:
            seen.append(len(frames))
            return super().detect(frames)

    monkeypatch.setattr("likeness.rewards.faces.PIECE_BYTES", 10 * 64 * 96 * 3)
    long = clip(*[1, 0, 1] * 8)
    result = FaceFinder(Counting()).tracks([long, clip(1), clip(0, 1)])
    assert seen == [10, 10, 4, 3]
    assert result[0].found.tolist() == [True, False, True] * 8
    assert [t.found.tolist() for t in result[1:]] == [[True], [False, True]]


def test_cache_forgets_the_oldest() -> None:
    computed = []

    def compute(clips: list[Clip]) -> list[int]:
        computed.extend(len(c) for c in clips)
        return [len(c) for c in clips]

    cache = ClipCache(compute, capacity=2)
    assert cache([clip(1), clip(1, 1), clip(1, 1, 1)]) == [1, 2, 3]
    assert cache([clip(1, 1), clip(1)]) == [2, 1]
    assert computed == [1, 2, 3, 1]
    cache.forget()
    cache([clip(1)])
    assert computed == [1, 2, 3, 1, 1]
