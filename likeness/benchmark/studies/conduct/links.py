"""Links that let a rater in: signed, so that nobody can make or alter one.

A link is `rater.issue.until.signature`: which rater of the study, how many links they were given
before, until when it holds (seconds since 1970, in base 36), and the first 16 bytes of the
HMAC-SHA256 of these under the study's secret, which never leaves the server.
"""

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass

from likeness.store.errors import LikenessError

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_FORM = re.compile(r"(r\d{1,5})\.(\d{1,4})\.([0-9a-z]{1,10})\.([A-Za-z0-9_-]{22})")


class LinkError(LikenessError):
    """A link that lets nobody in."""


@dataclass(frozen=True, kw_only=True)
class Link:
    """What a link says.

    Attributes:
        rater: such as `r01`.
        issue: links that the rater was given before; only the newest holds.
        until: when it ends, in seconds since 1970.

    """

    rater: str
    issue: int
    until: int


def sign(secret: bytes, link: Link) -> str:
    """Write a link."""
    told = f"{link.rater}.{link.issue}.{_base36(link.until)}"
    return f"{told}.{_mark(secret, told)}"


def read(secret: bytes, text: str) -> Link:
    """Read a link that this secret signed; whether it still holds is the study's to say.

    Raises:
        LinkError: it is cut, altered or of another study.

    """
    found = _FORM.fullmatch(text)
    if not found or not hmac.compare_digest(
        _mark(secret, text.rpartition(".")[0]).encode(), found[4].encode()
    ):
        raise LinkError(
            "This link is not complete or was changed. Open it again exactly as it was sent."
        )
    return Link(rater=found[1], issue=int(found[2]), until=int(found[3], 36))


def stamp(secret: bytes, key: str, moment: float) -> str:
    """Sign when a trial was shown, so that the browser can carry it."""
    told = f"{round(moment * 1000)}"
    return f"{told}.{_mark(secret, f'{key}.{told}')}"


def moment_of(secret: bytes, key: str, text: str) -> float | None:
    """Read when a trial was shown; None where nobody signed that."""
    told, _, mark = text.partition(".")
    fine = hmac.compare_digest(_mark(secret, f"{key}.{told}").encode(), mark.encode())
    return int(told) / 1000 if fine else None


def new_secret() -> bytes:
    """Draw a secret from the system."""
    return secrets.token_bytes(32)


def _mark(secret: bytes, told: str) -> str:
    digest = hmac.new(secret, told.encode(), hashlib.sha256).digest()[:16]
    return urlsafe_b64encode(digest).decode().rstrip("=")


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
    return digits or "0"
