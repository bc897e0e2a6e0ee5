"""The invisible mark: there after an export, and not where nobody put it."""

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest

from likeness.store.marks import watermark
from likeness.store.marks.watermark import FOUND, MarkError, agreement, certainty, embed
from likeness.store.media import decode, encode
from likeness.testbed.cast import cast, take_of


@pytest.fixture(scope="module")
def clips():
    return [take_of(person, 0, 0.52).clip for person in cast("heldout", 8)]


def test_a_marked_clip_is_found_after_an_export(clips, tmp_path):
    for clip in clips[:3]:
        assert certainty(clip.frames) < FOUND
        path = tmp_path / "marked.mp4"
        encode(replace(clip, frames=embed(clip.frames)), path)
        assert certainty(decode(path).frames) >= FOUND


def test_a_large_clip_is_found_after_an_export_at_half_its_size(clips, tmp_path):
    large = np.stack([cv2.resize(f, (320, 288)) for f in clips[0].frames])
    half = np.stack([cv2.resize(f, (160, 144)) for f in embed(large)])
    encode(replace(clips[0], frames=half), tmp_path / "half.mp4")
    assert certainty(large) < FOUND <= certainty(decode(tmp_path / "half.mp4").frames)


def test_by_chance_agreement_is_a_standard_normal_number(clips):
    """Over clips and keys: then FOUND deviations are one clip in fifty million."""
    found = []
    for clip in clips:
        cells = watermark.on_grid(watermark.mean_picture(clip.frames), 64)
        found += [agreement(cells, key) for key in range(200)]
        assert certainty(clip.frames) < FOUND
    assert abs(np.mean(found)) < 0.1
    assert 0.9 < np.std(found) < 1.1
    assert max(np.abs(found)) < FOUND


def test_the_mark_is_faint_and_the_clip_is_left_alone(clips):
    frames = clips[0].frames.copy()
    marked = embed(frames)
    assert (frames == clips[0].frames).all()
    change = marked.astype(float) - frames
    assert 0 < np.sqrt((change**2).mean()) <= watermark.STRONGEST * 1.1


def test_agreement_is_that_of_naive_loops():
    """The cosine transform, the typical magnitudes and the correlation, term by term."""
    side = 16
    cells = np.random.default_rng(3).normal(size=(side, side))
    coefficients: list[tuple[float, float]] = []
    for u in range(side):
        for v in range(side):
            radius = math.hypot(u, v)
            if not watermark.BAND[0] * side <= radius < watermark.BAND[1] * side:
                continue
            total = 0.0
            for y in range(side):
                for x in range(side):
                    total += (
                        cells[y, x]
                        * math.cos(math.pi * (2 * y + 1) * u / (2 * side))
                        * math.cos(math.pi * (2 * x + 1) * v / (2 * side))
                    )
            scale = math.prod(math.sqrt((1 if i == 0 else 2) / side) for i in (u, v))
            coefficients.append((radius, total * scale))
    low, high = (edge * side for edge in watermark.BAND)
    ring = [min(11, int((radius - low) / ((high - low) / 12))) for radius, _ in coefficients]
    means = {r: np.mean([abs(c) for k, (_, c) in zip(ring, coefficients, strict=True) if k == r])
             for r in set(ring)}  # fmt: skip
    signs = np.random.default_rng([7, side]).choice((-1.0, 1.0), len(coefficients))
    top = squares = 0.0
    for sign, r, (_, c) in zip(signs, ring, coefficients, strict=True):
        evidence = max(-3.0, min(3.0, c / means[r]))
        top += sign * evidence
        squares += evidence**2
    assert agreement(cells, 7) == pytest.approx(top / math.sqrt(squares), abs=1e-9)


def test_a_black_clip_has_nothing_to_look_at():
    assert math.isnan(certainty(np.zeros((2, 64, 64, 3), np.uint8)))


def test_no_frames_are_refused():
    with pytest.raises(MarkError, match="no frames"):
        certainty([])
