"""Which calls a page is about: a range of time, a zone, labels and tags, kept in the URL, so that a link shows the same
view."""

from claude_telemetry_dashboard.filters.choosing import asked_for, bar, chosen
from claude_telemetry_dashboard.filters.labels import LABELS, MORE_LABELS, with_chosen
from claude_telemetry_dashboard.filters.ranges import (
    CUSTOM,
    DEFAULT_RANGE,
    RANGES,
    TODAY,
    Chosen,
    Range,
    between,
    looking_back,
    on_clocks,
    whole_days,
)

__all__ = [
    "CUSTOM",
    "DEFAULT_RANGE",
    "LABELS",
    "MORE_LABELS",
    "RANGES",
    "TODAY",
    "Chosen",
    "Range",
    "asked_for",
    "bar",
    "between",
    "chosen",
    "looking_back",
    "on_clocks",
    "whole_days",
    "with_chosen",
]
