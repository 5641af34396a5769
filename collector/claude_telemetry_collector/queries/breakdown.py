"""The metrics by model, feature, user, tag or whatever else calls can be told apart by."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from claude_telemetry_collector.queries.metrics import Reading, ask_grouped, label_key, reading_in
from claude_telemetry_collector.queries.window import Clock, Segment, Window
from claude_telemetry_collector.store import Reader


def breakdown(
    reader: Reader,
    names: Sequence[str],
    window: Window,
    segment: Segment,
    by: str,
    then: str | None = None,
    *,
    limit: int = 20,
) -> pa.Table:
    """One row per value of `by`, or per pair of values of `by` and `then`; the largest of the first metric first, at
    most `limit`. Both are names of `DIMENSIONS`, or `tag:` and the name of a tag.

    Columns: `by` and `then` under their own names (VARCHAR, NULL for calls without the label), `calls` (BIGINT), each
    metric's value with `<name>_calls`, `<name>_unknown` and of money `<name>_unpriced`, and `groups` (BIGINT): how many
    rows there are in all, shown or not.
    """
    labels = [by] if then is None else [by, then]
    keys = [label_key(label, str(place)) for place, label in enumerate(labels)]
    told = ", ".join(f"key_{place} AS label_{place}" for place in range(len(labels)))
    order = ", ".join(f"label_{place} NULLS LAST" for place in range(len(labels)))

    def written(groups: str) -> str:
        return (
            f"SELECT {told}, * EXCLUDE ({', '.join(f'key_{place}' for place in range(len(labels)))}),"  # noqa: S608
            f" count(*) OVER () AS groups FROM ({groups})"
            f" ORDER BY {names[0]} DESC NULLS LAST, calls DESC, {order} LIMIT $most"
        )

    return _named(ask_grouped(reader, names, window, segment, keys, written, {"most": limit}), labels)


def readings_by(
    reader: Reader,
    name: str,
    window: Window,
    segment: Segment,
    by: str,
    *,
    always: Sequence[str] = (),
    limit: int = 20,
    clock: Clock = "started",
) -> dict[str, Reading]:
    """What a metric comes to for each value of `by`, as `readings` gives it: those of `always` that there are, then
    the largest, at most `limit` besides. Calls without the label are left out."""

    def written(groups: str) -> str:
        return (
            f"SELECT key_0 AS label, * FROM ({groups}) WHERE key_0 IS NOT NULL"  # noqa: S608
            f" ORDER BY list_contains($always, label) DESC, {name} DESC NULLS LAST, label LIMIT $most"
        )

    asked: dict[str, object] = {"always": list(always), "most": limit + len(always)}
    rows = ask_grouped(reader, [name], window, segment, [label_key(by)], written, asked, clock=clock).to_pylist()
    return {row["label"]: reading_in(row, name) for row in rows}


def _named(table: pa.Table, labels: Sequence[str]) -> pa.Table:
    """`table`, whose labels are called what was asked for. A name from outside never stands in SQL."""
    names = list(table.column_names)
    names[: len(labels)] = labels
    return table.rename_columns(names)
