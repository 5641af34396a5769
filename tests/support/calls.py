"""Made-up calls, and a store that is full of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb

from claude_telemetry.record import Attempt, Call, CallRecord, ToolUse
from claude_telemetry_collector.decode import LandedCall
from claude_telemetry_collector.store import Writer

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
"""When made-up calls start, unless they say otherwise."""

_numbers = itertools.count(1)


def a_call(
    *,
    attempt_rows: Sequence[Attempt] = (),
    tool_uses: Sequence[ToolUse] = (),
    source: str = "claude_telemetry",
    attributes: Mapping[str, object] | None = None,
    whole: bool = False,
    received_at: datetime | None = None,
    **facts: Any,
) -> LandedCall:
    """A call that went well, in a trace of its own, with `facts` (the fields of `Call`) as given.

    `None` for a fact makes it unknown. There is no discount unless `net_cost_usd` is given. It cost 0.006 USD: 1000
    uncached tokens in and 400 out on Sonnet 5.5.
    """
    number = next(_numbers)
    usual: dict[str, Any] = {
        "started_at": NOON,
        "duration_ms": 1000,
        "service": "shop",
        "environment": "production",
        "provider": "anthropic",
        "platform": "anthropic",
        "operation": "chat",
        "request_model": "claude-sonnet-5-5",
        "model": "claude-sonnet-5-5",
        "status": "ok",
        "http_status": 200,
        "request_id": f"req_{number:06}",
        "message_id": f"msg_{number:06}",
        "trace_id": f"{number:032x}",
        "span_id": f"{number:016x}",
        "input_tokens": 1000,
        "cache_read_tokens": 0,
        "cache_write_tokens": 0,
        "output_tokens": 400,
        "cost_usd": Decimal("0.006"),
        "cost_status": "priced",
        "price_version": "made-up",
        "billed": True,
        "stop_reason": "end_turn",
        "attempts": 1,
    }
    known = usual | facts
    call = Call(**({"net_cost_usd": known["cost_usd"]} | known))
    return LandedCall(
        record=CallRecord(call=call, attempts=tuple(attempt_rows), tool_uses=tuple(tool_uses)),
        source=source,
        attributes=attributes or {},
        whole=whole,
        received_at=received_at or call.started_at + timedelta(seconds=2),
    )


def land(connection: duckdb.DuckDBPyConnection, calls: Iterable[LandedCall]) -> None:
    """Puts `calls` into the store, as the collector would."""
    Writer(connection).land(calls)
