"""Passwords of raters' accounts on our own server, in a file that only its owner may read."""

import json
import secrets
from pathlib import Path

from likeness.annotation.server.client import ServerError
from likeness.annotation.server.place import FOLDER, write_private

FILE = FOLDER / "accounts.json"


def password_of(workspace: Path, account: str) -> str:
    """Return the password of an account, drawn and written down when it is first asked for.

    Raises:
        ServerError: the file is broken.

    """
    path = workspace / FILE
    known: dict[str, str] = {}
    if path.exists():
        try:
            known = dict(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise ServerError(f"{path} is broken ({error}): restore it") from error
    if account not in known:
        known[account] = secrets.token_urlsafe(12)
        write_private(path, known)
    return known[account]
