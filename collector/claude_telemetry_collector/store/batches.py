"""Whose a batch's results are: who created the batch has said so, maybe in another process.

Whoever downloads a result tells of it without labels, and before or after the creation is known here. So the labels are
filled in when either of the two lands. What the creation says counts for more: who asked is who pays, and not whoever
downloads.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import duckdb

from claude_telemetry.record import Call
from claude_telemetry_collector.store.arrow import stored
from claude_telemetry_collector.store.rollups import note_hours_of

TAKEN = (
    "service",
    "environment",
    "user_id",
    "session_id",
    "feature",
    "prompt_name",
    "prompt_version",
    "tenant",
    "api_key_alias",
    "tags",
    "framework",
    "run_name",
    "run_id",
)
"""The columns that a result has from its batch's creation."""

_CREATED = "batch_create"
_LONGEST = timedelta(days=32)
"""From the creation of a batch until nobody can download its results any more: a day, and 29 days after that."""


def label_results(cursor: duckdb.DuckDBPyConnection, calls: Sequence[Call]) -> None:
    """Gives the results of the batches that `calls`, which have just landed, are about the labels of their creation."""
    about = [call for call in calls if call.batch_id is not None and _matters(call)]
    if not about:
        return
    said = ", ".join(f"any_value({column}) AS {column}" for column in TAKEN)
    labels = {column: f"coalesce(creation.{column}, calls.{column})" for column in TAKEN}
    taken = ", ".join(f"{column} = {label}" for column, label in labels.items())
    differs = " OR ".join(f"calls.{column} IS DISTINCT FROM {label}" for column, label in labels.items())
    creations = (
        f"(SELECT batch_id, {said} FROM calls"  # noqa: S608 - names of columns, and nothing that came from outside
        f" WHERE operation = '{_CREATED}' AND batch_id IN (SELECT unnest($batches))"
        " AND started_at BETWEEN $first AND $last GROUP BY batch_id) AS creation"
    )
    changes = (
        "calls.batch_id = creation.batch_id AND calls.custom_id IS NOT NULL"
        f" AND calls.started_at BETWEEN $first AND $last AND ({differs})"
    )
    starts = [call.started_at for call in about]
    asked: dict[str, object] = {
        "batches": sorted({call.batch_id for call in about if call.batch_id is not None}),
        # The bounds let DuckDB skip all other row groups.
        "first": stored(min(starts) - _LONGEST),
        "last": stored(max(starts) + _LONGEST),
    }
    # Asked before: an UPDATE that returns something takes its rows out and puts them in anew, and whoever changes one
    # of them meanwhile would change what is there no more.
    rows = cursor.execute(f"SELECT calls.started_at FROM calls, {creations} WHERE {changes}", asked).fetchall()  # noqa: S608
    if rows:
        cursor.execute(f"UPDATE calls SET {taken} FROM {creations} WHERE {changes}", asked)  # noqa: S608
        note_hours_of(cursor, [at for (at,) in rows])


def _matters(call: Call) -> bool:
    return call.operation == _CREATED or call.custom_id is not None
