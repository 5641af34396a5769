"""How many spans a second land, from segments on disk to committed rows, on one process.

Beside it, in the same run, the simplest thing that could work: the same spans decoded the same way, inserted row by row
with `executemany`. Machines differ and are busy; the ratio of the two says more than either number.

    python -m benchmarks.landing_rate [SPANS]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb

from claude_telemetry.record import Attempt, Call, CallRecord, columns_of
from claude_telemetry_collector.decode import LandedCall, decode
from claude_telemetry_collector.segments import Arrival, SegmentWriter
from claude_telemetry_collector.store import Landing, close_database, open_database
from claude_telemetry_collector.store.arrow import json_text, stored, warm_up
from tests.support.spans import a_body, as_protobuf, our_span

SPANS = 50_000
SPANS_A_BODY = 512
NAIVE_SPANS = 1_000
"""Row by row takes about a millisecond each; more would only take longer."""


def main(spans: int) -> None:
    bodies = list(_bodies(spans))
    size = sum(map(len, bodies)) / spans
    warm_up()
    decode("traces", "protobuf", bodies[0], datetime.now(UTC))
    with tempfile.TemporaryDirectory() as folder:
        landed = _landed_a_second(Path(folder), bodies, spans)
        decoded = _decoded_a_second(bodies, spans)
        naive = _naive_a_second(Path(folder), bodies)
    print(f"{spans} spans of {size:.0f} bytes, {SPANS_A_BODY} a body")
    print(f"decoded                 {decoded:10,.0f} spans/s")
    print(f"landed                  {landed:10,.0f} spans/s")
    print(f"decoded, then row by row{naive:10,.0f} spans/s")
    print(f"ratio                   {landed / naive:10,.1f}")


def _landed_a_second(folder: Path, bodies: list[bytes], spans: int) -> float:
    segments = SegmentWriter(folder / "segments")
    now = datetime.now(UTC)
    segments.append(Arrival(signal="traces", encoding="protobuf", received_at=now, body=body) for body in bodies)
    segments.close()
    connection = open_database(folder / "calls.duckdb", memory_limit="1GB")
    landing = Landing(connection, folder / "segments")
    began = time.perf_counter()
    while landing.land_waiting():
        pass
    took = time.perf_counter() - began
    if landing.stats().landed != spans:
        raise SystemExit(f"{landing.stats().landed} of {spans} spans landed: the number below would be a lie")
    close_database(connection)
    return spans / took


def _decoded_a_second(bodies: list[bytes], spans: int) -> float:
    began = time.perf_counter()
    for body in bodies:
        decode("traces", "protobuf", body, datetime.now(UTC))
    return spans / (time.perf_counter() - began)


def _naive_a_second(folder: Path, bodies: list[bytes]) -> float:
    connection = open_database(folder / "naive.duckdb", memory_limit="1GB")
    names = [column.name for column in columns_of(Call)]
    places = ", ".join("?" for _ in range(len(names) + 3))
    sql = f"INSERT INTO calls ({', '.join(names)}, source, attributes, received_at) VALUES ({places})"  # noqa: S608
    left = NAIVE_SPANS
    began = time.perf_counter()
    for body in bodies:
        calls = decode("traces", "protobuf", body, datetime.now(UTC)).calls[:left]
        left -= len(calls)
        rows = [_row(one, names) for one in calls]
        if rows:
            _insert(connection, sql, rows)
        if not left:
            break
    took = time.perf_counter() - began
    connection.close()
    return (NAIVE_SPANS - left) / took


def _row(one: LandedCall, names: list[str]) -> list[object]:
    facts = [getattr(one.record.call, name) for name in names]
    return [*facts, one.source, json_text(one.attributes), stored(one.received_at)]


def _insert(connection: duckdb.DuckDBPyConnection, sql: str, rows: list[list[object]]) -> None:
    connection.execute("BEGIN")
    connection.executemany(sql, rows)
    connection.execute("COMMIT")


def _bodies(spans: int) -> Iterator[bytes]:
    """Export requests as an application sends them: one process, calls a few milliseconds apart."""
    first = datetime.now(UTC) - timedelta(minutes=30)
    for start in range(0, spans, SPANS_A_BODY):
        numbers = range(start, min(start + SPANS_A_BODY, spans))
        records = [_record(number, first + timedelta(milliseconds=5 * number)) for number in numbers]
        yield as_protobuf(a_body([our_span(record) for record in records], resource={"service.name": "shop"}))


def _record(number: int, at: datetime) -> CallRecord:
    call = replace(
        _CALL,
        started_at=at,
        duration_ms=800 + number % 700,
        request_id=f"req_{number:024}",
        message_id=f"msg_{number:024}",
        trace_id=f"{number + 1:032x}",
        span_id=f"{number + 1:016x}",
        output_tokens=200 + number % 300,
        user_id=f"user-{number % 1000}",
    )
    return CallRecord(call=call, attempts=(Attempt(started_at=at, duration_ms=300, http_status=200),))


_CALL = Call(
    started_at=datetime(2026, 11, 20, tzinfo=UTC),
    status="ok",
    trace_id="",
    span_id="",
    ttft_ms=230,
    provider="anthropic",
    platform="anthropic",
    operation="chat",
    request_model="claude-sonnet-5-5",
    model="claude-sonnet-5-5",
    http_status=200,
    input_tokens=120,
    cache_read_tokens=3000,
    cache_write_tokens=500,
    cache_write_5m_tokens=200,
    cache_write_1h_tokens=300,
    cost_usd=Decimal("0.004290"),
    cost_status="priced",
    cost_breakdown='{"input":"0.00024","cache_read":"0.0003","output":"0.00375"}',
    price_version="2026-11-20",
    billed=True,
    stop_reason="end_turn",
    max_tokens=1024,
    stream=True,
    stream_end="read",
    attempts=1,
    service_tier="standard",
    feature="search",
    prompt_name="answer",
    prompt_version="7",
    usage='{"input_tokens":120,"cache_read_input_tokens":3000,"cache_creation_input_tokens":500,"output_tokens":200}',
)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SPANS)
