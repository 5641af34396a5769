"""One look, in light and in dark: the colours of charts, and the theme that Streamlit draws all else with.

Nobody has to tell red from green: better and worse are a bluish green and a vermilion.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PALETTE: tuple[str, ...] = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#7A3DC8", "#7F7F7F")
"""Okabe and Ito (2008), https://jfly.uni-koeln.de/color/, read 2026-08-22. Their yellow and black, which vanish on a
light and on a dark page, are a violet and a grey here. The grey is for all that has no colour of its own."""

_COLOURS: Mapping[str, Any] = {
    "primaryColor": PALETTE[0],
    "baseRadius": "0.6rem",
    "showWidgetBorder": True,
    "greenColor": PALETTE[2],
    "redColor": PALETTE[5],
    "orangeColor": PALETTE[1],
    "blueColor": PALETTE[0],
    "chartCategoricalColors": list(PALETTE),
}

_DARK: Mapping[str, Any] = {
    "primaryColor": PALETTE[4],
    "greenColor": "#3CC9A0",
    "redColor": "#F28B50",
    "blueColor": PALETTE[4],
}
"""The same, light enough for a dark page."""


def theme() -> dict[str, Any]:
    """Streamlit's options for it, which follow what the visitor's system prefers."""
    return {
        "theme.metricValueFontSize": "1.6rem",
        "theme.paddingTop": "1rem",
        "theme.headingFontSizes": ["1.75rem", "1.4rem", "1.15rem"],
        **{f"theme.light.{name}": value for name, value in _COLOURS.items()},
        **{f"theme.dark.{name}": value for name, value in {**_COLOURS, **_DARK}.items()},
    }
