from collections.abc import Sequence

from likeness.annotation.layout.page import SEEN


def unwatched(named: Sequence[str], spent: float | None, seconds: float) -> str | None:
    """Say why an annotation shows no proof that its video was watched, or None where it does.

    The page can't be submitted before the mark of the last moments is named; who seeks to the end,
    guesses one of four, or writes to the API by hand gets past that, but hardly slower than the
    video plays.

    Args:
        named: what was answered under `watched`.
        spent: seconds on the task (`lead_time`), or None where the server doesn't say.
        seconds: how long the video plays.

    """
    if list(named) != [SEEN]:
        return f"the mark at the end of the video was not named: {', '.join(named) or 'none'}"
    if spent is not None and spent < seconds:
        return f"submitted after {spent:.1f} s; the video plays {seconds:.1f} s"
    return None
