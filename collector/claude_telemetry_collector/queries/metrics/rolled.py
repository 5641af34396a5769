"""What of the calls is rolled up by the hour and by the day, and which question can be answered from that.

Percentiles come from how often each length of time was measured. Roll-ups know lengths to 1%, so they are asked only
about long windows; what changed lately, and the ends of a window, are always read from the calls themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

from claude_telemetry_collector.queries.dimensions import DIMENSIONS
from claude_telemetry_collector.queries.metrics.catalogue import METRICS
from claude_telemetry_collector.queries.metrics.metric import Added, Metric, Percentile
from claude_telemetry_collector.queries.window import COUNTED, Segment, Window, microseconds
from claude_telemetry_collector.store import Reader
from claude_telemetry_collector.store.rollups import Shape

SPREAD_LEVELS = (
    ("environment",),
    ("environment", "feature", "model", "service", "prompt_name", "prompt_version", "platform"),
)
"""What spreads are told apart by. The first is small; the second is asked when it does not say enough. What follows
from another label, as the service does from the feature, makes it no longer."""

LABELS = (*SPREAD_LEVELS[-1], "status", "error_type")
"""What most questions are about, and what has few values: hours are told apart by nothing else."""

AT_LEAST = timedelta(days=2)
"""Shorter windows are read from the calls, exactly."""

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_MOST_RANGES = 12


def column_of(part: Added) -> str:
    """The column that a part is rolled up in."""
    return "p_" + blake2b(part.sql.encode(), digest_size=6).hexdigest()


def _added() -> dict[str, Added]:
    parts = [part for metric in METRICS.values() for part in (*metric.parts.values(), *metric.counts.values())]
    return {column_of(part): part for part in parts if isinstance(part, Added)}


def _spreads() -> dict[tuple[str, str], int]:
    parts = [part for metric in METRICS.values() for part in metric.parts.values()]
    spreads = dict.fromkeys((part.column, part.where) for part in parts if isinstance(part, Percentile))
    return {spread: number for number, spread in enumerate(spreads)}


SPREADS = _spreads()
"""By column and condition: the number under which it is rolled up."""

SHAPE = Shape(
    counted=COUNTED,
    labels={name: DIMENSIONS[name] for name in LABELS},
    parts={name: (part.sql, part.merge) for name, part in _added().items()},
    spread_levels=SPREAD_LEVELS,
    spreads={number: spread for spread, number in SPREADS.items()},
)

Range = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which parts of a window are read from where. Half-open ranges, none twice, which make up the window."""

    days: tuple[Range, ...]
    hours: tuple[Range, ...]
    calls: tuple[Range, ...]


def holds(metrics: Sequence[Metric], segment: Segment, labels: Sequence[str]) -> bool:
    """Whether what is rolled up tells apart all that a question asks for."""
    timed = any(isinstance(part, Percentile) for metric in metrics for part in metric.parts.values())
    known = SPREAD_LEVELS[-1] if timed else LABELS
    return not segment.tags and set(labels) | segment.labels().keys() <= set(known)


def level_of(segment: Segment, labels: Sequence[str]) -> int:
    """The level of spreads that tells apart what a question asks for, if any does."""
    asked = set(labels) | segment.labels().keys()
    return next((level for level, known in enumerate(SPREAD_LEVELS) if asked <= set(known)), len(SPREAD_LEVELS) - 1)


def plan(reader: Reader, window: Window, *, days: bool) -> Plan | None:
    """Where to read `window` from, with or without whole days; `None` where roll-ups are of no use.

    It may be out of date when it is followed: `still_holds` is for that.
    """
    inner = _whole(window, _HOUR)
    if window.length < AT_LEAST or inner is None:
        return None
    bounds: dict[str, object] = {"first": microseconds(inner[0]), "end": microseconds(inner[1])}
    row = reader.ask(
        "SELECT (SELECT any_value(shape) FROM rollup_shape) AS shape,"
        " (SELECT list(DISTINCT hour ORDER BY hour) FROM stale_hours"
        " WHERE hour >= make_timestamp($first) AND hour < make_timestamp($end)) AS hours,"
        " (SELECT list(DISTINCT day ORDER BY day) FROM stale_days"
        " WHERE day >= make_timestamp($first) AND day < make_timestamp($end)) AS days",
        bounds,
    ).to_pylist()[0]
    if row["shape"] != SHAPE.hash:
        return None
    stale = [hour.replace(tzinfo=UTC) for hour in row["hours"] or ()]
    if len(stale) * _HOUR > window.length / 4:
        return None
    calls = _close([(window.start, inner[0]), *((hour, hour + _HOUR) for hour in stale), (inner[1], window.end)])
    rest = _without([(window.start, window.end)], calls)
    if not days:
        return Plan(days=(), hours=rest, calls=calls)
    bad = [day.replace(tzinfo=UTC) for day in row["days"] or ()]
    whole = [
        found for one in _without(rest, [(day, day + _DAY) for day in bad]) if (found := _whole(Window(*one), _DAY))
    ]
    return Plan(days=tuple(whole), hours=_without(rest, whole), calls=calls)


def still_holds(plan: Plan) -> tuple[str, dict[str, object]]:
    """The SQL of a value that is NULL if nothing that `plan` reads from roll-ups is stale, and fails the question
    otherwise: in the same snapshot, so that no landing can come between."""
    hours, parameters = in_ranges("hour", (*plan.days, *plan.hours), "fresh_hour")
    days, more = in_ranges("day", plan.days, "fresh_day")
    sql = (
        "SELECT CASE WHEN EXISTS (FROM stale_hours WHERE " + hours + ") OR EXISTS (FROM stale_days WHERE " + days + ")"
        f" THEN error('{CHANGED}') END AS changed"
    )
    return sql, parameters | more


CHANGED = "an hour that was rolled up has changed"
"""What `still_holds` says."""


def in_ranges(column: str, ranges: Sequence[Range], name: str) -> tuple[str, dict[str, object]]:
    """Whether a time is in one of `ranges`, as SQL, and its parameters, which begin with `name`."""
    parameters: dict[str, object] = {}
    conditions: list[str] = []
    for place, (start, end) in enumerate(ranges):
        parameters |= {f"{name}_{place}": microseconds(start), f"{name}_{place}_end": microseconds(end)}
        conditions.append(
            f"({column} >= make_timestamp(${name}_{place}) AND {column} < make_timestamp(${name}_{place}_end))"
        )
    return f"({' OR '.join(conditions) or 'FALSE'})", parameters


def _whole(window: Window, length: timedelta) -> Range | None:
    """The whole hours or days within `window`; `None` where there is none."""
    start = microseconds(window.start)
    over = timedelta(microseconds=start % (length // timedelta(microseconds=1)))
    first = window.start + (length - over if over else timedelta(0))
    end = window.end - timedelta(microseconds=microseconds(window.end) % (length // timedelta(microseconds=1)))
    return (first, end) if first < end else None


def _close(ranges: Sequence[Range]) -> tuple[Range, ...]:
    """`ranges`, in order, as few as follow from closing the smallest gaps: each of them costs something."""
    joined: list[Range] = []
    for start, end in (one for one in ranges if one[0] < one[1]):
        if joined and joined[-1][1] >= start:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    while len(joined) > _MOST_RANGES:
        place = min(range(1, len(joined)), key=lambda place: joined[place][0] - joined[place - 1][1])
        joined[place - 1 : place + 1] = [(joined[place - 1][0], joined[place][1])]
    return tuple(joined)


def _without(ranges: Sequence[Range], taken: Sequence[Range]) -> tuple[Range, ...]:
    """What of `ranges` is in none of `taken`."""
    left = list(ranges)
    for start, end in taken:
        left = [
            part
            for one in left
            for part in ((one[0], min(one[1], start)), (max(one[0], end), one[1]))
            if part[0] < part[1]
        ]
    return tuple(left)
