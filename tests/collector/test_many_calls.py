"""The made-up calls of the benchmarks: the same for the same seed, in the order of their arrival, at true prices."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import duckdb

from benchmarks.many_calls import fill
from claude_telemetry.pricing import cost_of
from claude_telemetry_collector.queries import METRICS, Segment, Window, readings
from claude_telemetry_collector.store import LocalReader

UNTIL = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_made_up_calls_are_like_landed_ones(store: duckdb.DuckDBPyConnection) -> None:
    fill(store, calls=2000, days=2, until=UNTIL, seed=7)

    week = Window(datetime(2026, 11, 18, 12, tzinfo=UTC), UNTIL)
    found = readings(LocalReader(store), list(METRICS), week, Segment())
    assert found["requests"].value == 2000
    assert all(reading.value is not None for reading in found.values())
    backwards = "SELECT count(*) FROM (SELECT started_at < lag(started_at) OVER (ORDER BY rowid) AS back FROM calls)"
    assert store.execute(f"{backwards} WHERE back").fetchall() == [(0,)]
    assert store.execute("SELECT count(*) FROM attempts JOIN calls USING (trace_id, span_id)").fetchall() > [(1900,)]
    rows = store.execute(
        "SELECT model, usage::VARCHAR, started_at, batch_id IS NOT NULL, cost_usd FROM calls"
        " WHERE cost_status = 'priced' AND cost_usd > 0 LIMIT 200"
    ).fetchall()
    for model, usage, at, batch, cost in rows:
        told = cost_of(json.loads(usage), model=model, at=at.replace(tzinfo=UTC), batch=batch)
        assert told.usd == Decimal(cost), usage


def test_the_same_seed_makes_the_same_calls(store: duckdb.DuckDBPyConnection) -> None:
    made: list[object] = []
    for seed in (7, 7, 8):
        store.execute("DELETE FROM calls")
        fill(store, calls=50, days=1, until=UNTIL, seed=seed)
        made.append(store.execute("SELECT trace_id, started_at, cost_usd FROM calls ORDER BY rowid").fetchall())
    assert made[0] == made[1] != made[2]
