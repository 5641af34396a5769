"""What happened around a call, in one picture: the calls of its trace, each with its attempts and the tools that were
run for it.

A *step* is one of these, placed in time and below the step that it was part of. What lies between two of them and tells
nothing itself (a span of the application) is passed over: a call in it stands below whatever is known above it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from claude_telemetry_collector.queries.attempts import attempts_where
from claude_telemetry_collector.queries.window import MODEL, microseconds
from claude_telemetry_collector.store import Reader

Kind = Literal["call", "attempt", "tool", "event", "around"]
"""`around` is what lies around calls and has a name, such as an agent's turn."""

PARTS: frozenset[Kind] = frozenset({"attempt", "event"})
"""What has no place of its own, but that of its call."""

MOST = 300
"""Of each kind. A trace of more is no picture any more."""

_REACH = timedelta(days=1)

Place = tuple[str, str]
"""A trace id and a span id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One bar of the picture. `None` means not known. Times are UTC."""

    kind: Kind
    name: str | None
    """The model of a call, the name of a tool or an event, the operation of what lies around; of an attempt its number,
    from 1."""
    started_at: datetime
    duration_ms: int | None
    status: str | None
    """As of a call or a run of a tool; of an attempt `ok` or `error`. `None` for what has no outcome."""
    said: str | None = None
    """The error's type, or why the model stopped."""
    cost_usd: Decimal | None = None
    place: Place
    """Its span; of an attempt or an event that of its call."""
    depth: int = 0
    """How far below a step that nothing is known above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """The steps, each right below the one that it was part of, in the order of time."""

    steps: tuple[Step, ...]
    left_out: int = 0
    """How many calls, attempts and runs there are beyond those that are shown."""


@dataclass(frozen=True, slots=True)
class _Found:
    step: Step
    parents: tuple[Place, ...]
    """What it is said to be below, best first."""


_Rows = tuple[list[dict[str, Any]], int]

_AROUND = "BETWEEN make_timestamp($from) AND make_timestamp($until)"

_STEPS: Mapping[Kind, str] = {
    "call": (
        f"SELECT coalesce({MODEL}, operation) AS name, started_at, duration_ms, status, cost_usd,"  # noqa: S608
        " coalesce(error_type, stop_reason) AS said, trace_id, span_id, parent_span_id FROM calls"
        f" WHERE trace_id = $trace_id AND started_at {_AROUND}"
    ),
    # Those elsewhere that a call of the trace has asked for are below that call.
    "tool": (
        "SELECT name, started_at, duration_ms, outcome AS status, error_type AS said, trace_id, span_id,"  # noqa: S608
        " parent_span_id, asked_by_trace_id, asked_by_span_id FROM tool_runs"
        f" WHERE (trace_id = $trace_id OR asked_by_trace_id = $trace_id) AND started_at {_AROUND}"
    ),
    "around": (
        "SELECT coalesce(operation, source) AS name, started_at, duration_ms, NULL AS status, trace_id, span_id,"  # noqa: S608
        " parent_span_id FROM call_parts"
        f" WHERE role = 'wrapper' AND trace_id = $trace_id AND started_at {_AROUND}"
    ),
    "attempt": (
        "SELECT (attempt + 1)::VARCHAR AS name, started_at, duration_ms, trace_id, span_id, span_id AS parent_span_id,"  # noqa: S608
        " CASE WHEN error_type IS NULL AND coalesce(http_status, 200) < 400 THEN 'ok' ELSE 'error' END AS status,"
        " coalesce(error_type, http_status::VARCHAR) AS said"
        f" FROM ({attempts_where(f'trace_id = $trace_id AND started_at {_AROUND}')})"
    ),
    "event": (
        "SELECT name, happened_at AS started_at, NULL::BIGINT AS duration_ms, NULL AS status,"  # noqa: S608
        " call_trace_id AS trace_id, call_span_id AS span_id, call_span_id AS parent_span_id FROM events"
        f" WHERE call_trace_id = $trace_id AND happened_at {_AROUND}"
    ),
}
_LINKS = (
    "SELECT started_at, trace_id, span_id, parent_span_id FROM span_links"  # noqa: S608
    f" WHERE trace_id = $trace_id AND started_at {_AROUND}"
)
"""Where spans that tell nothing are, while it is kept."""


def trace(reader: Reader, trace_id: str, around: datetime) -> Trace:
    """What is known of a trace within a day of `around`, a time in UTC: the first 300 of each kind."""
    parameters: dict[str, object] = {
        "trace_id": trace_id,
        "from": microseconds(around - _REACH),
        "until": microseconds(around + _REACH),
    }
    asked: dict[Kind, _Rows] = {kind: _first(reader, sql, parameters) for kind, sql in _STEPS.items()}
    found = [_found(kind, row) for kind, (rows, _) in asked.items() for row in rows]
    places = {one.step.place for one in found if one.step.kind not in PARTS}
    links = {_place(row, ""): _place(row, "parent_") for row in _first(reader, _LINKS, parameters, 10 * MOST)[0]}
    placed = [replace(one, parents=_known_above(one, places, links)) for one in found]
    return Trace(
        # Of an attempt whose call is not shown nothing can be said.
        steps=tuple(_in_order([one for one in placed if one.parents or one.step.kind not in PARTS])),
        left_out=sum(more for _, more in asked.values()),
    )


def _first(reader: Reader, sql: str, parameters: Mapping[str, object], most: int = MOST) -> _Rows:
    """The first rows of a question, and how many more there are."""
    numbered = f"SELECT *, count(*) OVER () AS of_all FROM ({sql}) ORDER BY started_at, span_id LIMIT $most"  # noqa: S608
    rows = reader.ask(numbered, {**parameters, "most": most}).to_pylist()
    return rows, (rows[0]["of_all"] - len(rows) if rows else 0)


def _found(kind: Kind, row: Mapping[str, Any]) -> _Found:
    step = Step(
        kind=kind,
        name=row["name"],
        started_at=row["started_at"].replace(tzinfo=UTC),
        duration_ms=row["duration_ms"],
        status=row["status"],
        said=row.get("said"),
        cost_usd=row.get("cost_usd"),
        place=_place(row, ""),
    )
    named = [_place(row, who) for who in ("asked_by_", "parent_") if row.get(f"{who}span_id") is not None]
    return _Found(step, tuple(named))


def _place(row: Mapping[str, Any], who: str) -> Place:
    """The span that a row names: its parent is in its own trace."""
    return row.get(f"{who}trace_id") or row["trace_id"], row[f"{who}span_id"]


def _known_above(one: _Found, places: Set[Place], links: Mapping[Place, Place]) -> tuple[Place, ...]:
    """The nearest step above. Links can be made to go round in circles by whoever writes them."""
    itself = set[Place]() if one.step.kind in PARTS else {one.step.place}
    for above in one.parents:
        passed = set(itself)
        while above not in places and above in links and above not in passed:
            passed.add(above)
            above = links[above]
        if above in places and above not in passed:
            return (above,)
    return ()


def _in_order(found: Sequence[_Found]) -> Iterator[Step]:
    """Each step before those below it. One that is below itself, which nobody honest says, stands on top."""
    below: dict[Place | None, list[_Found]] = {}
    for one in sorted(found, key=lambda one: (one.step.started_at, one.step.place, one.step.name or "")):
        below.setdefault(one.parents[0] if one.parents else None, []).append(one)
    shown: set[int] = set()
    for top in (*below.get(None, ()), *found):
        waiting = [(top, 0)]
        while waiting:
            one, depth = waiting.pop()
            if id(one) in shown:
                continue
            shown.add(id(one))
            yield replace(one.step, depth=depth)
            if one.step.kind not in PARTS:
                waiting += [(part, depth + 1) for part in reversed(below.get(one.step.place, []))]
