import cv2
import numpy as np
import pytest

from likeness.rewards.faces import FaceTrack
from likeness.rewards.tripwires.pictures import (
    GRID,
    LARGEST_FACE,
    look,
    repetition,
    sharpness,
)
from likeness.store.clip import Clip


def scene(seed: int = 0, sigma: float = 3.0) -> np.ndarray:
    """A picture of 96 x 96 without repeats: smooth noise."""
    rng = np.random.default_rng(seed)
    rough = cv2.GaussianBlur(rng.standard_normal((96, 96, 3)), (0, 0), sigma)
    return np.clip(128 + 30 * rough / rough.std(), 0, 255).astype(np.uint8)


def track(box: tuple[float, float, float, float] | None, frames: int) -> FaceTrack:
    boxes = np.full((frames, 4), np.nan, dtype=np.float32)
    if box is not None:
        boxes[:] = box
    return FaceTrack(
        boxes=boxes,
        five=np.zeros((frames, 5, 2), dtype=np.float32),
        confidence=np.ones(frames, dtype=np.float32),
        people=np.ones(frames, dtype=int),
    )


def film(picture: np.ndarray, frames: int = 20) -> Clip:
    sound = np.zeros(0, dtype=np.float32)
    many = np.repeat(picture[None], frames, axis=0)
    return Clip(frames=many, fps=25.0, audio=sound, sample_rate=16_000)


@pytest.mark.parametrize(("rows", "columns"), [(2, 2), (1, 2), (2, 1), (3, 3)])
def test_a_grid_repeats_itself_and_a_scene_does_not(rows, columns):
    one = scene()
    small = cv2.resize(one, (96 // columns, 96 // rows), interpolation=cv2.INTER_AREA)
    grid = np.tile(small, (rows, columns, 1))
    assert repetition(grid[None]) > 0.7
    assert repetition(one[None]) < 0.6


def test_repetition_is_the_normalised_correlation_of_what_overlaps():
    """Against the loop that the transform stands for."""
    picture = cv2.resize(scene(3), (GRID, GRID), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(float)
    edges = np.hypot(*np.gradient(grey))
    edges -= edges.mean()
    best = -1.0
    for down in range(GRID):
        for right in range(-GRID + 1, GRID):
            far = max(down, abs(right)) >= 13
            if far and (GRID - down) * (GRID - abs(right)) >= 0.4 * GRID**2:
                a = edges[down:, max(0, right) : GRID + min(0, right)]
                b = edges[: GRID - down, max(0, -right) : GRID - max(0, right)]
                best = max(best, (a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum()))
    assert repetition(picture[None]) == pytest.approx(best, abs=1e-6)


def test_sharpening_and_blur_move_sharpness_to_both_sides():
    grey = cv2.cvtColor(scene(sigma=1.5), cv2.COLOR_RGB2GRAY)
    exact = grey.astype(np.float64)  # rounding a smooth picture to 8 bits adds detail of its own
    values = [sharpness(cv2.GaussianBlur(exact, (0, 0), s)[None], 96) for s in (3, 2, 1)]
    for amount in (0.0, 0.5, 1.0, 2.0):
        soft = cv2.GaussianBlur(grey, (0, 0), 1)
        crisp = cv2.addWeighted(grey, 1 + amount, soft, -amount, 0)
        values.append(sharpness(crisp[None], 96))
    assert values == sorted(values)
    assert len(set(values)) == len(values)


def test_looks_at_the_face():
    frame = np.zeros((80, 100, 3), dtype=np.uint8)
    frame[20:60, 30:70] = (200, 50, 50)
    seen = look(film(frame), track((30, 20, 70, 60), 20))
    assert seen.faces.shape == (8, 40, 40)
    red = np.array([[[200, 50, 50]]], dtype=np.float32) / 255
    lab = cv2.cvtColor(red, cv2.COLOR_RGB2LAB)[0, 0]
    np.testing.assert_allclose(seen.colour, lab, rtol=1e-3)


def test_large_faces_are_kept_small_and_long_films_in_pieces(monkeypatch):
    frame = cv2.resize(scene(), (400, 400))
    clip = film(frame, 130)
    whole = look(clip, track((50, 50, 350, 350), 130))
    assert whole.faces.shape == (8, LARGEST_FACE, LARGEST_FACE)
    held = []
    pieces = clip.pieces

    def watched(most: int = 16):
        for piece in pieces(most):
            held.append(len(piece))
            yield piece

    monkeypatch.setattr(Clip, "pieces", lambda self: watched())
    again = look(clip, track((50, 50, 350, 350), 130))
    assert max(held) == 16
    np.testing.assert_array_equal(whole.faces, again.faces)


def test_without_a_face_only_repeats_are_known():
    seen = look(film(scene()), track(None, 20))
    assert len(seen.faces) == 0
    assert np.isnan(seen.colour).all()
    assert seen.repeats < 0.6
