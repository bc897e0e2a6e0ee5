"""How ties are told: the log-likelihood's slopes and bends at each pair of systems.

Each function takes counts (B, S, S, 3) of votes for the left, for the right and for neither, the
lead (B, S, S) of the left in log-odds and the tie parameter (B, 1, 1). It gives, (B, S, S) each,
the slope by the lead, the bend (minus the second derivative) by the lead, the slope and the bend
by the tie parameter, and the mixed bend.
"""

import numpy as np
from scipy.special import expit

LEFT, RIGHT, TIE = range(3)

Derivatives = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def half(counts: np.ndarray, lead: np.ndarray, tie: np.ndarray | None) -> Derivatives:
    """Count a tie as half a win on each side (Bradley and Terry 1952); there is no parameter."""
    chance, votes = expit(lead), counts.sum(-1)
    none = np.zeros(())
    won = counts[..., LEFT] + counts[..., TIE] / 2
    return won - votes * chance, votes * chance * (1 - chance), none, none, none


def davidson(counts: np.ndarray, lead: np.ndarray, tie: np.ndarray | None) -> Derivatives:
    """Weigh left, right and tie by exp(lead / 2), exp(-lead / 2) and nu; `tie` is log nu."""
    assert tie is not None
    top = np.maximum(np.abs(lead) / 2, tie)
    left, right, level = np.exp(lead / 2 - top), np.exp(-lead / 2 - top), np.exp(tie - top)
    total = left + right + level
    left, right, level = left / total, right / total, level / total
    votes, tilt = counts.sum(-1), (left - right) / 2
    return (
        (counts[..., LEFT] - counts[..., RIGHT]) / 2 - votes * tilt,
        votes * ((left + right) / 4 - tilt**2),
        counts[..., TIE] - votes * level,
        votes * level * (1 - level),
        -votes * tilt * level,
    )


def rao_kupper(counts: np.ndarray, lead: np.ndarray, tie: np.ndarray | None) -> Derivatives:
    """Let the left win where lead plus logistic noise exceeds log kappa; `tie` is log kappa > 0.

    The chance of a tie is left * right * (kappa^2 - 1).
    """
    assert tie is not None
    left, right = expit(lead - tie), expit(-lead - tie)
    ties = counts[..., TIE]
    for_left, for_right = counts[..., LEFT] + ties, counts[..., RIGHT] + ties
    up, down = for_left * (1 - left), for_right * (1 - right)
    squared = np.exp(2 * tie)
    return (
        up - down,
        up * left + down * right,
        ties * 2 * squared / np.expm1(2 * tie) - up - down,
        up * left + down * right + ties * 4 * squared / np.expm1(2 * tie) ** 2,
        down * right - up * left,
    )


SLOPES = {"davidson": davidson, "rao-kupper": rao_kupper, "half": half}
TIES = tuple(SLOPES)
