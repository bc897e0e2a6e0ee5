"""Who is who among clips that don't say, and who is held out of training."""

import numpy as np

from likeness.store.lots import is_among

SAME_PERSON = 0.5  # cosine of mean embeddings


def is_held_out(identity: str, share: float) -> bool:
    """Whether a person is among the ``share`` of all that no training sees."""
    return is_among(identity, share)


def same_people(embeddings: np.ndarray, threshold: float = SAME_PERSON) -> np.ndarray:
    """Group clips by person: agglomerative, by the average cosine between groups.

    Memory grows with the square of the number of clips: 20,000 take 1.6 GB.

    Args:
        embeddings: (N, D) unit rows, one a clip.
        threshold: two groups are one person while their clips' mean cosine is at least this.

    Returns:
        (N,) number of each clip's person, counted from 0 in the order of first appearance.

    """
    from scipy.cluster.hierarchy import fcluster, linkage

    if len(embeddings) < 2:
        return np.zeros(len(embeddings), int)
    tree = linkage(embeddings.astype(np.float64), method="average", metric="cosine")
    found = fcluster(tree, t=1 - threshold, criterion="distance")
    order = {label: place for place, label in enumerate(dict.fromkeys(found.tolist()))}
    return np.array([order[label] for label in found.tolist()])
