"""The classifier finds a trace among thousands, and cries wolf as often as it says."""

import numpy as np
import pytest

from likeness.annotation.blinding import AuditError, tell

NOISE = 400


def views(
    rng: np.random.Generator, count: int = 60, width: int = NOISE
) -> tuple[list[dict[str, float]], list[bool]]:
    noise = rng.normal(size=(count, width))
    labels = [bool(label) for label in rng.permutation(np.arange(count) % 2)]
    return [{f"n{i}": float(v) for i, v in enumerate(row)} for row in noise], labels


def test_one_feature_that_tells_is_found_among_hundreds_that_do_not():
    rng = np.random.default_rng(0)
    features, labels = views(rng)
    for view, label in zip(features, labels, strict=True):
        view["size"] = 100.0 + 3 * label + rng.normal()
    told = tell(features, labels, rng, deals=199)
    assert told.p == 1 / 200
    assert told.accuracy > 0.85
    assert told.low > 0.75
    assert told.strongest[0] == "size"


def test_many_weak_features_tell_together():
    rng = np.random.default_rng(1)
    features, labels = views(rng, 120)
    for view, label in zip(features, labels, strict=True):
        for i in range(0, NOISE, 4):
            view[f"n{i}"] += 0.35 * label
    assert tell(features, labels, rng, deals=199).p <= 0.01


def test_alarms_without_a_trace_are_as_rare_as_said():
    alarms, total = 0, []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        features, labels = views(rng, 40, 60)
        told = tell(features, labels, rng, groups=[i // 2 for i in range(40)], deals=39)
        alarms += told.p <= 0.05
        total.append(told.accuracy)
    assert 2 <= alarms <= 20  # of 200 at 5 %: 10; more or fewer by luck once in 200 times
    assert 0.46 < np.mean(total) < 0.54


def test_what_a_group_has_in_common_does_not_count_as_told():
    """Views of a comparison share their files; a label that goes by comparison is not told."""
    alarms = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        common = rng.normal(size=(20, 30))
        labels = [bool(label) for label in rng.permutation(np.arange(20) % 2)]
        features = [{f"c{i}": float(v) for i, v in enumerate(common[n // 3])} for n in range(60)]
        told = tell(
            features, [labels[n // 3] for n in range(60)], rng,
            groups=[n // 3 for n in range(60)], deals=39,
        )  # fmt: skip
        alarms += told.p <= 0.05
    assert alarms <= 8


def test_the_same_seed_tells_the_same_whatever_order_names_come_in():
    features, labels = views(np.random.default_rng(2))
    turned = [dict(reversed(view.items())) for view in features]
    first = tell(features, labels, np.random.default_rng(3), deals=39)
    assert first == tell(turned, labels, np.random.default_rng(3), deals=39)


def test_views_that_do_not_differ_are_told_by_luck_alone():
    told = tell([{"a": 1.0}] * 40, [True, False] * 20, np.random.default_rng(0), deals=39)
    assert (told.features, told.strongest) == (0, ())
    assert told.accuracy == 0.5
    assert told.p > 0.5


@pytest.mark.parametrize(
    ("count", "labels"), [(10, [True, False] * 5), (30, [True] * 28 + [False] * 2)]
)
def test_too_few_views_are_refused(count, labels):
    with pytest.raises(AuditError, match="needs 20 views and 5 of each label"):
        tell([{"a": 1.0}] * count, labels, np.random.default_rng(0))


def test_views_of_one_group_alone_are_refused():
    with pytest.raises(AuditError, match="one group"):
        tell([{"a": 1.0}] * 20, [True, False] * 10, np.random.default_rng(0), groups=[1] * 20)
