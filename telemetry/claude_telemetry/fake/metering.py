"""What the stand-in has answered itself, as an organization would find it on its bill.

Billed are messages, the results of batches and the model requests of sessions that came by the API's own door; what
comes by that of a cloud platform is on the platform's bill. Left out is what is free: refusals before anything was
said, and attempts that declined. At list price by the price book that is shipped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any

from claude_telemetry.fake.admission import object_in, objects_in
from claude_telemetry.fake.billing import Traffic
from claude_telemetry.fake.ledger import BatchResult, Ledger, ModelRequest, Served
from claude_telemetry.pricing import Book, book_from, cost_of, shipped

API_KEY_ID = "apikey_01StandInStandInStandIn"
"""The one key that everything is asked with: which it really was is not kept."""

_LINES: Mapping[str, str] = {
    "input": "uncached_input_tokens",
    "output": "output_tokens",
    "cache_read": "cache_read_input_tokens",
    "cache_write_5m": "cache_creation.ephemeral_5m_input_tokens",
    "cache_write_1h": "cache_creation.ephemeral_1h_input_tokens",
    "web_search": "web_search",
}
"""By line of a cost: the bill's word."""
_MESSAGES = "/v1/messages"


@cache
def _list_prices() -> Book:
    return book_from(shipped(), None)


def metered(ledger: Ledger) -> Iterator[Traffic]:
    """All of it, up to now."""
    for at, entry in ledger.timed():
        if _is_billed(entry) and entry.model is not None:
            batch = isinstance(entry, BatchResult)
            yield from _traffic(at, entry.model, entry.usage, batch=batch)


def _is_billed(entry: Served | BatchResult | ModelRequest) -> bool:
    if isinstance(entry, ModelRequest):
        return True
    by_the_door = entry.type == "succeeded" if isinstance(entry, BatchResult) else entry.path == _MESSAGES
    return by_the_door and not entry.unbilled


def _traffic(at: datetime, model: str, usage: Mapping[str, Any], *, batch: bool) -> Iterator[Traffic]:
    """One for each model that took part; the first stands for the request."""
    requests = 1
    shared = {name: usage[name] for name in ("service_tier", "inference_geo", "speed") if name in usage}
    searches = int(object_in(usage.get("server_tool_use")).get("web_search_requests") or 0)
    for entry in objects_in(usage, "iterations") or [{**usage, "server_tool_use": None}]:
        whole = {**entry, **shared, "server_tool_use": {"web_search_requests": searches}}
        served_by = str(entry.get("model") or model)
        declined = served_by != model and entry.get("type") == "message" and not entry.get("output_tokens")
        if not declined:
            yield _one(at, served_by, whole, requests, searches, batch=batch)
            requests, searches = 0, 0


def _one(at: datetime, model: str, usage: Mapping[str, Any], requests: int, searches: int, *, batch: bool) -> Traffic:
    cost = cost_of(usage, model=model, at=at, batch=batch, book=_list_prices())
    split = object_in(usage.get("cache_creation"))
    hour = int(split.get("ephemeral_1h_input_tokens") or 0)
    tokens = {
        "uncached_input_tokens": int(usage.get("input_tokens") or 0),
        "output_tokens": int(usage.get("output_tokens") or 0),
        "cache_read_input_tokens": int(usage.get("cache_read_input_tokens") or 0),
        # What is written beyond the split counts as written for five minutes.
        "cache_creation.ephemeral_5m_input_tokens": int(usage.get("cache_creation_input_tokens") or 0) - hour,
        "cache_creation.ephemeral_1h_input_tokens": hour,
    }
    geo = usage.get("inference_geo")
    return Traffic(
        at=at,
        model=model,
        service_tier="batch" if batch else str(usage.get("service_tier") or "standard"),
        speed=str(usage.get("speed") or "standard"),
        inference_geo=geo if geo in ("global", "us") else None,
        api_key_id=API_KEY_ID,
        requests=requests,
        tokens={kind: amount for kind, amount in tokens.items() if amount},
        web_search_requests=searches,
        list_usd={_LINES[line]: usd for line, usd in cost.breakdown.items() if line in _LINES and usd != Decimal(0)},
    )
