"""What past calls would have cost otherwise. USD per million tokens, input / output / write 5m / 1h / cache read:

Opus 5.5: 4 / 20 / 5 / 8 / 0.2. Sonnet 5.5: 2 / 10 / 2.5 / 4 / 0.1. Haiku 4.5: 1 / 5 / 1.25 / 2 / 0.1.
Haiku 5.5: 0.1 / 0.5 / 0.125 / 0.2 / 0.01, and five times that when the prompt has over 100,000 tokens.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import duckdb
import pytest

from claude_telemetry.pricing import Book, book_from, shipped, the_book
from claude_telemetry_collector.decode import LandedCall
from claude_telemetry_collector.queries import Segment, Window
from claude_telemetry_collector.queries import what_if as what_if_module
from claude_telemetry_collector.queries.what_if import Change, Compared, Outcome, assumptions, rows_of, what_if
from claude_telemetry_collector.store import LocalReader
from tests.support.calls import NOON, a_call, land

PLAIN: dict[str, Any] = {"input_tokens": 1000, "output_tokens": 100, "inference_geo": "global"}
CACHED: dict[str, Any] = {
    **PLAIN,
    "cache_creation_input_tokens": 3000,
    "cache_creation": {"ephemeral_5m_input_tokens": 2000, "ephemeral_1h_input_tokens": 1000},
    "cache_read_input_tokens": 10_000,
}
DAY = Window(datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC))
MICRO = 10**6
"""Picodollars of a millionth of a dollar."""


def kept(usage: Mapping[str, Any] | None = PLAIN, model: str = "claude-opus-5-5", **facts: Any) -> LandedCall:
    usage_text = None if usage is None else json.dumps(usage)
    usual: dict[str, Any] = {"model": model, "request_model": model, "usage": usage_text, "feature": "chat"}
    return a_call(**(usual | facts))


def imagined(
    store: duckdb.DuckDBPyConnection,
    change: Change,
    *calls: LandedCall,
    book: Book | None = None,
    on: date | None = None,
    by: str = "model",
) -> Outcome:
    land(store, calls)
    outcome = Outcome()
    for rows in rows_of(LocalReader(store), DAY, Segment(), by):
        what_if(rows, change, book or the_book(), on=on, into=outcome)
    return outcome


def millionths(outcome: Outcome) -> tuple[float, float]:
    """What the calls cost now and then, at list price."""
    whole = outcome.all
    return whole.list_now / MICRO, whole.list_then / MICRO


def test_another_model_is_asked_the_same(store: duckdb.DuckDBPyConnection) -> None:
    outcome = imagined(store, Change(model="claude-sonnet-5-5"), kept(), kept(CACHED), kept(model="claude-haiku-4-5"))

    # Opus: 1000 * 4 + 100 * 20 = 6000; with the cache 2000 * 5 + 1000 * 8 + 10000 * 0.2 = 20000 more; Haiku: 1500.
    # Sonnet: 1000 * 2 + 100 * 10 = 3000, three times, and 2000 * 2.5 + 1000 * 4 + 10000 * 0.1 = 10000.
    opus, haiku = outcome.groups["claude-opus-5-5"], outcome.groups["claude-haiku-4-5"]
    amounts: dict[str, int] = {"list_now": 32_000 * MICRO, "net_now": 32_000 * MICRO}
    amounts |= {"list_then": 16_000 * MICRO, "net_then": 16_000 * MICRO}
    assert opus == Compared(calls=2, compared=2, **amounts)
    assert (haiku.list_now, haiku.list_then) == (1500 * MICRO, 3000 * MICRO)
    assert millionths(outcome) == (33_500, 19_000)
    assert (outcome.stays, outcome.unknown_now, outcome.unknown_then) == ({}, {}, {})


def test_a_longer_prompt_than_the_other_models_limit_costs_what_it_does_there(
    store: duckdb.DuckDBPyConnection,
) -> None:
    long = {**PLAIN, "cache_read_input_tokens": 99_001}

    # 1000 * 0.5 + 100 * 2.5 + 99001 * 0.05, of which Opus's is 6000 + 99001 * 0.2.
    assert millionths(imagined(store, Change(model="claude-haiku-5-5"), kept(long))) == (25_800.2, 5_700.05)


def test_the_same_place_is_asked_on_a_cloud(store: duckdb.DuckDBPyConnection) -> None:
    asked = "eu.anthropic.claude-opus-5-5"
    arn = f"arn:aws:bedrock:eu-west-1:1:inference-profile/{asked}"
    calls = [kept(platform="bedrock", request_model=name, model="claude-opus-5-5") for name in (asked, arn)]
    vertex = kept(platform="vertex", region="europe-west1")

    # A regional endpoint costs a tenth more, now and then.
    outcome = imagined(store, Change(model="claude-sonnet-5-5"), *calls, vertex)
    assert millionths(outcome) == (19_800, 9_900)


def test_a_users_own_name_can_be_asked_instead(store: duckdb.DuckDBPyConnection) -> None:
    own = b'[aliases.ours]\nid = "claude-sonnet-5-5"\n'
    outcome = imagined(store, Change(model="ours"), kept(), book=book_from(shipped(), own))
    assert millionths(outcome) == (6000, 3000)


def test_what_was_asked_by_a_users_own_name_is_asked_in_the_same_place(store: duckdb.DuckDBPyConnection) -> None:
    own = b"""
    [aliases.theirs]
    id = "claude-opus-5-5"
    platform = "vertex"
    region = "europe-west1"
    """
    outcome = imagined(store, Change(model="claude-sonnet-5-5"), kept(model="theirs"), book=book_from(shipped(), own))
    assert millionths(outcome) == (6600, 3300)


def test_a_model_that_is_not_in_the_book_is_no_guess(store: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(ValueError, match="does not hold 'claude-sonnet-5-5-turbo': give an exact id"):
        imagined(store, Change(model="claude-sonnet-5-5-turbo"), kept())


def test_advisors_stay_who_they_are(store: duckdb.DuckDBPyConnection) -> None:
    counts = {"input_tokens": 1000, "output_tokens": 100}
    usage = {
        **PLAIN,
        "iterations": [
            {"type": "message", "model": "claude-haiku-4-5-20251001", **counts},
            {"type": "compaction", "model": None, **counts},
            {"type": "advisor_message", "model": "claude-opus-5-5", **counts},
        ],
    }
    outcome = imagined(store, Change(model="claude-sonnet-5-5"), kept(usage, "claude-haiku-4-5-20251001"))

    # Haiku 1500 twice, Opus 6000; Sonnet 3000 twice, Opus 6000.
    assert millionths(outcome) == (9000, 12_000)


def test_calls_that_several_models_answered_stay_as_they_are(store: duckdb.DuckDBPyConnection) -> None:
    hop = {"model": "claude-opus-5-5", "usage": PLAIN, "usage_partial": False}
    hops = [{**hop, "model": "claude-haiku-4-5"}, hop]
    message, fallback = ({"type": kind, **PLAIN} for kind in ("message", "fallback_message"))
    server_side = {**PLAIN, "iterations": [{**message, "model": "claude-haiku-4-5"}, fallback]}
    calls = [kept(hops=json.dumps(hops)), kept(server_side)]

    outcome = imagined(store, Change(model="claude-sonnet-5-5"), *calls)

    # 1500 of Haiku and 6000 of Opus, each.
    assert millionths(outcome) == (15_000, 15_000)
    assert outcome.stays == {"several_models": 2}


def test_what_can_wait_costs_half_in_a_batch(store: duckdb.DuckDBPyConnection) -> None:
    hop = {"model": "claude-opus-5-5", "usage": PLAIN, "usage_partial": False}
    calls = [
        kept(stream=False),
        kept({**PLAIN, "server_tool_use": {"web_search_requests": 1}}, stream=None),
        kept(stream=True),
        kept({**PLAIN, "speed": "fast"}),
        kept({**PLAIN, "service_tier": "priority"}),
        kept({**PLAIN, "service_tier": "batch"}),
        kept(batch_id="msgbatch_1", custom_id="one", request_model=None),
        kept(operation="agent_model_request"),
        kept(hops=json.dumps([hop, hop])),
        kept(platform="vertex", region="global"),
    ]
    outcome = imagined(store, Change(batch=True), *calls)

    assert outcome.stays == {
        "streamed": 1,
        "fast": 1,
        "contract": 1,
        "in_a_batch": 2,
        "session": 1,
        "several_answers": 1,
        "no_batch_there": 1,
    }
    assert set(outcome.stays) <= set(what_if_module.STAYS)
    # Two become 3000, the search stays at 10000. Fast is twice the price; a batch's results are at 3000 already.
    stay = 6000 + 12_000 + 6000 + 3000 * 2 + 6000 + 12_000 + 6000
    assert millionths(outcome) == (stay + 12_000 + 10_000, stay + 6000 + 10_000)


@pytest.mark.parametrize(
    ("ttl", "then"),
    [
        # 6000 of Opus for what is not cached, and 10000 read at 0.2; 3000 written at 5, or at 8.
        ("5m", 6000 + 2000 + 15_000),
        ("1h", 6000 + 2000 + 24_000),
        # 14000 * 4 + 100 * 20.
        ("none", 58_000),
    ],
)
def test_another_cache_life_prices_the_writes(store: duckdb.DuckDBPyConnection, ttl: Any, then: int) -> None:
    in_parts = {**PLAIN, "iterations": [{"type": "message", **CACHED}]}
    outcome = imagined(store, Change(cache_ttl=ttl), kept(CACHED), kept(in_parts), kept())

    assert millionths(outcome) == (26_000 * 2 + 6000, then * 2 + 6000)


def test_writes_whose_life_was_not_told_get_one_too(store: duckdb.DuckDBPyConnection) -> None:
    grown = {**CACHED, "cache_creation_input_tokens": 5000}
    untold = {**PLAIN, "cache_creation_input_tokens": 5000}

    # 5000 * 8 beside what is not written: 8000 with what is read, 6000 without.
    outcome = imagined(store, Change(cache_ttl="1h"), kept(grown), kept(untold))
    assert outcome.all.list_then == (48_000 + 46_000) * MICRO


def test_changes_add_up(store: duckdb.DuckDBPyConnection) -> None:
    change = Change(model="claude-sonnet-5-5", batch=True, cache_ttl="none")

    # (14000 * 2 + 100 * 10) / 2.
    assert millionths(imagined(store, change, kept(CACHED))) == (26_000, 14_500)


def test_a_discount_counts_beside_the_list_price(store: duckdb.DuckDBPyConnection) -> None:
    own = b'[[discounts]]\nmodel = "claude-sonnet-5-5"\npercent = 10\nfrom = "2026-01-01"\n'
    whole = imagined(store, Change(model="claude-sonnet-5-5"), kept(), book=book_from(shipped(), own)).all

    assert (whole.net_now, whole.net_then, whole.list_then) == (6000 * MICRO, 2700 * MICRO, 3000 * MICRO)


def test_a_model_has_a_price_on_a_day_or_none(store: duckdb.DuckDBPyConnection) -> None:
    before_its_day = datetime(2026, 9, 1, tzinfo=UTC)
    call = kept(model="claude-haiku-4-5", started_at=before_its_day)
    land(store, [call])
    window = Window(before_its_day, NOON)
    (rows,) = rows_of(LocalReader(store), window, Segment())

    own_day = what_if(rows, Change(model="claude-haiku-5-5"), the_book())
    today = what_if(rows, Change(model="claude-haiku-5-5"), the_book(), on=date(2026, 11, 20))

    assert (own_day.all, own_day.unknown_then) == (Compared(calls=1), {"day_unknown": 1})
    assert millionths(today) == (1500, 150)


def test_what_is_not_known_is_counted_and_in_no_sum(store: duckdb.DuckDBPyConnection) -> None:
    calls = [
        kept(),
        kept(None, billed=None),
        kept(None, billed=False),
        kept(model="claude-unheard-of"),
        kept({**PLAIN, "speed": "fast"}),
        kept(platform="vertex", region="global", model="claude-opus-4-8"),
        kept(usage_partial=True),
    ]
    book = the_book()
    sonnet = replace(book.by_id["anthropic"]["claude-sonnet-5-5"])
    nowhere = replace(sonnet, ids={**sonnet.ids, "vertex": ()})
    first_party = {**book.by_id["anthropic"], "claude-sonnet-5-5": nowhere}
    book = replace(book, by_id={**book.by_id, "anthropic": first_party})

    outcome = imagined(store, Change(model="claude-sonnet-5-5"), *calls, book=book)

    assert outcome.unknown_now == {"no_usage": 1, "model_unknown": 1}
    assert outcome.unknown_then == {"fast_price_unknown": 1, "not_on_platform": 1}
    whole = outcome.all
    assert (whole.calls, whole.compared, whole.lower_bounds) == (7, 3, 1)
    # The one without its output: 4000 now, 2000 then.
    assert millionths(outcome) == (10_000, 5000)


def test_calls_can_be_told_apart_by_feature_and_are_asked_for_in_lots(
    store: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(what_if_module, "_LOT", 2)
    calls = [kept(feature=None), *(kept(started_at=NOON.replace(minute=n)) for n in range(1, 5))]

    outcome = imagined(store, Change(batch=True), *calls, by="feature")

    assert {label: group.calls for label, group in outcome.groups.items()} == {None: 1, "chat": 4}


@pytest.mark.parametrize("change", [Change(model="m"), Change(batch=True), Change(cache_ttl="1h")])
def test_each_change_says_what_it_assumes(change: Change) -> None:
    assert assumptions(change)
    assert not assumptions(Change())
