"""What the sections of the page share."""

import math
from html import escape

from likeness.benchmark.metrics import METRICS
from likeness.benchmark.report.svg import element


def section(name: str, heading: str, lead: str, body: str) -> str:
    """Write a section with its heading; `body` is markup."""
    head = element("h2", escape(heading)) + (
        element("p", escape(lead), class_="lead") if lead else ""
    )
    return element("section", head + body, id=name)


def heading(metric: str) -> str:
    """Write a metric's label with the arrow that says which way is better."""
    arrow = {"higher": ("↑", "higher is better"), "lower": ("↓", "lower is better")}
    sign, title = arrow.get(METRICS[metric].better or "", ("", ""))
    mark = element("abbr", sign, title=title) if sign else ""
    return f"{escape(METRICS[metric].label)} {mark}".strip()


def number(value: float, metric: str) -> str:
    """Write a value with the metric's digits and a real minus; a dash for NaN."""
    return "—" if math.isnan(value) else f"{value:.{METRICS[metric].digits}f}".replace("-", "−")
