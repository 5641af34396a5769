"""What two parts of one call may have in common, how the store is asked for it, and what hangs together by it."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import duckdb
import pyarrow as pa

from claude_telemetry.record import BOOKKEEPING
from claude_telemetry.record.identity import AGENT_MODEL_REQUEST
from claude_telemetry_collector.decode import LandedCall, LandedPart
from claude_telemetry_collector.decode.door import MAX_WHOLE
from claude_telemetry_collector.decode.identity import OURS, SDK, nature_of, total_input
from claude_telemetry_collector.store.arrow import stored
from claude_telemetry_collector.store.pieces import Key, Piece, key_of, start_of

REACH = timedelta(hours=26)
"""How far apart two parts of a call may begin. They begin within minutes by one clock, and not all clocks are right."""
_NEAR = timedelta(minutes=30)
"""The same where only counts tie them."""

Name = tuple[object, ...]
"""What two parts of a call can have in common."""

BOOKKEEPING_SQL = ", ".join(repr(name) for name in sorted(BOOKKEEPING))
# Wide enough for whatever three counts come to: a sum that does not fit would fail the landing of others.
CALLS_TOTAL = "CAST(input_tokens AS HUGEINT) + coalesce(cache_read_tokens, 0) + coalesce(cache_write_tokens, 0)"


def shares(total: str) -> str:
    """The condition of the rows that have something in common with what is looked for; `total` is their whole input."""
    return (
        "started_at BETWEEN $first AND $last AND ("  # noqa: S608 - names of columns, and nothing from outside
        "request_id IN (SELECT name FROM wanted_names) OR message_id IN (SELECT name FROM wanted_names)"
        " OR trace_id IN (SELECT trace_id FROM wanted_traces)"
        " OR (output_tokens IS NOT NULL AND started_at BETWEEN $near_first AND $near_last AND ("
        f"(instance, {total}, output_tokens) IN (SELECT (who, input, output) FROM wanted_counts)"
        f" OR (session_id, {total}, output_tokens) IN (SELECT (who, input, output) FROM wanted_counts))))"
    )


class Names:
    """What some pieces have in common with others, as tables to look these up by."""

    def __init__(self, pieces: Sequence[Piece], traces: Mapping[str, datetime]) -> None:
        named = [name for piece in pieces for name in names_of(piece)]
        self._names = sorted({str(name[1]) for name in named if name[0] in ("request", "message")})
        self._traces = sorted({str(name[1]) for name in named if name[0] == "trace"} | traces.keys())
        self._counts = sorted({name[1:] for name in named if name[0] in ("process", "session")})
        starts = [start_of(piece) for piece in pieces] + list(traces.values())
        first, last = min(starts), max(starts)
        self.bounds: dict[str, object] = {
            "first": stored(first - REACH),
            "last": stored(last + REACH),
            "near_first": stored(first - _NEAR),
            "near_last": stored(last + _NEAR),
        }
        sources = {piece.source if isinstance(piece, LandedCall) else "" for piece in pieces}
        alike = sources.pop() if len(sources) == 1 and not traces else ""
        # Two of these have nothing in common that would make them one call.
        self.not_of = f"source <> '{alike}'" if alike in (OURS, SDK) else "TRUE"

    @contextmanager
    def registered(self, cursor: duckdb.DuckDBPyConnection) -> Generator[None]:
        """Makes the tables known to `cursor` for a while."""
        who, total, output = zip(*self._counts, strict=True) if self._counts else ((), (), ())
        tables = {
            "wanted_names": pa.table({"name": pa.array(self._names, pa.string())}),
            "wanted_traces": pa.table({"trace_id": pa.array(self._traces, pa.string())}),
            "wanted_counts": pa.table(
                {
                    "who": pa.array(who, pa.string()),
                    "input": pa.array(total, pa.int64()),
                    "output": pa.array(output, pa.int64()),
                }
            ),
        }
        for name, table in tables.items():
            cursor.register(name, table)
        try:
            yield
        finally:
            for name in tables:
                cursor.unregister(name)


_SHARED = ("trace_id", "request_id", "message_id", "instance")
_COUNTED = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")
_BETWEEN = "started_at BETWEEN $first AND $last"
_MET = f"""
WITH mine AS (SELECT place, {", ".join(_SHARED)}, {CALLS_TOTAL} AS total, output_tokens FROM mine_arrow),
others AS (
    SELECT {", ".join(_SHARED)}, {CALLS_TOTAL} AS total, output_tokens FROM calls WHERE source <> $ours AND {_BETWEEN}
    UNION ALL
    SELECT {", ".join(_SHARED)}, total_input_tokens, output_tokens FROM call_parts WHERE {_BETWEEN}
    UNION ALL
    SELECT * FROM others_arrow
)
SELECT place FROM mine SEMI JOIN others USING (trace_id)
UNION SELECT place FROM mine SEMI JOIN others USING (request_id)
UNION SELECT place FROM mine SEMI JOIN others USING (message_id)
UNION SELECT place FROM mine SEMI JOIN others USING (instance, total, output_tokens)
"""  # noqa: S608 - names of columns, and nothing from outside


def who_is_met(
    cursor: duckdb.DuckDBPyConnection, calls: pa.Table, others: Sequence[Piece], between: Sequence[datetime]
) -> list[int]:
    """Which of `calls`, all ours, have something in common with one of `others`, or with what is there that is not
    ours."""
    place: dict[str, Any] = {"place": pa.array(range(len(calls)), pa.int64())}
    for name in (*_SHARED, *_COUNTED):
        kind = pa.string() if name in _SHARED else pa.int64()
        place[name] = calls[name] if name in calls.column_names else pa.nulls(len(calls), kind)
    cursor.register("mine_arrow", pa.table(place))
    cursor.register("others_arrow", _names_table(others))
    bounds = {"first": stored(min(between) - REACH), "last": stored(max(between) + REACH), "ours": OURS}
    try:
        return [int(found) for (found,) in cursor.execute(_MET, bounds).fetchall()]
    finally:
        cursor.unregister("mine_arrow")
        cursor.unregister("others_arrow")


def _names_table(pieces: Iterable[Piece]) -> pa.Table:
    columns = {"trace": 0, "request": 1, "message": 2, "process": 3}
    rows: list[tuple[object, ...]] = []
    for piece in pieces:
        for kind, *name in names_of(piece):
            if kind in columns:
                at = columns[str(kind)]
                rows.append((*(3 * [None])[:at], *name, *(6 * [None])[at + len(name) :]))
    names = (*_SHARED, "total", "output_tokens")
    kinds = (*(4 * [pa.string()]), pa.int64(), pa.int64())
    told = zip(*rows, strict=True) if rows else 6 * [()]
    return pa.table({name: pa.array(list(column), kind) for name, column, kind in zip(names, told, kinds, strict=True)})


def spells(
    pieces: Sequence[Piece], traces: Mapping[str, datetime]
) -> Iterator[tuple[list[Piece], dict[str, datetime]]]:
    """`pieces` and `traces` by when they were, those together that may have something in common."""
    timed: list[tuple[datetime, Piece | str]] = [(start_of(piece), piece) for piece in pieces]
    timed += [(at, trace_id) for trace_id, at in traces.items()]
    timed.sort(key=lambda one: one[0])
    spell: tuple[list[Piece], dict[str, datetime]] = ([], {})
    last: datetime | None = None
    for at, one in timed:
        if last is not None and at - last > REACH:
            yield spell
            spell = ([], {})
        if isinstance(one, str):
            spell[1][one] = at
        else:
            spell[0].append(one)
        last = at
    if last is not None:
        yield spell


def names_of(piece: Piece) -> Iterator[Name]:
    """What another part of the same call may share with `piece`."""
    yield "trace", key_of(piece)[0]
    if isinstance(piece, LandedPart):
        if piece.facts.get("message_id") is not None:
            yield "message", piece.facts["message_id"]
        return
    call, nature = piece.record.call, nature_of(piece.source)
    if call.request_id is not None:
        yield "request", call.request_id
    if call.message_id is not None:
        yield "message", call.message_id
    total, output = total_input(piece), call.output_tokens
    if total is None or output is None or total > MAX_WHOLE:
        return
    nameless = nature in ("library", "event") and call.message_id is None
    if piece.instance is not None and (nature in ("ours", "sdk") or nameless):
        yield "process", piece.instance, total, output
    told_by_event = nature == "ours" and call.operation == AGENT_MODEL_REQUEST
    if call.session_id is not None and (nature == "session" or told_by_event):
        yield "session", call.session_id, total, output


def components(pieces: Iterable[Piece]) -> list[list[Piece]]:
    """`pieces`, those together that hang together."""
    parent: dict[Key, Key] = {}
    named: dict[Name, list[Piece]] = {}
    by_key: dict[Key, Piece] = {}
    for piece in pieces:
        parent[key_of(piece)] = key_of(piece)
        by_key[key_of(piece)] = piece
        for name in names_of(piece):
            named.setdefault(name, []).append(piece)

    def root(key: Key) -> Key:
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for name, same in named.items():
        if len(same) < 2 or _are_all_apart(same):
            continue
        same.sort(key=start_of)
        reach = _NEAR if name[0] in ("process", "session") else REACH
        for one, other in pairwise(same):
            if start_of(other) - start_of(one) <= reach:
                parent[root(key_of(other))] = root(key_of(one))
    found: dict[Key, list[Piece]] = {}
    for key, piece in by_key.items():
        found.setdefault(root(key), []).append(piece)
    return list(found.values())


def _are_all_apart(pieces: Sequence[Piece]) -> bool:
    """Whether no two of `pieces` can be one call: all are the SDK's, or all are ours."""
    sources = {piece.source if isinstance(piece, LandedCall) else "" for piece in pieces}
    return sources in ({OURS}, {SDK})
