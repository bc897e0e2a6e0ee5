"""Sync-C, Sync-D and offsets off distances, against loops and known answers."""

import math

import numpy as np
import pytest
import torch

from likeness.rewards.offsets import sync_distances, sync_result


def naive_distances(lips: np.ndarray, sound: np.ndarray, vshift: int) -> np.ndarray:
    """The reference implementation's loop, zero vectors beyond the ends."""
    windows, dimensions = lips.shape
    rows = []
    for i in range(windows):
        row = []
        for k in range(2 * vshift + 1):
            j = i + k - vshift
            other = sound[j] if 0 <= j < windows else np.zeros(dimensions)
            row.append(
                math.sqrt(sum((lips[i, d] - other[d] + 1e-6) ** 2 for d in range(dimensions)))
            )
        rows.append(row)
    return np.array(rows)


@pytest.fixture
def embeddings() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(12, 6)), rng.normal(size=(12, 6))


def test_distances_equal_the_loop(embeddings: tuple[np.ndarray, np.ndarray]) -> None:
    for vshift in (1, 5, 15):
        np.testing.assert_allclose(
            sync_distances(*embeddings, vshift), naive_distances(*embeddings, vshift), rtol=1e-12
        )


def test_distances_equal_torch(embeddings: tuple[np.ndarray, np.ndarray]) -> None:
    lips, sound = map(torch.from_numpy, embeddings)
    padded = torch.nn.functional.pad(sound, (0, 0, 4, 4))
    rows = [
        torch.nn.functional.pairwise_distance(lips[[i]].repeat(9, 1), padded[i : i + 9])
        for i in range(len(lips))
    ]
    np.testing.assert_allclose(
        sync_distances(*embeddings, 4), torch.stack(rows).numpy(), rtol=1e-12
    )


def test_reads_confidence_distance_and_offset() -> None:
    distances = np.tile([9.0, 8, 3, 7, 10], (4, 1))
    result = sync_result(distances)
    assert result.distance == 3
    assert result.confidence == 8 - 3
    assert result.offset == 0
    assert sync_result(distances[:, [2, 0, 1, 3, 4]]).offset == 2


@pytest.mark.parametrize("late", [-3, 0, 2])
def test_offset_is_negative_for_late_sound(late: int) -> None:
    source = np.random.default_rng(0).normal(size=(60, 16))
    lips = source[10:50]
    sound = source[10 - late : 50 - late]  # what is seen at t is heard at t + late
    result = sync_result(sync_distances(lips, sound, 5))
    assert result.offset == -late
    assert result.distance < 2


def test_valid_only_leaves_the_padding_out() -> None:
    lips = np.full((6, 2), 3.0)
    result = sync_result(sync_distances(lips, np.full((6, 2), 10.0), 3))
    assert result.distance < result.valid_distance
    assert result.valid_distance == pytest.approx(math.hypot(7, 7), rel=1e-5)
    assert result.valid_confidence == pytest.approx(0, abs=1e-9)


def test_each_window_has_its_confidence() -> None:
    distances = np.random.default_rng(0).uniform(1, 9, (20, 7))
    result = sync_result(distances)
    mean = distances.mean(axis=0)
    own = [float(np.median(mean)) - row[mean.argmin()] for row in distances]
    padded = [0.0] * 4 + own + [0.0] * 4
    expected = [sorted(padded[i : i + 9])[4] for i in range(20)]
    np.testing.assert_allclose(result.curve, expected)


def chance(seed: int, windows: int = 60, columns: int = 31) -> np.ndarray:
    """Distances that tell nothing; windows that share frames are alike."""
    independent = np.random.default_rng(seed).normal(9, 1, (windows // 5 + 1, columns))
    return np.repeat(independent, 5, axis=0)[:windows]


def test_chance_stays_below_its_limit() -> None:
    results = [sync_result(chance(seed)) for seed in range(300)]
    assert np.mean([r.confidence < r.limit for r in results]) > 0.85
    flagged = [r.complaint(15) is not None for r in results if abs(r.offset) == 15]
    assert len(flagged) > 5
    assert np.mean(flagged) > 0.8
    assert all(r.complaint(15) is None for r in results if abs(r.offset) < 15)


def test_a_clear_peak_at_the_last_offset_counts() -> None:
    for column, offset in ((0, 15), (30, -15)):
        distances = chance(1)
        distances[:, column] -= 4
        result = sync_result(distances)
        assert result.offset == offset
        assert result.complaint(15) is None
        flat = chance(1)
        flat[:, column] = flat.mean(axis=0).min() - 1e-6
        assert f"offset tried ({offset:+d})" in (sync_result(flat).complaint(15) or "")
