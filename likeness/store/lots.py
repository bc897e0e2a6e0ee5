"""Who is drawn out of many, by the name alone."""

import hashlib


def is_among(name: str, share: float) -> bool:
    """Whether a name is among the ``share`` of all that is drawn.

    By its hash: whoever joins or leaves the others moves nobody.
    """
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") < share * 2**64
