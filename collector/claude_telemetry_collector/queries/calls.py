"""Lists of calls: in pages from the newest on, the most extreme ones of a window, those that came in last.

Every list is of a window and a segment, and can be narrowed to an outcome, and to the calls that have an id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from claude_telemetry.record import Call, columns_of
from claude_telemetry_collector.queries.metrics import CALL_MAXIMA, readings
from claude_telemetry_collector.queries.narrowed import ALL, Narrowed, condition_of
from claude_telemetry_collector.queries.window import COUNTED, Clock, Condition, Segment, Window, calls_in, microseconds
from claude_telemetry_collector.store import Reader

LISTED = tuple(column.name for column in columns_of(Call) if column.sql_type != "JSON")
"""The columns of a list of calls: all of `Call` but the JSON ones, which only one call's detail shows."""

_LATELY = timedelta(days=2)
"""Where the newest call is looked for first."""
_EVER = Window(datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))

KEYS = ("started_at", "trace_id", "span_id")
"""What every list has, whatever else was asked for."""

_TOKENS = " + ".join(
    # As DOUBLE, which no absurd count can overflow, and which adds up in a fraction of the time of wider integers.
    f"coalesce({name}, 0)::DOUBLE"
    for name in ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")
)

MOST_EXTREME: Mapping[str, tuple[str, str]] = {
    "dearest": ("cost_usd", "cost_usd IS NOT NULL"),
    "slowest": ("duration_ms", "duration_ms IS NOT NULL"),
    "largest": (f"({_TOKENS})", "(input_tokens IS NOT NULL OR output_tokens IS NOT NULL)"),
}
"""What calls can be ranked by, largest first: cost in USD, duration in ms, tokens of all kinds; as SQL, with what says
whether it is known."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page ends: the next one holds what is older."""

    started_at: datetime
    trace_id: str
    span_id: str


@dataclass(frozen=True, slots=True)
class Page:
    """Some calls, newest first."""

    rows: pa.Table
    """The columns that were asked for, `KEYS` and `received_at`; times are TIMESTAMP in UTC."""
    next: Cursor | None
    """`None` on the last page."""


@dataclass(frozen=True, slots=True)
class Top:
    """The most extreme calls of a window."""

    rows: pa.Table
    """As `Page.rows`, the most extreme one first."""
    calls: int
    """How many calls there are, listed or not."""
    unknown: int
    """How many of them are not ranked, since it is not known how much it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How new the newest call is. Times are UTC; `None` before the first call."""

    calls: int
    started_at: datetime | None
    received_at: datetime | None
    repriced: int = 0
    """How many former costs are kept: it grows when past calls get other prices."""


def calls(
    reader: Reader,
    window: Window,
    segment: Segment,
    narrowed: Narrowed = ALL,
    *,
    columns: Sequence[str] = LISTED,
    before: Cursor | None = None,
    limit: int = 50,
) -> Page:
    """The calls of `window` and `segment`, newest first, from `before` on. Pages never overlap or skip, also while new
    calls come in. Raises `ValueError` for a column that is none of `LISTED`."""
    where, parameters = _where(reader, window, segment, narrowed)
    if before is not None:
        where += (
            " AND started_at <= make_timestamp($before)"
            " AND (started_at, trace_id, span_id) < (make_timestamp($before), $before_trace, $before_span)"
        )
        parameters |= {
            "before": microseconds(before.started_at),
            "before_trace": before.trace_id,
            "before_span": before.span_id,
        }
    # One more than shown tells whether there is a next page.
    parameters["most"] = limit + 1
    sql = (
        f"SELECT {_select(columns)} FROM calls WHERE {where}"  # noqa: S608
        " ORDER BY started_at DESC, trace_id DESC, span_id DESC LIMIT $most"
    )
    rows = reader.ask(sql, parameters)
    shown = rows.slice(0, limit)
    return Page(shown, _cursor_at(shown, limit - 1) if rows.num_rows > limit else None)


def top_calls(
    reader: Reader,
    by: str,
    window: Window,
    segment: Segment,
    narrowed: Narrowed = ALL,
    *,
    columns: Sequence[str] = LISTED,
    limit: int = 200,
) -> Top:
    """The calls of `window` and `segment` of which there was most of what `by` names in `MOST_EXTREME`, the newest
    first of those that are alike. Raises `ValueError` for another `by`."""
    if by not in MOST_EXTREME:
        raise ValueError(f"calls cannot be ranked by {by!r}: give one of {', '.join(MOST_EXTREME)}")
    amount, known = MOST_EXTREME[by]
    where, parameters = _where(reader, window, segment, narrowed)
    # In two questions, the first of which reads two columns: at which moments, and then what was called at them.
    top = reader.ask(
        f"SELECT epoch_us(started_at) AS moment, {amount} AS amount FROM calls"  # noqa: S608
        f" WHERE {where} AND {known} ORDER BY amount DESC, started_at DESC LIMIT $most",
        parameters | {"most": limit},
    ).to_pylist()
    rows = reader.ask(
        f"SELECT {_select(columns)} FROM calls WHERE {where} AND {known}"  # noqa: S608
        f" AND started_at IN (SELECT make_timestamp(unnest($moments::BIGINT[]))) AND {amount} >= $least"
        f" ORDER BY {amount} DESC, started_at DESC, trace_id DESC, span_id DESC LIMIT $most",
        parameters
        | {"most": limit, "moments": [row["moment"] for row in top], "least": top[-1]["amount"] if top else 0},
    )
    counted = reader.ask(
        f"SELECT count(*) AS calls, count(*) FILTER (WHERE NOT {known}) AS unknown FROM calls WHERE {where}",  # noqa: S608
        parameters,
    ).to_pylist()[0]
    return Top(rows, counted["calls"], counted["unknown"])


def arrived(
    reader: Reader,
    window: Window,
    segment: Segment,
    narrowed: Narrowed = ALL,
    *,
    columns: Sequence[str] = LISTED,
    since: datetime | None = None,
    limit: int = 200,
) -> pa.Table:
    """The calls of `window` and `segment` that came in last, at `since` or later, as `Page.rows`: last come, first
    listed. A long call comes in when it is over, after shorter ones that began later."""
    where, parameters = _where(reader, window, segment, narrowed)
    if since is not None:
        where += " AND received_at >= make_timestamp($since)"
        parameters["since"] = microseconds(since)
    return reader.ask(
        f"SELECT {_select(columns)} FROM calls WHERE {where}"  # noqa: S608
        " ORDER BY received_at DESC, started_at DESC, trace_id DESC, span_id DESC LIMIT $most",
        parameters | {"most": limit},
    )


def extreme_call(
    reader: Reader, metric: str, window: Window, segment: Segment, *, clock: Clock = "started"
) -> tuple[str, str] | None:
    """The trace and span id of the one call that a metric of `CALL_MAXIMA` is about, the newest where several are."""
    where, parameters = calls_in(window, segment, clock)
    sql = (
        f"SELECT trace_id, span_id FROM calls WHERE {where}"  # noqa: S608
        f" ORDER BY {CALL_MAXIMA[metric]} DESC NULLS LAST, started_at DESC LIMIT 1"
    )
    found = reader.ask(sql, parameters).to_pylist()
    return (found[0]["trace_id"], found[0]["span_id"]) if found else None


def freshness(reader: Reader) -> Freshness:
    """How many calls have landed at all, and when the newest one started and came in. Of those that are in numbers."""
    lately = microseconds(datetime.now(UTC) - _LATELY)
    row = _newest(reader, lately)
    if row["started_at"] is None or row["received_at"] is None:
        row = _newest(reader, microseconds(_EVER.start))
    return Freshness(
        calls=int(readings(reader, ["requests"], _EVER, Segment())["requests"].value or 0),
        started_at=_known(row["started_at"]),
        received_at=_known(row["received_at"]),
        repriced=row["repriced"],
    )


def _newest(reader: Reader, since: int) -> dict[str, Any]:
    # Each by itself: so DuckDB skips all that is older.
    started, received = (
        f"(SELECT max({name}) FROM calls WHERE {name} >= make_timestamp($since) AND {COUNTED}) AS {name}"  # noqa: S608
        for name in ("started_at", "received_at")
    )
    repriced = "(SELECT count(*) FROM former_costs) AS repriced"
    found: dict[str, Any] = reader.ask(f"SELECT {started}, {received}, {repriced}", {"since": since}).to_pylist()[0]
    return found


def _where(reader: Reader, window: Window, segment: Segment, narrowed: Narrowed) -> Condition:
    calls_sql, calls_parameters = calls_in(window, segment)
    narrowed_sql, narrowed_parameters = condition_of(narrowed, reader, window)
    return f"{calls_sql} AND {narrowed_sql}", {**calls_parameters, **narrowed_parameters}


def _select(columns: Sequence[str]) -> str:
    for name in columns:
        if name not in LISTED:
            raise ValueError(f"a list of calls has no column {name!r}: give some of {', '.join(LISTED)}")
    return ", ".join(dict.fromkeys((*columns, *KEYS, "received_at")))


def _cursor_at(rows: pa.Table, index: int) -> Cursor:
    row = rows.slice(index, 1).to_pylist()[0]
    return Cursor(row["started_at"].replace(tzinfo=UTC), row["trace_id"], row["span_id"])


def _known(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
