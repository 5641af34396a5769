"""What many tell of calls, as request bodies of one span or record each, and what the collector makes of them."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, cast

import duckdb

from claude_telemetry_collector.decode import Decoded, LandedCall, decode
from claude_telemetry_collector.decode.grouping import group
from claude_telemetry_collector.decode.identity import takes_part
from claude_telemetry_collector.decode.merged import merged
from claude_telemetry_collector.segments import Signal
from claude_telemetry_collector.store import Writer
from tests.support.spans import attributes

SAMPLES = Path(__file__).parents[1] / "data" / "otlp"
RECEIVED = datetime(2026, 11, 20, 12, tzinfo=UTC)
START_NS = 1_795_000_000_000_000_000
"""2026-11-18 11:06:40 UTC."""
SDK, API = "com.anthropic.sdk.python", "com.anthropic.claude-platform"

_TABLES = ("calls", "call_parts", "span_links", "attempt_rows", "tool_uses", "tool_runs", "events")


class Told(NamedTuple):
    """A request body."""

    signal: Signal
    body: bytes

    def decoded(self) -> Decoded:
        found = decode(self.signal, "json", self.body, RECEIVED)
        assert found.error is None
        assert found.refused == 0
        return found


def a_span(
    scope: str,
    name: str,
    facts: Mapping[str, Any],
    *,
    span: str,
    trace: str = "1",
    parent: str = "",
    at_s: float = 0.0,
    took_s: float = 1.0,
    kind: int = 3,
    status: int | Mapping[str, Any] = 0,
    resource: Mapping[str, Any] | None = None,
    events: Sequence[Mapping[str, Any]] = (),
) -> Told:
    """A span. Ids are short, and filled up with zeros; times are seconds after `START_NS`."""
    start_ns = START_NS + round(at_s * 1e9)
    resource = {"service.name": "shop", "service.instance.id": "pod-1"} if resource is None else resource
    one = {
        "traceId": trace.rjust(32, "0"),
        "spanId": span.rjust(16, "0"),
        "parentSpanId": parent.rjust(16, "0") if parent else "",
        "name": name,
        "kind": kind,
        "startTimeUnixNano": str(start_ns),
        "endTimeUnixNano": str(start_ns + round(took_s * 1e9)),
        "attributes": attributes(facts),
        "status": {"code": status} if isinstance(status, int) else status,
        "events": events,
    }
    scopes = [{"scope": {"name": scope}, "spans": [one]}]
    request = {"resourceSpans": [{"resource": {"attributes": attributes(resource)}, "scopeSpans": scopes}]}
    return Told("traces", json.dumps(request).encode())


def a_log_record(
    scope: str,
    facts: Mapping[str, Any],
    *,
    name: str = "",
    body: str = "",
    trace: str = "",
    span: str = "",
    at_s: float = 1.0,
    resource: Mapping[str, Any] | None = None,
) -> Told:
    """A log record that was written in `span`."""
    one = {
        "traceId": trace.rjust(32, "0") if trace else "",
        "spanId": span.rjust(16, "0") if span else "",
        "timeUnixNano": str(START_NS + round(at_s * 1e9)),
        "eventName": name,
        "body": {"stringValue": body},
        "attributes": attributes(facts),
    }
    scopes = [{"scope": {"name": scope}, "logRecords": [one]}]
    request = {"resourceLogs": [{"resource": {"attributes": attributes(resource or {})}, "scopeLogs": scopes}]}
    return Told("logs", json.dumps(request).encode())


def counts(total: int, output: int | None, read: int = 0, written: int = 0) -> dict[str, Any]:
    """A usage as the conventions have it."""
    told: dict[str, Any] = {
        "gen_ai.usage.input_tokens": total,
        "gen_ai.usage.cache_read.input_tokens": read,
        "gen_ai.usage.cache_write.input_tokens": written,
    }
    return told | ({} if output is None else {"gen_ai.usage.output_tokens": output})


def sdk_span(facts: Mapping[str, Any], *, request: str = "", message: str = "", **fields: Any) -> Told:
    """A call as the SDK's own tracing tells it."""
    usual = {"gen_ai.request.model": "claude-sonnet-5-5", "gen_ai.operation.name": "chat"}
    ids = {"anthropic.request.id": request, "gen_ai.response.id": message}
    named = {name: value for name, value in ids.items() if value}
    where: dict[str, Any] = {"status": 1}
    return a_span(SDK, "anthropic.messages.create", usual | named | dict(facts), **(where | fields))


def api_span(facts: Mapping[str, Any], *, request: str = "", **fields: Any) -> Told:
    """An HTTP request as the API tells it."""
    usual = {"gen_ai.request.model": "claude-sonnet-5-5", "gen_ai.response.model": "claude-sonnet-5-5"}
    named = {"anthropic.request.id": request} if request else {}
    where: dict[str, Any] = {"status": 1, "kind": 2, "resource": {"service.name": "claude-platform"}}
    return a_span(API, "anthropic.messages.create", usual | named | dict(facts), **(where | fields))


def samples(name: str) -> list[Told]:
    """The spans and records of a sample, each in a body of its own."""
    signal = cast("Signal", name.split(".")[1])
    request = json.loads((SAMPLES / name).read_text())
    told: list[Told] = []
    for outer, middle, inner in (("resourceSpans", "scopeSpans", "spans"), ("resourceLogs", "scopeLogs", "logRecords")):
        for resource in request.get(outer, []):
            for scope in resource.get(middle, []):
                for one in scope.get(inner, []):
                    alone = {outer: [{**resource, middle: [{**scope, inner: [one]}]}]}
                    told.append(Told(signal, json.dumps(alone).encode()))
    return told or [Told(signal, json.dumps(request).encode())]


def calls_of(told: Sequence[Told]) -> list[LandedCall]:
    """The calls that `told` come to, by when they began; the same for every order."""
    decoded = [one.decoded() for one in told]
    orders = itertools.permutations(decoded) if len(decoded) < 5 else (decoded, decoded[::-1])
    outcomes = [together(order) for order in orders]
    assert all(outcome == outcomes[0] for outcome in outcomes)
    return outcomes[0]


def together(decoded: Sequence[Decoded]) -> list[LandedCall]:
    grouping = group(
        (call for one in decoded for call in one.calls if takes_part(call)),
        [part for one in decoded for part in one.parts],
        [link for one in decoded for link in one.links],
    )
    calls = [merged(one) for one in grouping.groups]
    return sorted(calls, key=lambda one: (one.record.call.started_at, one.record.call.span_id))


def landed(connection: duckdb.DuckDBPyConnection, told: Sequence[Told], dice: random.Random) -> None:
    """Lands `told` in an empty store: in some order, split into some requests, some of it twice."""
    for table in _TABLES:
        connection.execute(f"DELETE FROM {table}")
    writer = Writer(connection)
    decoded = [one.decoded() for one in told]
    decoded += dice.sample(decoded, dice.randint(0, len(decoded)))
    dice.shuffle(decoded)
    while decoded:
        together = [decoded.pop() for _ in range(min(len(decoded), dice.choice([1, 2, 5, 40])))]
        writer.land(
            [call for one in together for call in one.calls],
            parts=[part for one in together for part in one.parts],
            links=[link for one in together for link in one.links],
        )
    writer.close()


def state(connection: duckdb.DuckDBPyConnection) -> list[list[tuple[Any, ...]]]:
    """All that the store holds of calls, in one order."""
    return [
        connection.execute(f"SELECT {what} FROM {table} ORDER BY trace_id, span_id").fetchall()
        for table, what in (
            ("calls", "* REPLACE (CAST(CAST(attributes AS JSON) AS VARCHAR) AS attributes)"),
            ("call_parts", "*"),
            ("call_sources", "*"),
        )
    ]
