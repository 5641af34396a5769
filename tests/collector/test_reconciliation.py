"""Calls held against bills, each worked out by hand.

Sonnet 5.5 costs $2 a million tokens of input, $10 of output and $0.10 of cache reads; Opus 5.5 $4 and $20.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import pytest

from claude_telemetry.pricing import charge_of, cost_columns
from claude_telemetry_collector.decode import LandedCall
from claude_telemetry_collector.queries import Reconciliation, Tolerance, reconciliation
from claude_telemetry_collector.queries.bill import Coverage, wording
from claude_telemetry_collector.store import LocalReader, open_database
from claude_telemetry_collector.store.billed import Family
from tests.support.bills import AFTER, DAY, FIVE, HOUR, NEXT, OUTPUT, READ, SEARCHES, Line, midnight, pulled
from tests.support.calls import a_call, land

TOLERANCE = Tolerance(coverage=Fraction(95, 100), price_error=Fraction(1, 1000))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = open_database(tmp_path / "calls.duckdb", memory_limit="256MB")
    yield connection
    connection.close()


def judged(store: duckdb.DuckDBPyConnection, since: date = DAY, until: date = NEXT) -> Reconciliation:
    return reconciliation(LocalReader(store), since, until)


def asked(
    usage: dict[str, Any], *, at: datetime | None = None, model: str = "claude-sonnet-5-5", **facts: Any
) -> LandedCall:
    """A call with this usage, priced as it would be."""
    started_at = at or midnight(DAY) + timedelta(hours=12)
    usage = {"service_tier": "standard", "speed": "standard", "inference_geo": "global", **usage}
    charge = charge_of(usage, model=model, at=started_at)
    split: dict[str, Any] = usage.get("cache_creation") or {}
    server: dict[str, Any] = usage.get("server_tool_use") or {}
    told: dict[str, Any] = {
        "started_at": started_at,
        "model": model,
        "request_model": model,
        "input_tokens": usage.get("input_tokens"),
        "output_tokens": usage.get("output_tokens"),
        "cache_read_tokens": usage.get("cache_read_input_tokens"),
        "cache_write_tokens": usage.get("cache_creation_input_tokens"),
        "cache_write_5m_tokens": split.get("ephemeral_5m_input_tokens"),
        "cache_write_1h_tokens": split.get("ephemeral_1h_input_tokens"),
        "web_search_requests": server.get("web_search_requests"),
        "service_tier": usage["service_tier"],
        "speed": usage["speed"],
        "inference_geo": usage["inference_geo"],
        "usage": json.dumps(usage, separators=(",", ":")),
        **cost_columns(charge),
    }
    return a_call(**(told | facts))


def tokens(input: int, output: int = 0, **more: Any) -> dict[str, Any]:  # noqa: A002 - as the API has it
    return {"input_tokens": input, "output_tokens": output, **more}


def test_what_is_billed_and_seen_at_the_billed_price_fits(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [asked(tokens(600_000, 100_000)), asked(tokens(400_000))])
    pulled(store, Line(tokens=1_000_000, usd="2"), Line(kind=OUTPUT, tokens=100_000, usd="1"))

    found = judged(store)

    assert found.coverage == Coverage(
        billed=1_100_000,
        missing=0,
        surplus=0,
        billed_usd=Fraction(3),
        missing_usd=Fraction(0),
        searches_billed=0,
        searches_missing=0,
        searches_surplus=0,
    )
    assert (found.price_error, found.findings, found.calls) == (Fraction(0), (), 2)
    assert not found.is_drift(TOLERANCE)
    assert wording.verdict(found, TOLERANCE) == (
        "telemetry has seen all 1,100,000 tokens that were billed in 1 day. Prices are as billed."
    )


def test_what_telemetry_never_saw_is_missing_in_tokens_and_in_list_money(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [asked(tokens(900_000))])
    pulled(store, Line(tokens=1_000_000, usd="2", paid="0.9"))

    found = judged(store)

    # 100,000 of 1,000,000 at $2 a million.
    assert (found.coverage.of_tokens, found.coverage.missing_usd) == (Fraction(9, 10), Fraction(2, 10))
    assert found.is_drift(TOLERANCE)


def test_surplus_never_makes_up_for_what_is_missing(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [asked(tokens(1000, inference_geo="us"))])
    pulled(store, Line(tokens=1000, usd="0.002"))

    coverage = judged(store).coverage

    assert (coverage.missing, coverage.surplus, coverage.of_tokens) == (1000, 1000, Fraction(0))


def test_a_call_that_does_not_say_where_it_ran_is_not_missing_somewhere(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [asked(tokens(700, inference_geo=None)), asked(tokens(300, inference_geo="us"))])
    pulled(store, Line(tokens=700, usd="0.0014"), Line(tokens=300, usd="0.00066", geo="us"))

    found = judged(store)

    assert (found.coverage.missing, found.coverage.surplus) == (0, 0)
    assert [cell.group.geo for cell in found.cells] == [None]


def test_workspaces_are_told_apart_where_every_call_says_its_own(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [asked(tokens(1000), workspace_id="wrkspc_shop"), asked(tokens(50), workspace_id="wrkspc_lab")])
    pulled(
        store,
        Line(tokens=1000, usd="0.002", workspace="wrkspc_shop"),
        Line(tokens=400, usd="0.0008", workspace="wrkspc_lab"),
    )

    found = judged(store)

    assert {name: part.of_tokens for name, part in found.by("workspace").items()} == {
        "wrkspc_lab": Fraction(1, 8),
        "wrkspc_shop": 1,
    }


def test_a_key_is_told_apart_where_its_calls_name_it_by_its_id(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [asked(tokens(1000), api_key_alias="apikey_01A"), asked(tokens(50), api_key_alias="apikey_01B")])
    pulled(store, Line(tokens=1000, usd="0.002", key="apikey_01A"), Line(tokens=100, usd="0.0002", key="apikey_01B"))

    assert {name: part.missing for name, part in judged(store).by("key").items()} == {"apikey_01B": 50, "apikey_01A": 0}


def test_a_name_that_is_no_id_tells_no_key_apart(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [asked(tokens(1000), api_key_alias="production")])
    pulled(store, Line(tokens=1000, usd="0.002", key="apikey_01A"))

    found = judged(store)

    assert (found.coverage.missing, list(found.by("key"))) == (0, [None])


def test_an_alias_of_a_model_and_its_dated_id_are_one(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [asked(tokens(1000), model="claude-haiku-4-5")])
    pulled(store, Line(tokens=1000, usd="0.001", model="claude-haiku-4-5-20251001"))

    assert judged(store).coverage.of_tokens == 1


def test_each_iteration_belongs_to_its_own_model(store: duckdb.DuckDBPyConnection) -> None:
    usage = tokens(
        1000,
        200,
        iterations=[
            {"type": "compaction", "input_tokens": 5000, "output_tokens": 300},
            {"type": "message", "input_tokens": 1000, "output_tokens": 200},
            {"type": "advisor_message", "model": "claude-opus-5-5", "input_tokens": 800, "output_tokens": 90},
        ],
    )
    land(store, [asked(usage)])
    pulled(
        store,
        Line(tokens=6000, usd="0.012"),
        Line(kind=OUTPUT, tokens=500, usd="0.005"),
        Line(model="claude-opus-5-5", tokens=800, usd="0.0032"),
        Line(model="claude-opus-5-5", kind=OUTPUT, tokens=90, usd="0.0018"),
    )

    found = judged(store)

    assert (found.coverage.missing, found.coverage.surplus, found.findings) == (0, 0, ())


def test_each_answer_of_a_fallback_belongs_to_its_own_model(store: duckdb.DuckDBPyConnection) -> None:
    hops = [
        {"model": "claude-opus-5-5", "usage": tokens(1000, 0), "cost_usd": "0"},
        {"model": "claude-sonnet-5-5", "usage": {**tokens(1000, 70), "inference_geo": "global"}, "cost_usd": "0.0027"},
    ]
    land(store, [asked(tokens(1000, 70), hops=json.dumps(hops))])
    pulled(store, Line(tokens=1000, usd="0.002"), Line(kind=OUTPUT, tokens=70, usd="0.0007"))

    found = judged(store)

    assert (found.coverage.missing, found.coverage.surplus) == (0, 0)
    assert said(found) == [
        (
            "1,000 tokens of refusals and declined attempts, which are free: it is not published whether the bill "
            "lists them, so they are not counted as seen"
        )
    ]


@pytest.mark.parametrize(("category", "billed"), [("cyber", False), ("bio", True)])
def test_a_declined_attempt_counts_as_seen_only_in_categories_that_are_billed(
    store: duckdb.DuckDBPyConnection, category: str, billed: bool
) -> None:
    usage = tokens(
        900,
        50,
        iterations=[
            {"type": "message", "model": "claude-opus-5-5", "input_tokens": 800, "output_tokens": 0},
            {"type": "fallback_message", "model": "claude-sonnet-5-5", "input_tokens": 900, "output_tokens": 50},
        ],
    )
    land(store, [asked(usage, declined=json.dumps({"claude-opus-5-5": category}))])
    pulled(store, Line(tokens=900, usd="0.0018"), Line(kind=OUTPUT, tokens=50, usd="0.0005"))

    found = judged(store)

    assert found.by("model")["claude-sonnet-5-5"].missing == 0
    assert found.coverage.surplus == (800 if billed else 0)


@pytest.mark.parametrize("model", ["claude-sonnet-5-5", "a-model-without-a-price"])
def test_a_free_refusal_is_not_counted_as_seen(store: duckdb.DuckDBPyConnection, model: str) -> None:
    land(store, [asked(tokens(500), model=model, billed=False, stop_reason="refusal")])
    pulled(store)

    found = judged(store)

    assert (found.coverage.surplus, found.coverage.of_tokens) == (0, None)
    assert "500 tokens of refusals" in said(found)[0]


def test_cache_writes_without_a_lifetime_are_taken_as_they_are_priced(store: duckdb.DuckDBPyConnection) -> None:
    # A stream that grew after it had said how its writes split: all of them live an hour.
    grew = tokens(10, 0, cache_creation_input_tokens=900, cache_creation={"ephemeral_1h_input_tokens": 600})
    plain = tokens(10, 0, cache_creation_input_tokens=50)
    land(
        store,
        [
            asked(usage, cache_write_5m_tokens=None, cache_write_1h_tokens=None, input_tokens=10)
            for usage in (grew, plain)
        ],
    )
    pulled(
        store,
        Line(tokens=20, usd="0.00004"),
        Line(kind=HOUR, tokens=900, usd="0.0036"),
        Line(kind=FIVE, tokens=50, usd="0.000125"),
    )

    found = judged(store)

    assert (found.coverage.missing, found.coverage.surplus, found.findings) == (0, 0, ())


def test_web_searches_are_counted_beside_tokens(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [asked(tokens(1000, server_tool_use={"web_search_requests": 2}))])
    pulled(
        store,
        Line(tokens=1000, usd="0.002"),
        Line(kind=SEARCHES, tokens=3, usd="0.03", cost_type="web_search"),
    )

    coverage = judged(store).coverage

    assert (coverage.billed, coverage.missing) == (1000, 0)
    assert (coverage.searches_billed, coverage.searches_missing) == (3, 1)
    assert coverage.missing_usd == Fraction(1, 100)


def test_failed_and_free_calls_are_on_no_bill(store: duckdb.DuckDBPyConnection) -> None:
    nothing: dict[str, Any] = {"input_tokens": None, "output_tokens": None, "usage": None, "billed": False}
    land(
        store, [a_call(started_at=midnight(DAY), status="error", **nothing), asked(tokens(9), operation="count_tokens")]
    )
    pulled(store)

    found = judged(store)

    assert (found.coverage.surplus, found.left_out) == (0, ())
    assert wording.verdict(found, TOLERANCE) == "The bill has no tokens for 1 day, and neither has telemetry."


def test_a_pending_day_is_in_no_number(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [asked(tokens(1000))])
    pulled(
        store,
        Line(tokens=1000, usd="0.002"),
        Line(day=NEXT, tokens=777, usd="0.1"),
        until=AFTER,
        refreshed_at=midnight(NEXT) + timedelta(hours=7),
    )

    found = judged(store, until=AFTER + timedelta(days=1))

    assert [(day.day, day.state) for day in found.days] == [
        (DAY, "settled"),
        (NEXT, "pending"),
        (AFTER, "not_pulled"),
    ]
    assert (found.coverage.billed, found.coverage.missing, found.findings) == (1000, 0, ())


def test_late_rows_are_corrected_by_pulling_again(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [asked(tokens(1000))])
    pulled(store, Line(tokens=400, usd="0.0008"))
    assert judged(store).coverage.surplus == 600

    pulled(store, Line(tokens=1000, usd="0.002"))
    assert judged(store).coverage.surplus == 0


def test_a_batch_may_be_billed_on_the_day_after_it_was_created(store: duckdb.DuckDBPyConnection) -> None:
    batch: dict[str, Any] = {"service_tier": "batch"}
    eve = midnight(DAY) - timedelta(hours=1)
    late = midnight(NEXT) - timedelta(hours=1)
    land(
        store,
        [
            asked({**tokens(100), **batch}, at=eve),
            asked({**tokens(1000), **batch}, at=midnight(DAY)),
            asked({**tokens(30), **batch}, at=late),
            asked({**tokens(5), **batch}, at=midnight(AFTER) - timedelta(hours=1)),
        ],
    )
    pulled(
        store,
        Line(tokens=1100, usd="0.0011", tier="batch"),
        Line(day=NEXT, tokens=30, usd="0.00003", tier="batch"),
        until=AFTER,
    )

    found = judged(store, until=AFTER)

    assert (found.coverage.missing, found.coverage.surplus) == (0, 0)
    assert (found.carried, found.waiting) == (130, 5)


def test_a_batch_that_is_never_billed_is_surplus(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [asked({**tokens(100), "service_tier": "batch"})])
    pulled(store, until=AFTER + timedelta(days=1))

    found = judged(store, until=AFTER + timedelta(days=1))

    assert {day: part.surplus for day, part in found.by_day().items()} == {DAY: 100}


def test_a_stale_price_of_calls_is_told_from_a_wrong_book(store: duckdb.DuckDBPyConnection) -> None:
    stale = asked(
        tokens(0, 0, cache_read_input_tokens=1_000_000),
        cost_usd=Decimal("0.2"),
        cost_breakdown=json.dumps({"input": "0", "output": "0", "cache_read": "0.20"}),
    )
    land(store, [stale, asked(tokens(0, 1_000_000))])
    pulled(store, Line(kind=READ, tokens=1_000_000, usd="0.10"), Line(kind=OUTPUT, tokens=1_000_000, usd="12"))

    found = judged(store)

    assert [wording.finding_sentence(finding) for finding in found.findings] == [
        "claude-sonnet-5-5 output since 2026-11-18: the book says $10.00, the bill says $12.00 per MTok",
        "claude-sonnet-5-5 cache reads since 2026-11-18: calls were priced at $0.20, the bill says $0.10 per MTok",
    ]
    # $0.10 too much and $2 too little do not make up for each other.
    assert (found.price_error_usd, found.price_compared_usd) == (Fraction("2.1"), Fraction("12.1"))


def test_a_price_that_was_off_for_some_days_says_which(store: duckdb.DuckDBPyConnection) -> None:
    lines = [
        Line(day=DAY + timedelta(days=number), tokens=1_000_000, usd=usd)
        for number, usd in enumerate(("2", "3", "3", "2", "2"))
    ]
    pulled(store, *lines, until=DAY + timedelta(days=5))

    (finding,) = judged(store, until=DAY + timedelta(days=5)).findings

    assert wording.finding_sentence(finding) == (
        "claude-sonnet-5-5 uncached input from 2026-11-19 to 2026-11-20: "
        "the book says $2.00, the bill says $3.00 per MTok"
    )


def test_a_wrong_factor_of_a_tier_is_one_finding(store: duckdb.DuckDBPyConnection) -> None:
    pulled(
        store,
        Line(tokens=1_000_000, usd="1.2", tier="batch"),
        Line(kind=OUTPUT, tokens=1_000_000, usd="6", tier="batch"),
        Line(tokens=1_000_000, usd="1.32", tier="batch", geo="us"),
        Line(tokens=1_000_000, usd="2"),
    )

    (finding,) = judged(store).findings

    assert wording.finding_sentence(finding) == (
        "claude-sonnet-5-5 all tokens in batches since 2026-11-18: the bill is 1.2 × our price: "
        "uncached input $1.00, billed $1.20; output $5.00, billed $6.00 per MTok"
    )


def test_a_model_without_a_price_is_named(store: duckdb.DuckDBPyConnection) -> None:
    pulled(store, Line(model="claude-next-9", tokens=1_000_000, usd="7"))

    found = judged(store)

    assert [wording.finding_sentence(finding) for finding in found.findings] == [
        (
            "claude-next-9 uncached input since 2026-11-18: "
            "the book has no price, the bill says $7.00 per MTok of uncached input"
        )
    ]
    assert found.is_drift(TOLERANCE)


def test_amounts_that_are_rounded_are_no_price_errors(store: duckdb.DuckDBPyConnection) -> None:
    # 333 tokens at $0.10 a million are 0.0000333 dollars.
    land(store, [asked(tokens(0, 0, cache_read_input_tokens=333))])
    pulled(store, Line(kind=READ, tokens=333, usd="0.000033"))

    assert judged(store).findings == ()


def test_prices_by_prompt_length_are_compared_in_money_only(store: duckdb.DuckDBPyConnection) -> None:
    # Haiku 5.5 costs $0.10 a million, and $0.50 for a prompt of more than 100,000 tokens.
    calls = [asked(tokens(size), model="claude-haiku-5-5") for size in (50_000, 200_000)]
    land(store, calls)
    pulled(store, Line(model="claude-haiku-5-5", tokens=250_000, usd="0.105"))
    found = judged(store)
    assert (found.findings, found.price_compared_usd) == ((), Fraction("0.105"))

    # Another call of 100,000 that nobody saw: a cent, which an average token would not tell.
    pulled(store, Line(model="claude-haiku-5-5", tokens=350_000, usd="0.115"))
    found = judged(store)
    assert (found.findings, found.price_compared_usd) == ((), Fraction(0))
    assert found.coverage.missing_usd == Fraction("0.01")
    assert "Prices of claude-haiku-5-5" in said(found)[0]


def test_the_real_discount_of_each_model_is_exact_and_dated(store: duckdb.DuckDBPyConnection) -> None:
    pulled(
        store,
        Line(tokens=1_000_000, usd="2", paid="0.9"),
        Line(kind=OUTPUT, tokens=333, usd="0.00333", paid="0.9"),
        Line(day=NEXT, tokens=1_000_000, usd="2", paid="0.875"),
        Line(model="claude-opus-5-5", tokens=1_000_000, usd="4"),
        until=AFTER,
    )

    found = judged(store, until=AFTER)

    assert [(one.model, one.multiplier, one.since, one.ongoing) for one in found.discounts] == [
        ("claude-opus-5-5", 1, DAY, True),
        ("claude-sonnet-5-5", Fraction(9, 10), DAY, False),
        ("claude-sonnet-5-5", Fraction(7, 8), NEXT, True),
    ]
    assert [wording.discount_sentence(one) for one in found.discounts[:2]] == [
        "claude-opus-5-5 since 2026-11-18: the list price",
        "claude-sonnet-5-5 from 2026-11-18 to 2026-11-18: 0.9 of the list price",
    ]
    assert wording.as_toml(found.discounts) == (
        '[[discounts]]\nmodel = "claude-sonnet-5-5"\nmultiplier = 0.9\nfrom = 2026-11-18\nuntil = 2026-11-19\n\n'
        '[[discounts]]\nmodel = "claude-sonnet-5-5"\nmultiplier = 0.875\nfrom = 2026-11-19'
    )


def test_discounts_of_workspaces_are_told_apart(store: duckdb.DuckDBPyConnection) -> None:
    pulled(
        store,
        Line(tokens=1_000_000, usd="2", paid="0.9", workspace="wrkspc_shop"),
        Line(tokens=1_000_000, usd="2", paid="0.5", workspace="wrkspc_lab"),
    )

    assert {one.workspace: one.multiplier for one in judged(store).discounts} == {
        "wrkspc_lab": Fraction(1, 2),
        "wrkspc_shop": Fraction(9, 10),
    }


def test_the_older_report_does_not_pretend_to_tell_a_discount_from_a_price(store: duckdb.DuckDBPyConnection) -> None:
    # Its money names no speed: 1,000,000 fast tokens of Opus 5.5 at $8 and as many at $4 are one amount.
    opus = "claude-opus-5-5"
    land(store, [asked(tokens(1_000_000), model=opus), asked({**tokens(500_000), "speed": "fast"}, model=opus)])
    pulled(
        store,
        Line(model=opus, tokens=1_000_000, usd="10.8"),
        Line(model=opus, tokens=1_000_000, usd=None, speed="fast"),
        family="admin",
    )

    found = judged(store)

    assert (found.findings, found.discounts, found.price_error) == ((), (), None)
    assert [(one.ours_usd, one.amount_usd) for one in found.unseparated] == [(Fraction(12), Fraction("10.8"))]
    # Half of the fast tokens were not seen: 500,000 at $8.
    assert (found.coverage.of_tokens, found.coverage.missing_usd) == (Fraction(3, 4), Fraction(4))
    assert "The older report has no list prices" in said(found)[-1]


def test_of_two_reports_about_a_day_one_counts(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [asked(tokens(1000))])
    families: tuple[Family, ...] = ("admin", "analytics")
    for family in families:
        pulled(store, Line(tokens=1000, usd="0.002"), family=family)

    found = judged(store)

    assert (found.coverage.billed, [day.family for day in found.days]) == (1000, ["analytics"])


def test_what_cannot_be_compared_is_said(store: duckdb.DuckDBPyConnection) -> None:
    unseen: dict[str, Any] = {"input_tokens": None, "output_tokens": None, "usage": None, "billed": None}
    land(
        store,
        [
            asked(tokens(1000), platform="bedrock"),
            asked(tokens(1000), platform="bedrock"),
            asked(tokens(10), organization_id="org_a"),
            asked({**tokens(20), "service_tier": "priority"}, organization_id="org_b"),
            a_call(started_at=midnight(DAY), **unseen),
            asked(tokens(5), usage_partial=True, output_tokens=None),
            asked(tokens(7), at=midnight(NEXT) - timedelta(seconds=1), duration_ms=5000),
            asked(tokens(1), code_execution_requests=1),
        ],
    )
    pulled(
        store,
        Line(tokens=23, usd="0.000046"),
        Line(tokens=20, usd=None, tier="priority"),
        Line(tokens=0, usd="0.37", cost_type="session_usage", kind=""),
    )

    found = judged(store)

    assert said(found) == [
        "2 calls on Amazon Bedrock: not on this bill",
        "The calls belong to 2 organizations, and a bill is about one: those of the others are surplus here",
        "1 call of which nobody saw the usage: what the bill has for them counts as missing",
        "1 call of which only a part was seen, such as a stream that was left early: the rest counts as missing",
        (
            "1 call that ran over midnight UTC: here they belong to the day on which they began, on the bill maybe "
            "to the next"
        ),
        "1 call in the priority tier: it is paid by contract, so the bill has their tokens and no money for them",
        "The running time of managed agents is billed by the hour, and is in no call: $0.37",
        "Calls ran code on the server, and the bill shows no container time: it may be within the free hours",
    ]
    # Tokens of the priority tier are compared; they are worth nothing on this bill.
    assert (found.coverage.of_tokens, found.coverage.billed_usd) == (Fraction(1), Fraction("0.000046"))
    assert (found.calls, found.unknown_calls) == (6, 2)


def test_a_store_without_a_bill_says_so(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [asked(tokens(1000))])

    found = judged(store)

    assert not found.is_pulled
    assert wording.verdict(found, TOLERANCE) == "Nothing of the bill has been pulled for these days."


def said(found: Reconciliation) -> list[str]:
    return [one.what for one in found.left_out]


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (Fraction(1), "100 %"),
        (Fraction(999_999, 1_000_000), "99.99 %"),
        (Fraction(98, 100), "98 %"),
        (Fraction(1, 10**6), "less than 0.01 %"),
        (Fraction(0), "0 %"),
        (None, "—"),
    ],
)
def test_only_all_of_it_reads_as_all_of_it(part: Fraction | None, text: str) -> None:
    assert wording.share(part) == text
