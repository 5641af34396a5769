"""The Usage and Cost Analytics API: `GET /v1/organizations/analytics/usage` and `…/cost`.

Rules and shapes: `resources/beta/organization/analytics/{usage,cost}.py` of anthropic 2.10, their parameters and
response types.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from claude_telemetry.fake.billing import DEFAULT_WORKSPACE, Billing, Part, Traffic, cents, told, used_by
from claude_telemetry.fake.report_query import WIDTHS, Query, floor, refused

BETA = "analytics-usage-cost-2026-08-24"

_FIRST = datetime(2026, 1, 1, tzinfo=UTC)
_BACK = timedelta(days=365)
_LONGEST = timedelta(days=31)
_LONGEST_BY_MINUTE = timedelta(hours=24)
_MOST_GROUPS = 5
_FAN_OUT = ("cost_type", "token_type")

_KNOWN = ("api_key_id", "context_window", "inference_geo", "model", "service_tier", "speed", "workspace_id")
"""The dimensions that our traffic has. In the others every row is null."""
_GROUPS = (
    *_KNOWN, "actor", "actor_type", "agent_id", "claude_tag_category", "claude_tag_user_id", "deployment_id",
    "environment_id", "organization_id", "product", "rbac_group_id", "session_id", "slack_channel_id",
    "user_profile_id",
)  # fmt: skip
_FILTERS: Mapping[str, str] = {
    "api_key_ids": "api_key_id",
    "context_windows": "context_window",
    "inference_geos": "inference_geo",
    "models": "model",
    "service_tiers": "service_tier",
    "speeds": "speed",
    "workspace_ids": "workspace_id",
}
_VALUES: Mapping[str, tuple[str, ...] | None] = {
    **dict.fromkeys(_FILTERS),
    "context_windows": ("0-200k", "200k-1M"),
    "inference_geos": ("global", "us", "not_available"),
    "service_tiers": ("batch", "flex", "flex_discount", "priority", "priority_on_demand", "standard"),
    "speeds": ("fast", "standard"),
}
_SINGLES = ("starting_at", "ending_at", "time_bucket_width", "limit", "order", "order_by", "page")
_ORDERS: Mapping[str, tuple[str, ...]] = {
    "usage": ("total_tokens", "output_tokens", "requests", "time", "uncached_input_tokens"),
    "cost": ("amount", "list_amount", "time"),
}
"""What rows may be ordered by; first what they are if nothing else is said."""

Kind = Literal["usage", "cost"]


@dataclass(frozen=True, slots=True)
class _Row:
    """What counts as one row: traffic of one group in one bucket. Cost may tell it in several parts."""

    starting_at: datetime
    ending_at: datetime
    group: Mapping[str, str | None]
    traffic: Sequence[Traffic]


def answer(billing: Billing, kind: Kind, query_text: str) -> dict[str, Any]:
    """A page. Raises `RefusedError`."""
    fan_out = _FAN_OUT if kind == "cost" else ()
    query = Query(query_text, _SINGLES, {**_VALUES, "group_by": (*_GROUPS, *fan_out)})
    width = query.one_of("time_bucket_width", WIDTHS, None)
    start, end = _range(query, width)
    groups = query.list("group_by")
    if len([name for name in groups if name not in fan_out]) > _MOST_GROUPS:
        raise refused(f"group_by: at most {_MOST_GROUPS} dimensions, not counting cost_type and token_type")
    traffic = [one for one in billing.between(start, end) if _passes(one, query)]
    rows = _ordered(_rows(traffic, groups, start, end, width), billing, kind, query, width)
    limit, offset = query.whole("limit", 20, 1000), int(query.page() or 0)
    more = offset + limit < len(rows)
    write: Callable[[_Row], list[dict[str, Any]]] = (
        (lambda row: [_usage(row)]) if kind == "usage" else (lambda row: _cost(row, billing, groups))
    )
    return {
        "data": [{**told, **billing.unknown_fields} for row in rows[offset : offset + limit] for told in write(row)],
        "has_more": more,
        "next_page": query.cursor(str(offset + limit)) if more else None,
        "data_refreshed_at": told(billing.refreshed_at),
    }


def _range(query: Query, width: str | None) -> tuple[datetime, datetime]:
    now, start, end = datetime.now(UTC), query.start(), query.time("ending_at")
    if start < max(_FIRST, now - _BACK):
        raise refused("starting_at: must be within the last 365 days and no earlier than 2026-01-01T00:00:00Z")
    if end is None and width is not None:
        raise refused("ending_at: required when time_bucket_width is set")
    end = end or min(now, start + _LONGEST)
    if end <= start:
        raise refused("ending_at: must be after starting_at")
    if end - start > _LONGEST:
        raise refused("ending_at: the range may span at most 31 days")
    if width == "1m" and end - start > _LONGEST_BY_MINUTE:
        raise refused('ending_at: with time_bucket_width "1m" the range may span at most 24 hours')
    return (start, end) if width else (floor(start, WIDTHS["1h"]), floor(end, WIDTHS["1h"]))


def _value(one: Traffic, name: str) -> str | None:
    if name == "workspace_id":
        return one.workspace_id or DEFAULT_WORKSPACE
    return getattr(one, name) if name in _KNOWN else None


def _passes(one: Traffic, query: Query) -> bool:
    """Whether `one` is in every filter that is set. A key that is empty is no key, a place not available none."""
    none = {"api_key_ids": "", "inference_geos": "not_available"}
    return all(
        not query.list(name) or (_value(one, dimension) or none.get(name)) in query.list(name)
        for name, dimension in _FILTERS.items()
    )


def _rows(
    traffic: Sequence[Traffic], groups: Sequence[str], start: datetime, end: datetime, width: str | None
) -> list[_Row]:
    found: dict[tuple[datetime, tuple[str | None, ...]], list[Traffic]] = {}
    names = [name for name in _GROUPS if name in groups]
    for one in traffic:
        bucket = start if width is None else floor(one.at, WIDTHS[width])
        found.setdefault((bucket, tuple(_value(one, name) for name in names)), []).append(one)
    if not names and width is None and not found:
        found[(start, ())] = []  # the one row that aggregates the whole range
    return [
        _Row(
            bucket,
            end if width is None else bucket + WIDTHS[width],
            {**dict.fromkeys(_GROUPS), **dict(zip(names, values, strict=True))},
            members,
        )
        for (bucket, values), members in found.items()
    ]


def _ordered(rows: Sequence[_Row], billing: Billing, kind: Kind, query: Query, width: str | None) -> list[_Row]:
    default = _ORDERS[kind][0]
    by = query.one_of("order_by", _ORDERS[kind], default) or default
    descending = query.one_of("order", ("asc", "desc"), "desc") == "desc"

    def size(row: _Row, metric: str) -> Decimal:
        if kind == "usage":
            return Decimal(_usage(row)["usage"][metric])
        parts = billing.parts_of(row.traffic)
        return sum((part.list_usd if metric == "list_amount" else part.amount_usd for part in parts), Decimal())

    # Among equals by name, so that pages never tell one row twice.
    steady = sorted(rows, key=lambda row: (row.starting_at, sorted((k, v or "") for k, v in row.group.items())))
    if by != "time":
        return sorted(steady, key=lambda row: size(row, by), reverse=descending)
    largest_first = sorted(steady, key=lambda row: size(row, default), reverse=True)
    if width is None:
        return largest_first if descending else largest_first[::-1]
    return sorted(largest_first, key=lambda row: row.starting_at, reverse=descending)


def _usage(row: _Row) -> dict[str, Any]:
    used = used_by(row.traffic)
    total = sum(value for value in used.values() if isinstance(value, int)) + sum(used["cache_creation"].values())
    requests = sum(one.requests for one in row.traffic)
    return {**_bounds(row), "group": dict(row.group), "usage": {**used, "total_tokens": total, "requests": requests}}


def _cost(row: _Row, billing: Billing, groups: Sequence[str]) -> list[dict[str, Any]]:
    parts = billing.parts_of(row.traffic)
    if not set(groups) & set(_FAN_OUT):
        whole = _sum(parts)
        requests = sum(one.requests for one in row.traffic)
        return [_cost_row(row, whole, {"cost_type": None, "token_type": None}, requests)]
    if "cost_type" not in groups:
        parts = [part for part in parts if part.cost_type == "tokens"]
    if "token_type" not in groups:
        kinds = dict.fromkeys(part.cost_type for part in parts)
        parts = [_sum([part for part in parts if part.cost_type == kind], kind) for kind in kinds]
    return [_cost_row(row, part, {"cost_type": part.cost_type, "token_type": part.token_type}, None) for part in parts]


def _sum(parts: Sequence[Part], cost_type: str = "") -> Part:
    return Part(
        cost_type=cost_type,
        token_type=None,
        list_usd=sum((part.list_usd for part in parts), Decimal()),
        amount_usd=sum((part.amount_usd for part in parts), Decimal()),
    )


def _cost_row(row: _Row, part: Part, kind: Mapping[str, str | None], requests: int | None) -> dict[str, Any]:
    return {
        **_bounds(row),
        "group": {**row.group, **kind},
        "cost": {
            "amount": cents(part.amount_usd),
            "list_amount": cents(part.list_usd),
            "currency": "USD",
            "requests": requests,
        },
    }


def _bounds(row: _Row) -> dict[str, str]:
    return {"starting_at": told(row.starting_at), "ending_at": told(row.ending_at)}
