"""The metrics over calls in groups: one SQL for every question about them, from calls and from what is rolled up.

What is read from where is one `Plan`; all of it comes together as parts, and the formula of a metric is over those. So
there is one definition of each metric, and an answer is the same wherever it was read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from claude_telemetry.errors import QuestionRefusedError
from claude_telemetry_collector.queries.buckets import Buckets
from claude_telemetry_collector.queries.dimensions import told_apart
from claude_telemetry_collector.queries.metrics.catalogue import RESTS_ON, counts_sql, metrics_named, values_sql
from claude_telemetry_collector.queries.metrics.metric import Added, Metric, Percentile
from claude_telemetry_collector.queries.metrics.rolled import (
    CHANGED,
    SPREADS,
    Plan,
    column_of,
    holds,
    in_ranges,
    level_of,
    plan,
    still_holds,
)
from claude_telemetry_collector.queries.window import COUNTED, Clock, Segment, Window, calls_in
from claude_telemetry_collector.store import Reader
from claude_telemetry_collector.store.rollups import DAYS, HOURS, spreads_of, value_of

_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What groups are told apart by: a label, a tag, or a stretch of time."""

    sql: str
    parameters: Mapping[str, object] = field(default_factory=dict[str, object], hash=False)
    label: str | None = None
    """Its name, where it is a label or a tag."""
    in_hours: bool = True
    """Whether no hour, in UTC, is in two groups."""
    in_days: bool = True
    """The same of days."""


def label_key(by: str, slot: str = "by") -> Key:
    """Groups of a label or of a tag (`tag:<name>`); `slot` tells its parameters from those of another. Raises
    `ValueError` for a name that is neither."""
    sql, parameters = told_apart(by, slot)
    return Key(sql=sql, parameters=parameters, label=by)


def bucket_key(steps: Buckets) -> Key:
    """Groups of time, by the number of the bucket."""
    return Key(
        sql=steps.number,
        parameters=steps.only_number(),
        in_hours=steps.of_whole_hours,
        in_days=steps.of_whole_days,
    )


def ask_grouped(
    reader: Reader,
    names: Sequence[str],
    window: Window,
    segment: Segment,
    keys: Sequence[Key],
    written: Callable[[str], str],
    parameters: Mapping[str, object] | None = None,
    *,
    clock: Clock = "started",
    rests_on: Sequence[str] = RESTS_ON,
) -> pa.Table:
    """The answer to what `written` makes of the SQL of groups, which has a row for each of them: `key_0` and so on,
    `calls` (BIGINT), the value of each metric and what it rests on, as in `values_sql` and `counts_sql`. Without
    `keys` it is one row. Who needs to know less of what metrics `rests_on` says so: SQL that is shorter takes less."""
    metrics = metrics_named(names)
    told = dict(parameters or {})
    if clock == "started" and all(key.in_hours for key in keys) and holds(metrics, segment, _labels(keys)):
        for _ in range(_TRIES):
            found = plan(reader, window, days=all(key.in_days for key in keys))
            if found is None:
                break
            sql, values = _from_rollups(metrics, found, segment, keys, rests_on)
            try:
                return reader.ask(written(sql), told | values)
            except QuestionRefusedError as error:
                # A landing came between the plan and the question.
                if CHANGED not in str(error):
                    raise
    sql, values = _from_calls(names, window, segment, keys, clock, rests_on)
    return reader.ask(written(sql), told | values)


def _from_calls(
    names: Sequence[str], window: Window, segment: Segment, keys: Sequence[Key], clock: Clock, rests_on: Sequence[str]
) -> tuple[str, dict[str, object]]:
    where, parameters = calls_in(window, segment, clock)
    told = [f"{key.sql} AS key_{place}" for place, key in enumerate(keys)]
    shown = ", ".join(
        one for one in (*told, "count(*) AS calls", values_sql(names), counts_sql(names, rests_on)) if one
    )
    grouped = f" GROUP BY {_names(keys)}" if keys else ""
    return f"SELECT {shown} FROM calls WHERE {where}{grouped}", {**parameters, **_parameters(keys)}  # noqa: S608


def _from_rollups(
    metrics: Sequence[Metric], found: Plan, segment: Segment, keys: Sequence[Key], rests_on: Sequence[str]
) -> tuple[str, dict[str, object]]:
    fresh, parameters = still_holds(found)
    sources, ranges = _sources(found, segment, level_of(segment, _labels(keys)))
    added = [part for metric in metrics for part in _added(metric, rests_on)]
    tables = [f"fresh AS MATERIALIZED ({fresh})", f"merged AS ({_merged(added, sources, keys)})"]
    joined = ""
    timed = dict.fromkeys(part for metric in metrics for part in _percentiles(metric))
    if timed:
        tables.append(f"timed AS ({_timed(tuple(timed), sources, keys)})")
        same = [f"timed.key_{place} IS NOT DISTINCT FROM merged.key_{place}" for place in range(len(keys))]
        joined = f" LEFT JOIN timed ON {' AND '.join(same) or 'TRUE'}"
    told = [f"merged.key_{place}" for place in range(len(keys))]
    shown = ", ".join([*told, f"{_reference(_CALLS)} AS calls", *_values(metrics, rests_on)])
    sql = f"WITH {', '.join(tables)} SELECT {shown} FROM merged{joined}"  # noqa: S608
    return sql, {**parameters, **ranges, **_parameters(keys)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """A table, and the rows of it that are wanted."""

    parts: str
    """Where sums are."""
    spreads: str
    where: str

    @property
    def is_calls(self) -> bool:
        return self.parts == "calls"


def _sources(found: Plan, segment: Segment, level: int) -> tuple[list[_Source], dict[str, object]]:
    of_calls, parameters = segment.where()
    of_rolled = " AND ".join(f"{name} = $segment_{name}" for name in segment.labels()) or "TRUE"
    sources: list[_Source] = []
    for table, ranges, also in (
        (DAYS, found.days, of_rolled),
        (HOURS, found.hours, of_rolled),
        ("calls", found.calls, f"{COUNTED} AND {of_calls}"),
    ):
        if ranges:
            within, bounds = in_ranges("started_at", ranges, table)
            parameters |= bounds
            spreads = table if table == "calls" else spreads_of(table, level)
            sources.append(_Source(parts=table, spreads=spreads, where=f"{within} AND {also}"))
    return sources, parameters


def _merged(added: Sequence[Added], sources: Sequence[_Source], keys: Sequence[Key]) -> str:
    """The parts of each group."""
    parts = {column_of(part): part for part in (*added, _CALLS)}
    selects: list[str] = []
    for source in sources:
        made = [f"{part.sql if source.is_calls else name} AS {name}" for name, part in parts.items()]
        grouped = f" GROUP BY {_names(keys)}" if keys and source.is_calls else ""
        told = ", ".join([*_told(keys, source), *made])
        selects.append(f"SELECT {told} FROM {source.parts} WHERE {source.where}{grouped}")  # noqa: S608
    merged = ", ".join([*_key_names(keys), *(f"{part.merged(name)} AS {name}" for name, part in parts.items())])
    grouped = f" GROUP BY {_names(keys)}" if keys else ""
    return f"SELECT {merged} FROM ({' UNION ALL '.join(selects)}) WHERE (SELECT changed FROM fresh) IS NULL{grouped}"  # noqa: S608


def _timed(parts: Sequence[Percentile], sources: Sequence[_Source], keys: Sequence[Key]) -> str:
    """The percentiles of each group."""
    spreads = dict.fromkeys((part.column, part.where) for part in parts)
    selects: list[str] = []
    for source in sources:
        if source.is_calls:
            for column, condition in spreads:
                number = SPREADS[column, condition]
                told = ", ".join(
                    [*_told(keys, source), f"{number} AS spread, {column}::DOUBLE AS value, count(*) AS calls"]
                )
                where = f"{source.where} AND {condition}"
                selects.append(f"SELECT {told} FROM calls WHERE {where} GROUP BY {_names(keys, 'value')}")  # noqa: S608
        else:
            told = ", ".join([*_told(keys, source), f"spread, {value_of('bin')} AS value, sum(calls) AS calls"])
            where = f"{source.where} AND spread IN ({', '.join(str(SPREADS[spread]) for spread in spreads)})"
            names = _names(keys, "spread", "bin")
            selects.append(f"SELECT {told} FROM {source.spreads} WHERE {where} GROUP BY {names}")  # noqa: S608
    by = f"PARTITION BY {_names(keys, 'spread')}"
    made = ", ".join([*_key_names(keys), *(f"{_at(part)} AS {_timed_name(part)}" for part in parts)])
    grouped = f" GROUP BY {_names(keys)}" if keys else ""
    return (
        # DOUBLE, which counts as exactly, and reckons ten times as fast as the HUGEINT that sums are.
        f"SELECT {made} FROM (SELECT *, (sum(calls) OVER ({by} ORDER BY value))::DOUBLE AS upto,"  # noqa: S608
        f" (sum(calls) OVER ({by}))::DOUBLE AS total FROM ({' UNION ALL '.join(selects)})){grouped}"
    )


def _at(part: Percentile) -> str:
    """The value at a share of all, as `quantile_cont` gives it, where `upto` calls took `value` or less: what lies at a
    place between two lies on the line between them."""
    this, place = f"spread = {SPREADS[part.column, part.where]}", f"({part.quantile}::DOUBLE * (total - 1))"
    below = f"min(value) FILTER (WHERE {this} AND upto > floor({place}))"
    above = f"min(value) FILTER (WHERE {this} AND upto > ceil({place}))"
    share = f"any_value({place} - floor({place})) FILTER (WHERE {this})"
    return f"{below} + ({above} - {below}) * {share}"


def _values(metrics: Sequence[Metric], rests_on: Sequence[str]) -> list[str]:
    shown: list[str] = []
    for metric in metrics:
        parts = {name: _reference(part) for name, part in metric.parts.items()}
        shown.append(f"{metric.formula.format_map(parts)} AS {metric.name}")
        counts = {what: part for what, part in metric.counts.items() if what in rests_on}
        shown += [f"{_reference(part)} AS {metric.name}_{what}" for what, part in counts.items()]
    return shown


def _reference(part: Added | Percentile) -> str:
    return f"merged.{column_of(part)}" if isinstance(part, Added) else f"timed.{_timed_name(part)}"


def _added(metric: Metric, rests_on: Sequence[str]) -> list[Added]:
    counts = [part for what, part in metric.counts.items() if what in rests_on]
    return [part for part in (*metric.parts.values(), *counts) if isinstance(part, Added)]


def _percentiles(metric: Metric) -> list[Percentile]:
    return [part for part in metric.parts.values() if isinstance(part, Percentile)]


def _timed_name(part: Percentile) -> str:
    return f"q_{SPREADS[part.column, part.where]}_{part.quantile.replace('.', '_')}"


def _labels(keys: Sequence[Key]) -> list[str]:
    return [key.label for key in keys if key.label is not None]


def _told(keys: Sequence[Key], source: _Source) -> list[str]:
    # What is rolled up is told apart by labels that are columns there.
    return [
        f"{key.sql if source.is_calls or key.label is None else key.label} AS key_{place}"
        for place, key in enumerate(keys)
    ]


def _key_names(keys: Sequence[Key]) -> list[str]:
    return [f"key_{place}" for place in range(len(keys))]


def _names(keys: Sequence[Key], *more: str) -> str:
    return ", ".join([*_key_names(keys), *more])


def _parameters(keys: Sequence[Key]) -> dict[str, object]:
    return {name: value for key in keys for name, value in key.parameters.items()}


_CALLS = Added("count(*)")
