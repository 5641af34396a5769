"""Which collector this dashboard is about, and the line to it.

The collector writes where it can be reached into its data folder when it starts. So the folder is all that has to be
known, and a collector that came back at another address is found again by itself. It is asked in the role of whoever
looks (`visitor`), and an answer to one role is never shown to another: the role is part of what is remembered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TypeVar

from claude_telemetry.errors import CollectorError
from claude_telemetry.settings import Address, settle
from claude_telemetry_collector import queries
from claude_telemetry_collector.queries import Reader, Role, Tolerance
from claude_telemetry_dashboard.data.visitor import role_of_visitor
from claude_telemetry_dashboard.login import Guests

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the collector keeps calls, and where it takes them."""

    data: Path
    otlp_http: Address
    tolerance: Tolerance = field(default_factory=lambda: queries.tolerance_from(settle("dashboard", environ={})))
    """What is no drift yet, when the calls are held against the bill."""
    spool: Path | None = None
    """Where calls wait on this machine while no collector is there. `None`: nobody looks."""
    guests: Guests | None = None
    """Who may come in. `None`: there is no login, and whoever reaches the dashboard is the data's owner."""


@dataclass(frozen=True, slots=True)
class Line:
    """Which store is asked, and for whom."""

    folder: Path
    role: Role


_place: Place | None = None


def configure(new: Place) -> None:
    """Sets which collector all pages of this process are about. Called once, before the first page."""
    global _place
    _place = new


def place() -> Place:
    """The collector that this dashboard is about."""
    # A process shows one collector, and Streamlit runs a page without arguments.
    if _place is None:
        raise RuntimeError("data.configure() has to be called before a page is shown")
    return _place


def role() -> Role | None:
    """The role of whoever looks at this page. `None` for who may not see any."""
    return role_of_visitor(place().guests)


def line() -> Line:
    """The line for whoever looks at this page. Raises `CollectorError` for who may not ask."""
    found = role()
    if found is None:
        raise CollectorError("nobody is logged in here who may see this")
    return Line(place().data, found)


def asked(over: Line, question: Callable[[Reader], T]) -> T:
    """The answer of the collector, also when it has restarted since the last question.

    Raises `CollectorError`. Thread-safe.
    """
    return question(_reader(over))


def is_reachable() -> bool:
    """Whether the collector answers just now."""
    try:
        asked(line(), lambda reader: reader.ask("SELECT 1 AS here"))
    except CollectorError:
        return False
    return True


@cache
def _reader(over: Line) -> Reader:
    return queries.connect(over.folder, over.role)
