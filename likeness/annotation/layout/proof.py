from typing import Any

from likeness.annotation.layout.page import SEEN


def unwatched(result: list[dict[str, Any]], spent: float | None, seconds: float) -> str | None:
    """Say why an annotation shows no proof that its video was watched, or None where it does.

    The page can't be submitted before the mark of the last moments is named; who seeks to the end,
    guesses one of four, or writes to the API by hand gets past that, but hardly slower than the
    video plays.

    Args:
        result: the annotation's regions, as the server gives them.
        spent: seconds on the task (`lead_time`), or None where the server doesn't say.
        seconds: how long the video plays.

    """
    named = [
        choice
        for region in result
        if region.get("from_name") == "watched"
        for choice in region.get("value", {}).get("choices", [])
    ]
    if named != [SEEN]:
        return f"the mark at the end of the video was not named: {', '.join(named) or 'none'}"
    if spent is not None and spent < seconds:
        return f"submitted after {spent:.1f} s; the video plays {seconds:.1f} s"
    return None
