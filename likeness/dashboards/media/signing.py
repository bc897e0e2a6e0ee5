"""Addresses of clips that hold for some hours and for nobody who was not given them.

An address is signed with a key that this process draws as it starts, so none outlives it.
"""

import hmac
import secrets
import time
from hashlib import sha256

PLACE = "/likeness/media"
HOLDS = 6 * 3600  # seconds; an address holds for one to two of these
_KEY = secrets.token_bytes(32)


def address_of(clip: str, now: float | None = None) -> str:
    """Return the address of a clip's film, the same for some hours so that browsers keep it.

    Args:
        clip: its id.
        now: seconds since 1970; the clock's by default.

    """
    until = (int((time.time() if now is None else now) // HOLDS) + 2) * HOLDS
    return f"{PLACE}/{clip}.mp4?until={until}&mark={_mark(clip, until)}"


def holds(clip: str, until: str, mark: str, now: float | None = None) -> bool:
    """Say whether an address was given out for this clip and has not run out."""
    if not (until.isascii() and until.isdigit() and len(until) <= 12 and mark.isascii()):
        return False
    fresh = int(until) > (time.time() if now is None else now)
    return hmac.compare_digest(mark, _mark(clip, int(until))) and fresh


def _mark(clip: str, until: int) -> str:
    return hmac.new(_KEY, f"{clip} {until}".encode(), sha256).hexdigest()
