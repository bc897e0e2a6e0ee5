import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from skimage.transform import SimilarityTransform

from likeness.rewards.align import TEMPLATE_112, apply, crop_faces, invert, template, umeyama


@given(
    scale=st.floats(0.2, 5),
    angle=st.floats(-math.pi, math.pi),
    shift=st.tuples(st.floats(-100, 100), st.floats(-100, 100)),
)
def test_finds_a_known_similarity(scale: float, angle: float, shift: tuple[float, float]) -> None:
    rotation = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    target = scale * TEMPLATE_112 @ rotation.T + np.array(shift)
    matrix = umeyama(TEMPLATE_112, target)
    np.testing.assert_allclose(matrix[:, :2], scale * rotation, atol=1e-8)
    np.testing.assert_allclose(apply(matrix, TEMPLATE_112), target, atol=1e-7)


def test_is_the_least_squares_similarity() -> None:
    rng = np.random.default_rng(0)
    source, target = rng.normal(0, 20, (5, 2)), rng.normal(0, 20, (5, 2))
    matrix = umeyama(source, target)
    # a similarity is (a, -b; b, a) with a shift: linear least squares gives the same
    rows, values = [], []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows += [[x, -y, 1, 0], [y, x, 0, 1]]
        values += [u, v]
    a, b, tx, ty = np.linalg.lstsq(np.array(rows), np.array(values), rcond=None)[0]
    np.testing.assert_allclose(matrix, [[a, -b, tx], [b, a, ty]], atol=1e-9)


def test_never_mirrors() -> None:
    mirrored = TEMPLATE_112 * [-1, 1] + [112, 0]
    assert np.linalg.det(umeyama(mirrored, TEMPLATE_112)[:, :2]) > 0


def test_many_at_once_and_missing_ones() -> None:
    five = np.stack([TEMPLATE_112, TEMPLATE_112 * np.nan, 2 * TEMPLATE_112])
    matrices = umeyama(five, template(112))
    np.testing.assert_allclose(matrices[0], umeyama(five[0], template(112)))
    assert np.isnan(matrices[1]).all()
    np.testing.assert_allclose(matrices[2], [[0.5, 0, 0], [0, 0.5, 0]], atol=1e-9)


def test_inverse_undoes() -> None:
    matrix = umeyama(TEMPLATE_112 * 1.3 + 7, template(112))
    points = np.random.default_rng(0).normal(size=(4, 2))
    np.testing.assert_allclose(apply(invert(matrix), apply(matrix, points)), points)


def test_crop_puts_points_on_the_template() -> None:
    five = TEMPLATE_112 * 0.8 + [30, 10]
    frame = np.zeros((128, 160, 3), dtype=np.uint8)
    for x, y in five.round().astype(int):
        frame[y - 1 : y + 2, x - 1 : x + 2] = 255
    crop = crop_faces(frame[None], umeyama(five, template(112))[None], 112)[0]
    for x, y in TEMPLATE_112.round().astype(int):
        assert crop[y, x].min() > 200


def test_template_zoom_keeps_the_middle() -> None:
    np.testing.assert_allclose(template(112), TEMPLATE_112)
    np.testing.assert_allclose(template(48, 0.5) - 24, (template(48) - 24) / 2)


def test_equals_scikit_image() -> None:
    rng = np.random.default_rng(4)
    source, target = rng.normal(50, 20, (2, 20, 5, 2))
    for ours, a, b in zip(umeyama(source, target), source, target, strict=True):
        theirs = SimilarityTransform.from_estimate(a, b)
        np.testing.assert_allclose(ours, theirs.params[:2], atol=1e-9)
