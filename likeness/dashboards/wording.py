"""Words and numbers as pages write them. Names come from anywhere: they are never markup."""

import math
import re
from html import escape

_MARKUP = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&@/])")


def plain(text: str | None) -> str:
    """Escape a text so that Markdown shows it as it is; links and pictures in it stay letters."""
    return _MARKUP.sub(r"\\\1", " ".join((text or "").split()))


def label(text: str | None) -> str:
    """Escape a text for a chart, which reads tags."""
    return escape(text or "", quote=False)


def number(value: float | None, digits: int = 3) -> str:
    """Write a value, a dash for a missing one."""
    if value is None or math.isnan(value):
        return "–"
    return f"{value:.{digits}f}".replace("-", "−")
