"""The Usage and Cost Admin API: `GET /v1/organizations/usage_report/messages` and `…/cost_report`.

Rules and shapes: https://platform.claude.com/docs/en/api/admin/usage_report and …/cost_report, read 2026-11-20.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from claude_telemetry.fake.billing import Billing, Traffic, cents, told, used_by
from claude_telemetry.fake.report_query import WIDTHS, Query, floor, refused

SPEED_BETA = "fast-mode-2026-02-01"
"""Without it nobody groups or filters by speed."""

_GROUPS = ("account_id", "api_key_id", "context_window", "inference_geo", "model", "service_account_id",
           "service_tier", "speed", "workspace_id")  # fmt: skip
_KNOWN = tuple(name for name in _GROUPS if not name.endswith("account_id"))
_FILTERS: Mapping[str, str] = {
    "api_key_ids": "api_key_id",
    "context_window": "context_window",
    "inference_geos": "inference_geo",
    "models": "model",
    "service_tiers": "service_tier",
    "speeds": "speed",
    "workspace_ids": "workspace_id",
}
_LIMITS: Mapping[str, tuple[int, int]] = {"1m": (60, 1440), "1h": (24, 168), "1d": (7, 31)}
"""By bucket width: how many a page has if nothing else is said, and at most."""
_SINGLES = ("starting_at", "ending_at", "bucket_width", "limit", "page")
_WORDS: Mapping[str, str] = {
    "uncached_input_tokens": "Input Tokens",
    "output_tokens": "Output Tokens",
    "cache_read_input_tokens": "Input Tokens, Cache Hit",
    "cache_creation.ephemeral_5m_input_tokens": "Input Tokens, Cache Write",
    "cache_creation.ephemeral_1h_input_tokens": "Input Tokens, Cache Write 1h",
}

_Results = Callable[[Sequence[Traffic]], list[dict[str, Any]]]


def usage(billing: Billing, query_text: str, betas: str) -> dict[str, Any]:
    """A page of the usage report. Raises `RefusedError`."""
    query = Query(query_text, _SINGLES, {**dict.fromkeys(_FILTERS), "group_by": _GROUPS})
    groups = query.list("group_by")
    if ("speed" in groups or query.list("speeds")) and SPEED_BETA not in betas:
        raise refused(f"group_by: speed requires the {SPEED_BETA} beta header")

    def results(traffic: Sequence[Traffic]) -> list[dict[str, Any]]:
        found: dict[tuple[str | None, ...], list[Traffic]] = {}
        for one in traffic:
            if one.tokens or one.web_search_requests:  # code execution is not in this report
                found.setdefault(tuple(_value(one, name) for name in groups), []).append(one)
        return [
            {**used_by(members), **dict.fromkeys(_GROUPS), **dict(zip(groups, values, strict=True))}
            for values, members in found.items()
        ]

    return _page(billing, query, query.one_of("bucket_width", WIDTHS, "1d") or "1d", results)


def costs(billing: Billing, query_text: str) -> dict[str, Any]:
    """A page of the cost report. Raises `RefusedError`."""
    query = Query(query_text, _SINGLES, {"group_by": ("workspace_id", "description")})
    groups = query.list("group_by")

    def results(traffic: Sequence[Traffic]) -> list[dict[str, Any]]:
        found: dict[tuple[object, ...], list[Traffic]] = {}
        for one in traffic:
            if one.service_tier != "priority":  # paid by contract, and not in this report
                workspace = (one.workspace_id,) if "workspace_id" in groups else (None,)
                kind = (
                    (one.model, one.service_tier, one.speed, one.inference_geo, one.context_window)
                    if "description" in groups
                    else ()
                )
                found.setdefault((*workspace, *kind), []).append(one)
        return [row for members in found.values() for row in _costs(billing, members, groups)]

    return _page(billing, query, query.one_of("bucket_width", ("1d",), "1d") or "1d", results)


def _page(billing: Billing, query: Query, width: str, results: _Results) -> dict[str, Any]:
    """Buckets, oldest first, the empty ones too."""
    length = WIDTHS[width]
    start, now = floor(query.start(), length), datetime.now(UTC)
    end = query.time("ending_at") or floor(now, length) + length
    if end <= start:
        raise refused("ending_at: must be after starting_at")
    limit = query.whole("limit", *_LIMITS[width])
    page = query.page()
    first = start if page is None else datetime.fromisoformat(page)
    last = min(first + limit * length, floor(end, length))
    traffic = [one for one in billing.between(first, last) if _passes(one, query)]
    more = last + length <= end
    return {
        "data": [
            _bucket(billing, first + n * length, length, traffic, results) for n in range((last - first) // length)
        ],
        "has_more": more,
        "next_page": query.cursor(last.isoformat()) if more else None,
    }


def _bucket(
    billing: Billing, start: datetime, length: timedelta, traffic: Sequence[Traffic], results: _Results
) -> dict[str, Any]:
    within = [one for one in traffic if start <= one.at < start + length]
    return {
        "starting_at": told(start),
        "ending_at": told(start + length),
        "results": [{**row, **billing.unknown_fields} for row in results(within)],
    }


def _costs(billing: Billing, members: Sequence[Traffic], groups: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of traffic that is alike. What is left unsaid is null."""
    one = members[0]
    nothing = dict.fromkeys(
        ("context_window", "cost_type", "description", "inference_geo", "model", "service_tier", "token_type")
    )
    workspace = {"workspace_id": one.workspace_id if "workspace_id" in groups else None}
    parts = billing.parts_of(members)
    if "description" not in groups:
        whole = sum((part.amount_usd for part in parts), start=0 * parts[0].amount_usd) if parts else None
        return [] if whole is None else [{"amount": cents(whole), "currency": "USD", **nothing, **workspace}]
    rows: list[dict[str, Any]] = []
    for part in parts:
        said: dict[str, Any] = {"cost_type": part.cost_type, "description": part.cost_type.replace("_", " ").title()}
        if part.token_type is not None:
            said = {
                "cost_type": "tokens",
                "token_type": part.token_type,
                "model": one.model,
                "service_tier": one.service_tier,
                "context_window": one.context_window,
                "inference_geo": one.inference_geo or "not_available",
                "description": _described(one, part.token_type),
            }
        rows.append({"amount": cents(part.amount_usd), "currency": "USD", **nothing, **workspace, **said})
    return rows


def _described(one: Traffic, token_type: str) -> str:
    """The words of a bill: made up, since only their being different for what is priced differently matters."""
    kinds = [
        kind for kind in (one.service_tier, one.speed, one.inference_geo) if kind not in ("standard", "global", None)
    ]
    return f"{one.model} Usage{''.join(f' ({kind})' for kind in kinds)} - {_WORDS[token_type]}"


def _value(one: Traffic, name: str) -> str | None:
    if name == "inference_geo":
        return one.inference_geo or "not_available"
    return getattr(one, name) if name in _KNOWN else None


def _passes(one: Traffic, query: Query) -> bool:
    return all(
        not query.list(name) or _value(one, dimension) in query.list(name) for name, dimension in _FILTERS.items()
    )
