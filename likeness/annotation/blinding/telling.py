"""Whether numbers tell which of two things a view is: a classifier that ought to fail.

In each fold the features that go with the label beyond what luck gives are found among the
training views and vote by their correlation; ridge regression on all of them votes, too. The one
finds a single trace among thousands, the other many weak ones. The same is done with labels dealt
out anew, many times, which says how often luck does as well, whatever the number of features.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from likeness.store.errors import LikenessError

FOLDS = 10
FEWEST = 20
LEVEL = 0.95


class AuditError(LikenessError):
    """Views from which nothing can be learned."""


@dataclass(frozen=True, kw_only=True)
class Telling:
    """How well labels are told from features.

    Attributes:
        accuracy: mean of both labels' shares told right in cross-validation; 0.5 is chance.
        low: lower end of its 95 % interval, from resamples of whole groups.
        high: upper end.
        p: how often labels dealt out anew are told as well.
        views: how many.
        features: how many differ between views.
        strongest: names of the features that go best with the label, the best first.

    """

    accuracy: float
    low: float
    high: float
    p: float
    views: int
    features: int
    strongest: tuple[str, ...]


def tell(
    features: Sequence[Mapping[str, float]],
    labels: Sequence[bool],
    rng: np.random.Generator,
    *,
    groups: Sequence[Hashable] | None = None,
    deals: int = 999,
) -> Telling:
    """Try to tell the labels of views from their features.

    Args:
        features: of each view, by name; a name that is missing is 0.
        labels: of each view.
        rng: where folds, deals and resamples come from.
        groups: views of one group are never on both sides of a fold, and where a group has one
            label, groups and not views are dealt new ones.
        deals: how often labels are dealt out anew, at least 19.

    Raises:
        AuditError: fewer than 20 views or 2 groups, or fewer than 5 of a label.

    """
    truth = np.asarray(labels, bool)
    kind = np.unique(np.asarray([hash(g) for g in groups or range(len(truth))]),
                     return_inverse=True)[1]  # fmt: skip
    if len(features) != len(truth) or len(truth) < FEWEST or min(truth.sum(), (~truth).sum()) < 5:
        raise AuditError(
            f"an audit needs {FEWEST} views and 5 of each label, got {len(truth)} views, "
            f"{int(truth.sum())} of them with the label; deal more"
        )
    if kind.max() < 1:
        raise AuditError("all views are of one group; deal more than one comparison")
    names, table = _table(features)
    dealt = np.column_stack([truth, *(_deal(truth, kind, rng) for _ in range(deals))])
    right, margins = _told(table, dealt, kind, rng)
    shares = _balanced(right, dealt)
    accuracy = float(shares[0])
    scores = shares + margins / len(truth) ** 2  # ties between shares, which are many, are broken
    low, high = _interval(right[:, 0], truth, kind, rng)
    go = np.abs(_correlations(table, truth[:, None].astype(float)))[:, 0]
    best = [names[i] for i in np.argsort(-go, kind="stable")[:5] if go[i] > 0]
    return Telling(
        accuracy=accuracy,
        low=low,
        high=high,
        p=float((scores >= scores[0] - 1e-12).mean()),
        views=len(truth),
        features=len(names),
        strongest=tuple(best),
    )


def _table(features: Sequence[Mapping[str, float]]) -> tuple[list[str], np.ndarray]:
    """Line features up, (N, F) with mean 0 and spread 1; those that never differ are left out."""
    names = sorted({name for view in features for name in view})
    table = np.array([[view.get(name, 0.0) for name in names] for view in features], float)
    table = table.reshape(len(features), len(names))
    table -= table.mean(axis=0)
    spread = table.std(axis=0)
    # clipped, so that one view far off does not drown the others
    kept = np.flatnonzero(spread > 1e-9 * np.maximum(1.0, np.abs(table).max(axis=0, initial=0)))
    return [names[i] for i in kept], np.clip(table[:, kept] / spread[kept], -6, 6)


def _deal(truth: np.ndarray, kind: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Deal labels out anew: to whole groups where each has one label, else to views."""
    sums, sizes = np.bincount(kind, truth), np.bincount(kind)
    if ((sums == 0) | (sums == sizes)).all():
        return rng.permutation(sums > 0)[kind]
    return rng.permutation(truth)


def _told(
    table: np.ndarray, dealt: np.ndarray, kind: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Say which views are told right by training on the others, and how clearly on the whole.

    Returns:
        (N, 1 + deals) bool, and (1 + deals,) below 1.

    """
    fold = rng.permutation(np.arange(kind.max() + 1) % FOLDS)[kind]
    right, clear = np.zeros(dealt.shape, bool), np.zeros(dealt.shape)
    for number in range(fold.max() + 1):
        test = fold == number
        known = dealt[~test].astype(float)
        middle = known.mean(axis=0)
        votes = _votes(table[~test], known - middle, table[test])
        right[test] = (votes > 0) == dealt[test]
        clear[test] = np.where(dealt[test], votes, -votes)
    return right, clear.mean(axis=0) / (np.abs(clear).mean(axis=0) + 1e-12)


def _votes(train: np.ndarray, known: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Vote on test views for every dealing at once, (M, D)."""
    if not train.shape[1]:
        return np.zeros((len(test), known.shape[1]))
    centre = train.mean(axis=0)
    train, test = train - centre, test - centre
    go = _correlations(train, known)
    strict = np.sqrt(2 * np.log(max(train.shape[1], 2)))
    clear = np.abs(go) * np.sqrt(len(train))
    strong = np.where(clear > strict, go, 0)
    loud = np.where(clear.max(axis=0) > 1.5 * strict, 4, 1)  # beyond doubt: the rest is noise
    kernel = train @ train.T
    weight = np.trace(kernel) / len(train) + 1e-9
    ridge = test @ (train.T @ np.linalg.solve(kernel + weight * np.eye(len(train)), known))
    return loud * _even(test @ strong) + _even(ridge)


def _even(votes: np.ndarray) -> np.ndarray:
    """Give each dealing's votes (M, D) the size 1; votes of nobody stay 0."""
    return votes / (np.sqrt(np.square(votes).mean(axis=0)) + 1e-12)


def _correlations(table: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Correlate features (N, F) with labels (N, D), (F, D); 0 where either never differs."""
    table, known = table - table.mean(axis=0), known - known.mean(axis=0)
    lengths = np.outer(np.linalg.norm(table, axis=0), np.linalg.norm(known, axis=0))
    return np.divide(table.T @ known, lengths, out=np.zeros_like(lengths), where=lengths > 1e-9)


def _balanced(right: np.ndarray, dealt: np.ndarray) -> np.ndarray:
    """Mean of both labels' shares told right, (D,)."""
    yes = (right & dealt).sum(axis=0) / dealt.sum(axis=0)
    no = (right & ~dealt).sum(axis=0) / (~dealt).sum(axis=0)
    return (yes + no) / 2


def _interval(
    right: np.ndarray, truth: np.ndarray, kind: np.ndarray, rng: np.random.Generator
) -> tuple[float, float]:
    """Draw whole groups again and again; the middle 95 % of what they give."""
    size = kind.max() + 1
    sums = np.stack([np.bincount(kind, column, size)
                     for column in (right & truth, truth, right & ~truth, ~truth)])  # fmt: skip
    drawn = rng.multinomial(size, np.full(size, 1 / size), size=1000) @ sums.T
    drawn = drawn[(drawn[:, 1] > 0) & (drawn[:, 3] > 0)]
    shares = (drawn[:, 0] / drawn[:, 1] + drawn[:, 2] / drawn[:, 3]) / 2
    low, high = np.quantile(shares, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
