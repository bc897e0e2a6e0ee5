"""Thresholds against naive counts and against Gaussians whose rates are known."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from likeness.rewards.calibration import CalibrationError, Trials, decide, points, roc
from likeness.rewards.labelled import all_pairs, read_labelled
from likeness.rewards.portraits import Portrait


def planted(people: int, gap: float, seed: int) -> Trials:
    """Pairs of people whose scores are Gaussian: mean 0 for impostors, `gap` for genuine ones."""
    rng = np.random.default_rng(seed)
    left, right = np.triu_indices(people, 1)
    own = np.repeat(np.arange(people), 10)
    left, right = np.concatenate([left, own]), np.concatenate([right, own])
    same = left == right
    return Trials(scores=rng.normal(gap * same, 1), same=same, left=left, right=right)


def naive(trials: Trials, far: float) -> tuple[float, float]:
    """The lowest threshold among the scores that keeps the FAR, and the TAR there."""
    genuine = [float(s) for s, g in zip(trials.scores, trials.same, strict=True) if g]
    impostor = [float(s) for s, g in zip(trials.scores, trials.same, strict=True) if not g]
    for threshold in sorted({*genuine, *impostor}):
        if sum(s >= threshold for s in impostor) <= far * len(impostor):
            return threshold, sum(s >= threshold for s in genuine) / len(genuine)
    raise AssertionError


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("decimals", [1, 12])
def test_tar_at_far_equals_a_naive_count(seed: int, decimals: int) -> None:
    trials = planted(50, 2.5, seed)
    trials = Trials(
        scores=trials.scores.round(decimals), same=trials.same, left=trials.left, right=trials.right
    )
    threshold, tar = naive(trials, 0.01)
    point = points(trials, draws=5)[0]
    assert (point.threshold, point.tar) == (threshold, pytest.approx(tar))
    assert point.far <= 0.01


def test_gaussians_give_the_closed_form() -> None:
    trials = planted(160, 4.0, 0)
    low, strict, equal = points(trials, draws=200)
    for point, far in ((low, 1e-2), (strict, 1e-3)):
        expected = norm.isf(far)
        # 0.1 is a standard error of the rarer quantile
        assert point.threshold == pytest.approx(expected, abs=0.3)
        assert point.threshold_low - 0.1 < expected < point.threshold_high + 0.1
        assert point.tar == pytest.approx(norm.sf(expected - 4), abs=0.08)
        assert point.tar_low <= point.tar <= point.tar_high
    assert equal.threshold == pytest.approx(2.0, abs=0.1)
    assert equal.far == pytest.approx(norm.sf(2), abs=0.01)
    assert decide(trials, [low, strict, equal], "r").value == strict.threshold


def test_people_drawn_again_say_what_pairs_drawn_again_hide() -> None:
    rng = np.random.default_rng(0)
    trials = planted(60, 4.0, 1)
    lift = rng.normal(0, 1.0, 60)  # some people look like everybody
    moved = trials.scores + np.where(trials.same, 0, lift[trials.left] + lift[trials.right])
    trials = Trials(scores=moved, same=trials.same, left=trials.left, right=trials.right)
    of_pairs = []
    for _ in range(200):
        drawn = rng.integers(0, len(moved), len(moved))
        curve = roc(moved[drawn], trials.same[drawn])
        of_pairs.append(curve.thresholds[curve.at_far(0.01)])
    low, high = np.quantile(of_pairs, [0.025, 0.975])
    point = points(trials, 200)[0]
    assert point.threshold_high - point.threshold_low > 2 * (high - low)


def test_weights_count_as_copies() -> None:
    rng = np.random.default_rng(0)
    scores, same = rng.normal(size=30).round(1), np.arange(30) % 3 == 0
    times = rng.integers(0, 4, 30)
    weighted = roc(scores[times > 0], same[times > 0], times[times > 0].astype(float))
    copied = roc(np.repeat(scores, times), np.repeat(same, times))
    for a, b in ((weighted.far, copied.far), (weighted.tar, copied.tar)):
        np.testing.assert_allclose(a, b)
    np.testing.assert_array_equal(weighted.thresholds, copied.thresholds)


def test_few_impostors_support_no_small_far() -> None:
    trials = planted(10, 3.0, 0)
    found = points(trials, draws=5)
    assert "45 pairs of different people, 1000 needed for FAR 0.01" in (found[0].reason or "")
    assert "10000 needed for FAR 0.001" in (found[1].reason or "")
    assert np.isnan(found[0].threshold)
    threshold = decide(trials, found, "r")
    assert threshold.rule == "equal error"
    assert (threshold.genuine, threshold.impostor, threshold.people) == (100, 45, 10)
    lonely = Trials(
        scores=trials.scores[trials.same],
        same=trials.same[trials.same],
        left=trials.left[trials.same],
        right=trials.right[trials.same],
    )
    with pytest.raises(CalibrationError, match="0 of different people"):
        points(lonely)


def test_same_seed_same_interval() -> None:
    trials = planted(30, 2.0, 3)
    assert points(trials, 50, seed=1)[-1] == points(trials, 50, seed=1)[-1]


def write(tmp_path: Path, **columns: list) -> Path:
    pd.DataFrame(columns).to_csv(tmp_path / "t.csv", index=False)
    return tmp_path / "t.csv"


def test_pairs_say_who_is_who(tmp_path: Path) -> None:
    table = write(
        tmp_path, left=["a", "b", "a", "d"], right=["b", "c", "d", "c"], same=[1, 1, 0, 0]
    )
    labelled = read_labelled(table)
    assert [p.name for p in labelled.paths] == ["a", "b", "c", "d"]
    a, b, c, d = labelled.people
    assert a == b == c != d
    assert labelled.pairs == [(0, 1), (1, 2), (0, 3), (3, 2)]


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"left": ["a", "b", "a"], "right": ["b", "c", "c"], "same": [1, 1, 0]}, "a and c are"),
        ({"left": ["a"], "right": ["b"], "same": ["maybe"]}, "got 'maybe'"),
        ({"left": ["a"], "right": [None], "same": [1]}, "is empty"),
        ({"left": ["a"], "same": [1]}, "needs columns left, right and same, or path"),
    ],
)
def test_a_table_that_means_nothing_is_refused(tmp_path: Path, columns: dict, reason: str) -> None:
    with pytest.raises(CalibrationError, match=reason):
        read_labelled(write(tmp_path, **columns))


def test_clips_make_all_pairs_and_faceless_ones_are_left_out(tmp_path: Path) -> None:
    labelled = read_labelled(write(tmp_path, path=["1", "2", "3"], identity=["x", "x", "y"]))
    assert len(labelled.pairs) == 3
    east, north = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    faces = [Portrait(embeddings=e, coverage=1, complaint=None) for e in (east, east, north)]
    trials = labelled.trials(faces)
    np.testing.assert_allclose(trials.scores, [1, 0, 0])
    assert trials.same.tolist() == [True, False, False]
    faces[0] = Portrait(embeddings=east[:0], coverage=0, complaint="no face")
    assert labelled.trials(faces).scores.tolist() == [0.0]
    assert all_pairs(labelled.paths, ["x", "y", "y"]).people.tolist() == [0, 1, 1]
