"""One look for all pages, light and dark; colours that colour-blind people tell apart.

The series are those of the report (Okabe and Ito 2008), lighter on a dark ground.
"""

from typing import Any

import streamlit as st

LIGHT = ("#0072b2", "#d55e00", "#009e73", "#a8558b", "#8a6d00", "#56606b")
DARK = ("#56b4e9", "#f0894a", "#3fc79c", "#d994c0", "#e0c04c", "#a2a9b3")

_GROUNDS = {
    "light": {
        "primaryColor": "#0b64a0",
        "backgroundColor": "#ffffff",
        "secondaryBackgroundColor": "#f4f5f6",
        "textColor": "#1b1c1e",
        "linkColor": "#0b64a0",
        "borderColor": "#dcdfe3",
        "chartCategoricalColors": list(LIGHT),
    },
    "dark": {
        "primaryColor": "#6bb6ea",
        "backgroundColor": "#131416",
        "secondaryBackgroundColor": "#1d1f23",
        "textColor": "#e9e8e4",
        "linkColor": "#6bb6ea",
        "borderColor": "#33363b",
        "chartCategoricalColors": list(DARK),
    },
}


def palette() -> tuple[str, ...]:
    """Return the colours of series on the ground that the visitor has chosen."""
    return DARK if st.context.theme.type == "dark" else LIGHT


def settings() -> dict[str, Any]:
    """Return the look as Streamlit's options."""
    options: dict[str, Any] = {
        f"theme.{ground}.{name}": value
        for ground, values in _GROUNDS.items()
        for name, value in values.items()
    }
    return options | {
        "theme.baseFontSize": 14,
        "theme.baseRadius": "6px",
        "theme.headingFontSizes": ["1.75rem", "1.3rem", "1.1rem", "1rem", "1rem", "1rem"],
        "theme.headingFontWeights": [650, 600, 600, 600, 600, 600],
        "theme.metricValueFontSize": "1.4rem",
        "theme.paddingTop": "3.5rem",
        "theme.showWidgetBorder": True,
    }
