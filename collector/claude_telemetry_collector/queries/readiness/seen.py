"""What the calls, the outbox and the ticks tell about readiness."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from claude_telemetry_collector.queries.metrics.conditions import MAY_COST, WHOLE_PRICE
from claude_telemetry_collector.queries.readiness.items import BY_HAND, Ticked
from claude_telemetry_collector.queries.window import ENDED_AT, Segment, Window, calls_in
from claude_telemetry_collector.store import Reader
from claude_telemetry_collector.store.ticks import TICKS

_NEWEST = timedelta(days=1)

_COUNTED: Mapping[str, str] = {
    "calls": "TRUE",
    "with_service": "service IS NOT NULL AND service NOT LIKE 'unknown_service%'",
    "with_environment": "environment IS NOT NULL",
    "with_feature": "feature IS NOT NULL",
    "with_user": "user_id IS NOT NULL",
    "with_version": "prompt_version IS NOT NULL OR prompt_fingerprint IS NOT NULL",
    "with_trace": "parent_span_id IS NOT NULL",
    "user_addresses": "contains(user_id, '@')",
    "keys_named": "api_key_alias IS NOT NULL",
    "may_cost": MAY_COST,
    "priced": f"{MAY_COST} AND {WHOLE_PRICE}",
    "limited_output": "max_tokens IS NOT NULL",
    "answered": "stop_reason IS NOT NULL",
    "cut_off": "stop_reason = 'max_tokens'",
    "failed_for_a_time": "status = 'error' AND (http_status = 429 OR http_status >= 500)",
    "given_up_at_once": "status = 'error' AND (http_status = 429 OR http_status >= 500) AND attempts = 1",
    "retried_well": "status = 'ok' AND attempts > 1",
    "limited": "http_status = 429",
    "timed": "duration_ms IS NOT NULL",
}


def observed(reader: Reader, window: Window, segment: Segment) -> tuple[tuple[str, float | None], ...]:
    """What the calls of `window` tell, by name. Counts, but for `landing_p95_ms`, which is of its last day."""
    where, parameters = calls_in(window, segment)
    counted = ", ".join(f"count(*) FILTER (WHERE {condition}) AS {name}" for name, condition in _COUNTED.items())
    row: dict[str, Any] = reader.ask(f"SELECT {counted} FROM calls WHERE {where}", parameters).to_pylist()[0]  # noqa: S608
    where, parameters = calls_in(Window(max(window.start, window.end - _NEWEST), window.end), segment)
    late = f"quantile_cont(epoch_ms(received_at) - epoch_ms({ENDED_AT}), 0.95)"
    row |= reader.ask(f"SELECT {late} AS landing_p95_ms FROM calls WHERE {where}", parameters).to_pylist()[0]  # noqa: S608
    return tuple(row.items())


def told_at(reader: Reader) -> datetime | None:
    """When a message about an alert last reached its channel, UTC. `None` when none ever has."""
    rows = reader.ask("SELECT max(settled_at) AS at FROM notices WHERE state = 'sent'").to_pylist()
    at: datetime | None = rows[0]["at"]
    return None if at is None else at.replace(tzinfo=UTC)


def ticked(reader: Reader) -> tuple[Ticked, ...]:
    """Every item by hand, and what was last said to it."""
    rows = reader.ask(
        f"SELECT name, arg_max(done, ticked_at) AS done, max(ticked_at) AS at FROM {TICKS.name} GROUP BY name"  # noqa: S608
    ).to_pylist()
    told = {row["name"]: row for row in rows}
    return tuple(
        Ticked(
            name=name,
            dimension=dimension,
            title=title,
            done=name in told and told[name]["done"],
            at=told[name]["at"].replace(tzinfo=UTC) if name in told else None,
        )
        for dimension, items in BY_HAND.items()
        for name, title in items.items()
    )
