import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from likeness.alignment.masks import MaskConfig, MaskError, box_mask, grow, to_latent


def test_first_frame_stands_alone_and_later_ones_go_by_four():
    for frame in range(9):
        pixels = np.zeros((9, 16, 24), dtype=bool)
        pixels[frame, 9, 20] = True
        latent = to_latent(pixels)
        assert latent.shape == (3, 2, 3)
        assert np.argwhere(latent).tolist() == [[(frame + 3) // 4, 1, 2]]


def test_a_still_mask_has_one_latent_frame():
    assert to_latent(np.ones((64, 64), dtype=bool)).shape == (1, 8, 8)


@given(st.integers(0, 2**32 - 1), st.integers(0, 3), st.integers(1, 3), st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_a_cell_is_inside_exactly_if_a_pixel_is(seed, groups, rows, columns):
    shape = (1 + 4 * groups, 8 * rows, 8 * columns)
    pixels = np.random.default_rng(seed).random(shape) < 0.01
    latent = to_latent(pixels)
    for t, y, x in np.ndindex(latent.shape):
        frames = slice(0, 1) if t == 0 else slice(4 * t - 3, 4 * t + 1)
        block = pixels[frames, 8 * y : 8 * y + 8, 8 * x : 8 * x + 8]
        assert latent[t, y, x] == block.any()


@given(st.integers(0, 2**32 - 1), st.integers(0, 2), st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_growing_only_adds_and_reaches_the_minimum(seed, padding, minimum):
    mask = np.random.default_rng(seed).random((1, 6, 7)) < 0.1
    grown = grow(mask, MaskConfig(padding=padding, minimum_area=minimum))
    assert (grown >= mask).all()
    assert grown.any() == mask.any()
    if mask.any():
        assert grown.mean() >= minimum


def test_padding_adds_a_ring():
    mask = np.zeros((1, 7, 7), dtype=bool)
    mask[0, 3, 3] = True
    grown = grow(mask, MaskConfig(padding=2, minimum_area=0))
    assert grown.sum() == 25
    assert grown[0, 1:6, 1:6].all()


def test_frames_do_not_grow_into_each_other():
    mask = np.zeros((3, 4, 4), dtype=bool)
    mask[1, 0, 0] = True
    grown = grow(mask, MaskConfig(padding=1, minimum_area=0.9))
    assert grown[1].all()
    assert not grown[[0, 2]].any()


def test_an_empty_mask_stays_empty():
    assert not grow(np.zeros((2, 8, 8), dtype=bool), MaskConfig(minimum_area=0.5)).any()


def test_box_mask_covers_the_box_and_nothing_without_a_face():
    boxes = np.array([[2.0, 1.0, 5.0, 3.0], [np.nan] * 4])
    mask = box_mask(boxes, 6, 8)
    assert mask[0, 1:3, 2:5].all()
    assert mask.sum() == 6
    assert mask.shape == (2, 6, 8)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.ones((2, 8, 8), dtype=bool), "2 frames has no latent form"),
        (np.ones((1, 9, 8), dtype=bool), "8x9 has no latent form"),
        (np.ones((8, 8)), "must be .* bool"),
    ],
)
def test_impossible_masks_are_named(pixels, message):
    with pytest.raises(MaskError, match=message):
        to_latent(pixels)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"padding": -1}, "alignment.masks.padding must be 0 or more, got -1"),
        ({"minimum_area": 2}, "minimum_area must lie in 0..1, got 2"),
    ],
)
def test_bad_settings_are_named(values, message):
    with pytest.raises(MaskError, match=message):
        MaskConfig(**values)
