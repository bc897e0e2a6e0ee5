"""Similarity of two sets of face embeddings, in blocks: memory is flat in their sizes."""

from dataclasses import dataclass

import numpy as np

BLOCK = 2048


@dataclass(frozen=True, kw_only=True)
class Chamfer:
    """Similarity of two sets of embeddings.

    Attributes:
        forward: mean over the first set of the best cosine in the second, -1..1.
        backward: the same from the second set to the first.

    """

    forward: float
    backward: float

    @property
    def value(self) -> float:
        """Mean of both directions."""
        return (self.forward + self.backward) / 2


def chamfer(a: np.ndarray, b: np.ndarray) -> Chamfer:
    """Chamfer similarity of unit rows a (n, D) and b (m, D): S = A B^T, best match both ways."""
    forward, backward = best_matches(a, b)
    return Chamfer(forward=float(forward.mean()), backward=float(backward.mean()))


def best_matches(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give each row's best cosine in the other set: (n,) for a and (m,) for b."""
    forward = np.empty(len(a), dtype=np.result_type(a, b))
    backward = np.full(len(b), -np.inf, dtype=forward.dtype)
    for i in range(0, len(a), BLOCK):
        best = np.full(len(a[i : i + BLOCK]), -np.inf, dtype=forward.dtype)
        for j in range(0, len(b), BLOCK):
            similarity = a[i : i + BLOCK] @ b[j : j + BLOCK].T
            best = np.maximum(best, similarity.max(axis=1))
            part = backward[j : j + BLOCK]
            np.maximum(part, similarity.max(axis=0), out=part)
        forward[i : i + BLOCK] = best
    return forward, backward
