"""Attempts that need no row: the only one of a call, which says nothing that the call does not say.

Nearly all are. When the request went out and came back is all that is left of such a one (`tables.ATTEMPTS`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from claude_telemetry.record import Attempt, columns_of
from claude_telemetry_collector.decode.columnar import Columns, Flags, Parts, are_alike, are_there, flags, integers

_TOLD_BY_THE_CALL = ("http_status", "error_type", "request_id")
_ONLY_OF_A_SECOND = ("wait_ms", "retry_after_ms")
if {column.name for column in columns_of(Attempt)} != {
    "started_at",
    "duration_ms",
    *_TOLD_BY_THE_CALL,
    *_ONLY_OF_A_SECOND,
}:
    raise AssertionError("an attempt has a fact that a lone one would lose: say here, and in its view, where it stands")


def lone_attempts_apart(columns: Columns) -> tuple[pa.Table, Parts]:
    """The calls of `columns` with their lone attempts, and the other attempts."""
    attempts = columns.attempts
    lone = _lone(columns)
    place = np.full(len(columns), -1, dtype=np.int64)
    place[attempts.call[lone]] = np.flatnonzero(lone)
    chosen = integers(place.clip(0), place >= 0)
    calls = columns.calls
    if lone.any():
        began: Any = attempts.table["started_at"].cast(pa.int64()).take(chosen)
        own: Any = integers(columns.started_us)
        calls = calls.append_column("lone_attempt_after_us", pc.subtract(began, own))
        if "duration_ms" in attempts.table.column_names:
            calls = calls.append_column("lone_attempt_ms", attempts.table["duration_ms"].take(chosen))
    return calls, Parts(attempts.table.filter(flags(~lone)), attempts.call[~lone])


def _lone(columns: Columns) -> Flags:
    """Which attempts are all that their calls have, and say nothing else."""
    table, call = columns.attempts.table, columns.attempts.call
    lone: Flags = (np.bincount(call, minlength=len(columns)) == 1)[call]
    for name in _ONLY_OF_A_SECOND:
        if name in table.column_names:
            lone &= ~are_there(table[name].combine_chunks())
    whose = integers(call)
    for name in _TOLD_BY_THE_CALL:
        own, its = _column(table, name), _column(columns.calls, name).take(whose)
        lone &= are_alike(own, its)
    return lone


def _column(table: pa.Table, name: str) -> Any:
    if name in table.column_names:
        return table[name].combine_chunks()
    return pa.nulls(len(table), pa.int64() if name == "http_status" else pa.string())
