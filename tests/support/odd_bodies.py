"""Bodies with spans as our capture writes them, and as nobody writes them: whatever protobuf's own parser reads.

One seed always makes the same bodies. Half of the spans are left as they were made; the others are bent, in one way or
several.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from claude_telemetry.record import Attempt, Call, Column, ToolUse, columns_of
from claude_telemetry.record.attributes import (
    ATTEMPT_EVENT,
    DELIVERED,
    RECORDER_VERSION,
    SCOPE,
    attempt_attributes,
    attributes_of,
    tool_use_attributes,
)

RECEIVED_AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
_START_NS = 1_795_176_000_000_000_000
"""A minute or so before that."""

_NAMES: Sequence[str] = (
    "claude-sonnet-5-5",
    "search",
    "user-1",
    "end_turn",
    "refusal",
    "unknown",
    "priced",
    "ä",
    "x" * 90,
)
_OPERATIONS = (*(12 * ["chat"]), "count_tokens", "agent_model_request", "execute_tool", "batch_create")
_SCOPES = (*(8 * [SCOPE]), "com.anthropic.sdk.messages", "opentelemetry.instrumentation.anthropic", "", "app")
_TEXTS = (
    "",
    "a",
    "0",
    "12",
    "-1",
    "true",
    "é",
    "\0",
    "a\0b",
    "日本",
    "x" * 1024,
    "x" * 1025,
    "x" * 70_000,
    "[1]",
    "{}",
)
_JSON = (
    "{}",
    "{ }",
    '{"a":1}',
    '{"a":01}',
    '{"a": 1.50,"b":{"c":true}}',
    '{"a":null}',
    '{"a":"é"}',
    '{"' + "n" * 99 + '":1}',
    '{"' + "n" * 101 + '":1}',
    '{"' + "n" * 300 + '":1}',
    '{"a":{"b":{"c":1}}}',
    '{"a":1}\n',
    "[]",
    "1",
    "{",
    '{"a":123456789012345678901234567890}',
    json.dumps({f"k{n}": n for n in range(130)}),
    json.dumps({f"k{n}": n for n in range(60)}),
)
_KEYS = (
    "http.method",
    "prompt",
    "api_key",
    "k" * 300,
    "schlüssel",
    "a\0b",
    "claude.event.name",
    "claude.start_ns",
    "resource",
    "gen_ai.usage.output_token",
    "claude.usage",
    "claude.usagex",
    "service.name",
    "deployment.environment",
    "deployment.environment.name",
    "anthropic.usage.cache_creation.ephemeral_9m_input_tokens",
    "session.id",
    "gen_ai.response.id",
    "",
)


def odd_bodies(seed: int, spans: int) -> list[bytes]:
    """Bodies that come to about so many spans."""
    chance = random.Random(seed)
    bodies: list[bytes] = []
    while spans > 0:
        body, count = _body(chance)
        bodies.append(body)
        spans -= count
    return bodies


def _body(chance: random.Random) -> tuple[bytes, int]:
    body, count = b"", 0
    for _ in range(chance.choice((0, 1, 1, 1, 2))):
        group = _resource(chance).SerializeToString()
        for _ in range(chance.choice((0, 1, 1, 1, 2))):
            scope = ScopeSpans()
            scope.scope.name = chance.choice(_SCOPES)
            if chance.random() < 0.2:
                scope.schema_url = "https://opentelemetry.io/schemas/1.40.0"
            written = [scope.SerializeToString()]
            for _ in range(chance.choice((0, 1, 5, 30))):
                written.insert(chance.randrange(len(written) + 1), _field(2, _span(chance)))
                count += 1
            group += _field(2, b"".join(written))
        body += _field(1, group)
    if chance.random() < 0.03:
        body += _field(9, b"unknown")
    return body, count


def _resource(chance: random.Random) -> ResourceSpans:
    group = ResourceSpans()
    told: dict[str, Any] = {"telemetry.sdk.name": "opentelemetry", "service.name": "shop"}
    if chance.random() < 0.5:
        told["service.instance.id"] = f"instance-{chance.randrange(3)}"
    if chance.random() < 0.3:
        told[chance.choice(("deployment.environment", "deployment.environment.name"))] = "production"
    if chance.random() < 0.2:
        told["service.name"] = chance.choice(("", "x" * 1025, 7, "日本", None))
    if chance.random() < 0.9:
        for name, value in told.items():
            group.resource.attributes.append(KeyValue(key=name, value=_any(value)))
    return group


def _span(chance: random.Random) -> bytes:
    span = Span(
        trace_id=chance.randbytes(16),
        span_id=chance.randbytes(8),
        parent_span_id=chance.choice((b"", chance.randbytes(8), bytes(8))),
        name="anthropic.messages.create",
        kind=Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=_START_NS + chance.randrange(10**9),
        flags=1,
    )
    span.end_time_unix_nano = span.start_time_unix_nano + chance.randrange(10**11)
    span.status.code = chance.choice((Span().status.code, 1, 2))  # type: ignore[assignment]  # by its number
    if chance.random() < 0.2:
        span.status.message = "it went wrong"
    facts = _facts(chance)
    attributes: dict[str, object] = dict(attributes_of(Call(**facts)))
    tools = [
        ToolUse(tool_use_id=f"toolu_{n}", name="search", type="tool_use") for n in range(chance.choice((0, 0, 1, 3)))
    ]
    attributes |= tool_use_attributes(tools)
    attributes |= {"server.address": "api.anthropic.com", "server.port": 443, "url.full": "https://api.anthropic.com"}
    if chance.random() < 0.95:
        attributes[RECORDER_VERSION] = "0.1.0"
    if chance.random() < 0.8:
        attributes[DELIVERED] = True
    span.attributes.extend(KeyValue(key=key, value=_any(value)) for key, value in attributes.items())
    for number in range(chance.choice((0, 1, 1, 1, 2))):
        attempt = Attempt(**_told_of(chance, Attempt), started_at=RECEIVED_AT)
        event = span.events.add(name=ATTEMPT_EVENT, time_unix_nano=span.start_time_unix_nano + number * 1000)
        event.attributes.extend(
            KeyValue(key=key, value=_any(value)) for key, value in attempt_attributes(attempt).items()
        )
    if chance.random() < 0.5:
        return span.SerializeToString()
    for _ in range(chance.choice((1, 1, 2))):
        chance.choice(_BENDS)(chance, span)
    return _bent(chance, span.SerializeToString())


def _facts(chance: random.Random) -> dict[str, Any]:
    facts = _told_of(chance, Call)
    facts |= {"started_at": RECEIVED_AT, "status": "ok", "trace_id": "0" * 32, "span_id": "0" * 16}
    facts["operation"] = chance.choice(_OPERATIONS)
    for name in ("batch_id", "custom_id", "hops"):
        if chance.random() < 0.95:
            facts.pop(name, None)
    if chance.random() < 0.9:
        facts["attempts"] = 1
    if "cache_write_5m_tokens" in facts and chance.random() < 0.8:
        facts["cache_write_tokens"] = facts["cache_write_5m_tokens"] + facts.get("cache_write_1h_tokens", 0)
    return facts


def _told_of(chance: random.Random, record: type) -> dict[str, Any]:
    return {
        column.name: _fact(chance, column)
        for column in columns_of(record)
        if column.fact.attribute and chance.random() < 0.7
    }


def _fact(chance: random.Random, column: Column) -> object:
    if column.sql_type == "JSON":
        return chance.choice((_JSON[0], f'{{"input_tokens":{chance.randrange(10**6)},"tier":"standard"}}'))
    makers: Mapping[type, Callable[[], object]] = {
        str: lambda: chance.choice(_NAMES),
        int: lambda: chance.choice(
            (0, 1, 127, 128, 300, 2**31, 2**55, 2**56 - 1) if chance.random() < 0.998 else (2**56, 2**61)
        ),
        bool: lambda: chance.random() < 0.5,
        float: lambda: chance.choice((0.0, 0.5, 1.0)),
        Decimal: lambda: Decimal(chance.choice((0, 1, 127, 10**9, 10**16))).scaleb(-12),
    }
    return makers[column.type]()


# How spans are bent


def _bend_value(chance: random.Random, span: Span) -> None:
    for _ in range(chance.choice((1, 3))):
        if span.attributes:
            chance.choice(span.attributes).value.CopyFrom(_odd_value(chance))


def _bend_json(chance: random.Random, span: Span) -> None:
    for pair in span.attributes:
        if pair.key in ("claude.usage", "claude.cost.breakdown", "claude.tags", "claude.declined"):
            pair.value.string_value = chance.choice(_JSON)


def _bend_key(chance: random.Random, span: Span) -> None:
    span.attributes.add(key=chance.choice(_KEYS), value=_odd_value(chance))


def _bend_order(chance: random.Random, span: Span) -> None:
    pairs = [KeyValue.FromString(pair.SerializeToString()) for pair in span.attributes]
    chance.shuffle(pairs)
    del span.attributes[chance.randrange(2) * len(pairs) // 2 :]
    span.attributes.extend(pairs[: chance.randrange(len(pairs) + 1)])


def _bend_ids(chance: random.Random, span: Span) -> None:
    span.trace_id = chance.choice((span.trace_id, b"", bytes(16), span.trace_id[:8], bytes(8) + span.trace_id[8:]))
    span.span_id = chance.choice((span.span_id, b"", bytes(8), span.span_id * 2))
    span.parent_span_id = chance.choice((b"", bytes(8), b"parent", span.span_id[:8]))


def _bend_times(chance: random.Random, span: Span) -> None:
    odd = (
        0,
        1,
        2**63,
        2**64 - 1,
        _START_NS - 10**18,
        _START_NS + 10**14,
        _START_NS + 10**17,
        min(2**64 - 1, span.start_time_unix_nano + 499_999),
    )
    if chance.random() < 0.7:
        span.start_time_unix_nano = chance.choice(odd)
    if chance.random() < 0.7:
        span.end_time_unix_nano = chance.choice(odd)
    for event in span.events:
        event.time_unix_nano = chance.choice((*odd, event.time_unix_nano))


def _bend_status(chance: random.Random, span: Span) -> None:
    if chance.random() < 0.3:
        span.ClearField("status")
    else:
        span.status.code = chance.choice((0, 1, 2, 3, 200))  # type: ignore[assignment]  # any number may come
        span.status.message = chance.choice(_TEXTS)


def _bend_events(chance: random.Random, span: Span) -> None:
    for _ in range(chance.choice((1, 3, 70))):
        event = span.events.add(name=chance.choice((ATTEMPT_EVENT, "exception", "claude.attempts", "")))
        event.time_unix_nano = chance.choice((0, span.start_time_unix_nano))
        key = chance.choice(
            ("http.response.status_code", "error.type", "claude.attempt.wait_ms", "anthropic.request.id", "x")
        )
        event.attributes.add(key=key, value=_odd_value(chance))
        if chance.random() < 0.3:
            event.attributes.add(key=key, value=_odd_value(chance))


def _bend_tools(chance: random.Random, span: Span) -> None:
    for pair in span.attributes:
        if pair.key.startswith("claude.tool_use.") and chance.random() < 0.5:
            items = [chance.choice((*_TEXTS[:12], 7, None)) for _ in range(chance.choice((0, 1, 3, 130, 600)))]
            pair.value.CopyFrom(_any(items))


def _bend_rest(chance: random.Random, span: Span) -> None:
    span.trace_state = "a=b"
    span.dropped_attributes_count = chance.choice((1, 300))
    span.links.add(trace_id=chance.randbytes(16), span_id=chance.randbytes(8)).attributes.add(key="a", value=_any("b"))
    for number in range(chance.choice((1, 140))):
        span.attributes.add(key=f"own.{number}", value=_any(chance.choice((number, "text", True))))


_BENDS = (
    _bend_value,
    _bend_value,
    _bend_json,
    _bend_key,
    _bend_key,
    _bend_order,
    _bend_ids,
    _bend_times,
    _bend_status,
    _bend_events,
    _bend_tools,
    _bend_rest,
)


def _odd_value(chance: random.Random) -> AnyValue:
    value = chance.choice(
        (
            *_TEXTS,
            *_JSON[:6],
            0,
            1,
            443,
            -1,
            -(2**63),
            2**62,
            0.5,
            -0.0,
            float("nan"),
            float("inf"),
            True,
            False,
            None,
            b"bytes",
            [],
            ["a", "b"],
            ["a", 1, None],
            {"a": {"b": [1, {"c": "d"}]}},
        )
    )
    return _any(value)


def _bent(chance: random.Random, span: bytes) -> bytes:
    """`span` as another encoder could have written it, or as none would."""
    ways = (
        lambda: span,
        lambda: span,
        lambda: span + _field(2, chance.randbytes(8)),
        lambda: span + span[: span.index(b"\x12\x08")] if b"\x12\x08" in span else span,
        lambda: span + _field(33, b"unknown") + bytes((0x98, 0x06, 0x7F)),
        lambda: bytes((0xA3, 0x06, 0xA4, 0x06)) + span,
        lambda: span + bytes((0x4A, 0x84, 0x00, 0x0A, 0x00, 0x12, 0x00)),
        lambda: span + _field(9, _field(2, _field(1, b"behind")) + _field(1, b"claude.feature")),
        lambda: span + _field(9, _field(1, b"claude.feature") + _field(2, _field(1, b"a") + _field(1, b"b"))),
        lambda: span + _field(9, _field(1, b"claude.attempts") + _field(2, b"\x18\x81\x80\x00")),
        lambda: span + _field(15, b"\x18\x02"),
        lambda: span + _field(9, b""),
    )
    return chance.choice(ways)()


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*written, value))


def _any(value: object) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, str):
        return AnyValue(string_value=value)
    if isinstance(value, bytes):
        return AnyValue(bytes_value=value)
    told = AnyValue()
    if isinstance(value, list | tuple):
        told.array_value.values.extend(_any(item) for item in cast("Sequence[object]", value))
        told.array_value.SetInParent()
    elif isinstance(value, dict):
        told.kvlist_value.values.extend(
            KeyValue(key=key, value=_any(item)) for key, item in cast("Mapping[str, object]", value).items()
        )
    return told


def readable(body: bytes) -> bool:
    """Whether protobuf's own parser reads `body`."""
    try:
        ExportTraceServiceRequest.FromString(body)
    except Exception:  # noqa: BLE001 - whatever it says
        return False
    return True
