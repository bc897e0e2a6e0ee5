import numpy as np
import pytest

from likeness.benchmark.curation.faults import (
    UnfitError,
    check_face,
    check_pictures,
    jumps,
    stillest,
)
from likeness.benchmark.curation.settings import CurationSettings
from likeness.rewards.tracks import FaceTrack

SETTINGS = CurationSettings()


def moving(seed: int, frames: int = 50) -> np.ndarray:
    """A picture that slides: something changes between any two frames."""
    rng = np.random.default_rng(seed)
    wide = rng.integers(60, 190, (32, 32 + frames, 3)).astype(np.uint8)
    wide = (wide // 8 + 100).astype(np.uint8)
    return np.stack([wide[:, k : k + 32] for k in range(frames)])


def test_a_steady_clip_has_no_fault():
    check_pictures(moving(0), SETTINGS)


@pytest.mark.parametrize("at", [3, 25, 46])
def test_a_cut_is_found_where_it_is(at):
    frames = moving(0)
    frames[at:] = 255 - frames[at:] // 2
    (found,) = jumps(frames)
    assert (found.frame, found.flash) == (at, False)
    with pytest.raises(UnfitError, match=f"cut before frame {at}"):
        check_pictures(frames, SETTINGS)


@pytest.mark.parametrize("length", [1, 2])
def test_foreign_frames_are_a_flash(length):
    frames = moving(0)
    frames[20 : 20 + length] = 255
    with pytest.raises(UnfitError) as told:
        check_pictures(frames, SETTINGS)
    assert told.value.kind == "flash"
    assert "and 1 more" in told.value.reason


def test_a_frozen_stretch_is_found_though_the_encoder_refreshes_it():
    frames = moving(0)
    frames[10:30] = frames[10]
    frames[18:30] += 1
    with pytest.raises(UnfitError, match="stands still"):
        check_pictures(frames, SETTINGS)


def test_a_film_of_24_frames_a_second_is_not_frozen():
    frames = moving(0)[np.minimum(np.arange(50) * 24 // 25, 49)]
    assert stillest(frames, 10) <= 0.1
    check_pictures(frames, SETTINGS)


def track(seen: int, crowd: int = 0) -> FaceTrack:
    boxes = np.full((50, 4), np.nan, np.float32)
    boxes[:seen] = (10, 10, 20, 20)
    people = np.zeros(50, int)
    people[:seen], people[:crowd] = 1, 2
    return FaceTrack(
        boxes=boxes,
        five=np.zeros((50, 5, 2), np.float32),
        confidence=np.ones(50, np.float32),
        people=people,
    )


@pytest.mark.parametrize(
    ("seen", "crowd", "kind"),
    [(0, 0, "no face"), (44, 0, "unsteady face"), (50, 6, "several faces")],
)
def test_faces_that_are_missing_or_too_many(seen, crowd, kind):
    with pytest.raises(UnfitError) as told:
        check_face(track(seen, crowd), SETTINGS)
    assert told.value.kind == kind


def test_a_bystander_for_a_moment_and_a_blind_moment_are_let_pass():
    check_face(track(45, 5), SETTINGS)
