"""The few pieces of SVG and HTML that the report's parts share."""

import math
from collections.abc import Sequence
from html import escape


def element(tag: str, content: str = "", /, **attributes: object) -> str:
    """Write an element; `class_` stands for class, `_` in names for `-`, None leaves one out.

    Attribute values are escaped, `content` is markup and is not.
    """
    parts = [tag]
    for name, value in attributes.items():
        if value is None:
            continue
        shown = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
        parts.append(f'{name.rstrip("_").replace("_", "-")}="{escape(shown)}"')
    return f"<{' '.join(parts)}>{content}</{tag}>"


def ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Round numbers between low and high, about `count` of them, in steps of 1, 2 or 5."""
    raw = (high - low) / max(count, 1)
    power = 10 ** math.floor(math.log10(raw))
    step = min((m * power for m in (1, 2, 5, 10)), key=lambda s: abs(s - raw))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def span(values: Sequence[float], margin: float = 0.06) -> tuple[float, float]:
    """Range of the finite values with a margin; a range of width one where they are all alike."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return 0.0, 1.0
    low, high = min(finite), max(finite)
    if low == high:
        return low - 0.5, high + 0.5
    pad = (high - low) * margin
    return low - pad, high + pad
