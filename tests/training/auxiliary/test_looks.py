"""Each loss as arithmetic, against a naive form or the reward's own."""

import numpy as np
import torch

from likeness.rewards.landmarks import TestbedLandmarker
from likeness.rewards.movement import measure
from likeness.rewards.sets import own_weights
from likeness.testbed.cast import cast, take_of
from likeness.testbed.take import LANDMARKS
from likeness.training.auxiliary.identity import identity_error
from likeness.training.auxiliary.lip_sync import sync_error
from likeness.training.auxiliary.motion import coefficients, eye_distance, motion_error
from likeness.training.auxiliary.perceptual import feature_distance, pixel_distance
from likeness.training.auxiliary.rows import by_row


def test_coefficients_are_those_of_the_reward():
    take = take_of(cast("spare", 1)[0], 0, 1.0)
    layout = TestbedLandmarker(own_weights("landmarker")).layout
    assert len(take.truth.landmarks[0]) == len(LANDMARKS)
    theirs = measure(take.truth.landmarks.astype(np.float64), layout, take.clip)
    points = torch.from_numpy(take.truth.landmarks).double()[None]
    seen = torch.ones(1, points.shape[1], dtype=torch.bool)
    mine = coefficients(points, eye_distance(points, seen, layout), layout)[0].numpy()
    expected = np.concatenate(
        [theirs.head, theirs.turn, theirs.eyes[:, None], theirs.mouth[:, None]], axis=1
    )
    np.testing.assert_allclose(mine, expected, atol=1e-5)


def test_the_scale_is_that_of_the_frames_with_a_face():
    layout = TestbedLandmarker(own_weights("landmarker")).layout
    points = torch.rand(2, 4, len(LANDMARKS), 2, dtype=torch.float64)
    seen = torch.tensor([[True, True, True, False], [False] * 4])
    left, right = (points[0, :3, list(c)].mean(1) for c in layout.eyes)
    distances = (right - left).norm(dim=-1)
    scale = eye_distance(points, seen, layout)
    torch.testing.assert_close(scale[0], distances.median())
    assert scale[1] == 1


def test_motion_counts_places_and_changes_of_seen_frames():
    true = torch.zeros(1, 4, 7)
    seen = torch.tensor([[True, True, False, True]])
    shifted, trembling = torch.full((1, 4, 7), 1.0), torch.zeros(1, 4, 7)
    trembling[0, 1] = 1.0
    large = 1 - 0.025  # smooth L1 of 1
    assert motion_error(true, true, seen) == 0
    torch.testing.assert_close(motion_error(shifted, true, seen), torch.tensor([large]))
    torch.testing.assert_close(
        motion_error(trembling, true, seen), torch.tensor([large / 3 + large])
    )
    hidden = true.clone()
    hidden[0, 2] = 9.0
    assert motion_error(hidden, true, seen) == 0


def test_sync_error_equals_a_naive_loop():
    chance = torch.Generator().manual_seed(0)
    lips = torch.randn(2, 6, 5, generator=chance, dtype=torch.float64)
    sound = torch.randn(2, 9, 5, generator=chance, dtype=torch.float64)
    seen = torch.tensor([[True] * 6, [True, False] * 3])
    first, vshift = 2, 3
    expected = []
    for n in range(2):
        errors = []
        for i in range(6):
            if not seen[n, i]:
                continue
            at = range(max(0, first + i - vshift), min(8, first + i + vshift) + 1)
            far = {k: float((lips[n, i] - sound[n, k] + 1e-6).norm()) for k in at}
            total = sum(np.exp(-d) for d in far.values())
            errors.append(-np.log(np.exp(-far[first + i]) / total))
        expected.append(np.mean(errors))
    found = sync_error(lips, sound, seen, first, vshift)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))


def test_identity_is_the_angle_alone():
    embedded = torch.tensor([[3.0, 0.0], [0.0, 2.0], [-1.0, 0.0]])
    person = torch.tensor([[1.0, 0.0]]).expand(3, -1)
    torch.testing.assert_close(identity_error(embedded, person), torch.tensor([0.0, 1.0, 2.0]))


def test_distances_of_pictures_equal_naive_loops():
    chance = torch.Generator().manual_seed(0)
    a, b = (torch.randn(2, 3, 4, 5, generator=chance, dtype=torch.float64) for _ in range(2))
    total = torch.zeros(2, dtype=torch.float64)
    pixels = torch.zeros(2, dtype=torch.float64)
    for n, y, x in np.ndindex(2, 4, 5):
        one, other = a[n, :, y, x], b[n, :, y, x]
        total[n] += (one / one.norm() - other / other.norm()).square().sum() / 20
        pixels[n] += (((one - other) ** 2 + 1e-6).sqrt() - 1e-3).sum() / 60
    torch.testing.assert_close(feature_distance([a, a], [b, b]), 2 * total)
    torch.testing.assert_close(pixel_distance(a, b), pixels)
    assert pixel_distance(a, a).tolist() == [0, 0]


def test_rows_are_means_of_what_was_seen():
    seen = np.array([[True, False, True], [False, False, False], [False, True, False]])
    rows = by_row(torch.tensor([1.0, 3.0, 7.0]), seen)
    assert rows.error.tolist() == [2, 0, 7]
    assert rows.counted.tolist() == [True, False, True]


def test_an_error_that_is_no_number_is_not_hidden():
    rows = by_row(torch.tensor([float("nan")]), np.array([[True]]))
    assert rows.counted.all() and rows.error.isnan().all()
