"""Past calls at the prices of another book."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from claude_telemetry.errors import CollectorError, QuestionRefusedError
from claude_telemetry.pricing import charge_of, cost_columns, price_version
from claude_telemetry_collector.decode import LandedCall
from claude_telemetry_collector.queries import freshness
from claude_telemetry_collector.reprice import Repricing, job
from claude_telemetry_collector.store import LocalReader, Writer
from tests.support.calls import NOON, a_call, land

TODAY = {"since": "2026-11-20", "until": "2026-11-21"}
WRITTEN = {**TODAY, "repricing_id": "r1"}
USAGE: dict[str, Any] = {"input_tokens": 1000, "output_tokens": 100, "inference_geo": "global"}
# Sonnet 5.5 at 2 / 10: 1000 * 2 + 100 * 10 = 3000 millionths.
COST = Decimal("0.003")
DEARER = """
[[prices]]
model = "claude-sonnet-5-5"
from = "2026-11-20"
input = 4
output = 10
cache = "standard"
"""
# 1000 * 4 + 100 * 10 = 5000 millionths.
DEARER_COST = Decimal("0.005")
A_DISCOUNT = """
[[discounts]]
model = "claude-sonnet-5-5"
percent = 10
from = "2026-01-01"
"""


def kept(usage: Mapping[str, Any] | None = USAGE, /, **facts: Any) -> LandedCall:
    """A call as it lands, priced as capture prices it, by the book of today."""
    usual: dict[str, Any] = {"model": "claude-sonnet-5-5", "started_at": NOON}
    facts = usual | facts
    cost: dict[str, Any] = {"cost_usd": None, "cost_status": "unknown"}
    if usage is not None:
        charge = charge_of(
            usage,
            model=facts["model"],
            at=facts["started_at"],
            platform=facts.get("platform", "anthropic"),
            batch=facts.get("custom_id") is not None,
        )
        cost = {**cost_columns(charge), "usage": json.dumps(usage)}
    return a_call(**(cost | facts))


def costs(store: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    return store.execute("SELECT cost_usd, net_cost_usd, price_version FROM calls ORDER BY started_at").fetchall()


@pytest.fixture
def repricing(store: duckdb.DuckDBPyConnection) -> Repricing:
    return Repricing(store, None)


def test_a_look_tells_what_would_change_and_writes_nothing(
    store: duckdb.DuckDBPyConnection, repricing: Repricing
) -> None:
    land(store, [kept(), kept(), kept(model="claude-opus-5-5")])
    before = costs(store)

    told = repricing.do({**TODAY, "own_prices": DEARER})

    version = told["price_version"]
    assert version.startswith(price_version() + "+")
    # Opus 5.5 at 4 / 20: 1000 * 4 + 100 * 20 = 6000 millionths.
    same = {"changed": 0, "newly_priced": 0, "newly_unknown": 0, "only_version": 1}
    same |= {"unknown_before": 0, "unknown_after": 0}
    opus = dict.fromkeys(("list_before_usd", "list_after_usd", "net_before_usd", "net_after_usd"), "0.006000000000")
    assert told["groups"] == [
        {"day": "2026-11-20", "model": "claude-opus-5-5", "calls": 1, **same, **opus},
        {
            "day": "2026-11-20",
            "model": "claude-sonnet-5-5",
            "calls": 2,
            "changed": 2,
            "newly_priced": 0,
            "newly_unknown": 0,
            "only_version": 0,
            "unknown_before": 0,
            "unknown_after": 0,
            "list_before_usd": "0.006000000000",
            "list_after_usd": "0.010000000000",
            "net_before_usd": "0.006000000000",
            "net_after_usd": "0.010000000000",
        },
    ]
    assert told["left"] == {}
    assert costs(store) == before


def test_a_call_gets_its_new_cost_and_the_former_one_stays_beside_it(
    store: duckdb.DuckDBPyConnection, repricing: Repricing
) -> None:
    land(store, [kept()])

    version = repricing.do({**WRITTEN, "own_prices": DEARER})["price_version"]

    assert costs(store) == [(DEARER_COST, DEARER_COST, version)]
    assert freshness(LocalReader(store)).repriced == 1  # so that pages ask anew
    lines = store.execute("SELECT cost_breakdown FROM calls").fetchall()[0][0]
    assert json.loads(lines) == {"input": "0.004000000000", "output": "0.001000000000"}
    former = store.execute(
        "SELECT repricing_id, f.cost_usd, f.net_cost_usd, f.cost_status, f.price_version FROM former_costs f"
        " JOIN calls USING (trace_id, span_id, started_at)"
    ).fetchall()
    assert former == [("r1", COST, COST, "priced", price_version())]
    assert store.execute("SELECT calls_changed, price_version, ended_at >= began_at FROM repricings").fetchall() == [
        (1, version, True)
    ]


def test_several_repricings_can_be_followed_backwards(store: duckdb.DuckDBPyConnection, repricing: Repricing) -> None:
    land(store, [kept()])
    repricing.do({**WRITTEN, "own_prices": DEARER})
    repricing.do({**WRITTEN, "repricing_id": "r2", "own_prices": A_DISCOUNT})

    assert [row[:2] for row in costs(store)] == [(COST, Decimal("0.0027"))]
    former = store.execute("SELECT repricing_id, cost_usd, net_cost_usd FROM former_costs ORDER BY repricing_id")
    assert former.fetchall() == [("r1", COST, COST), ("r2", DEARER_COST, DEARER_COST)]


def test_doing_it_again_changes_nothing(store: duckdb.DuckDBPyConnection, repricing: Repricing) -> None:
    land(store, [kept(), kept(model="claude-opus-5-5")])
    repricing.do({**WRITTEN, "own_prices": DEARER})
    after = costs(store)

    told = repricing.do({**WRITTEN, "repricing_id": "r2", "own_prices": DEARER})

    assert [(group["changed"], group["only_version"]) for group in told["groups"]] == [(0, 0), (0, 0)]
    assert costs(store) == after
    assert store.execute("SELECT count(*) FROM former_costs").fetchall() == [(1,)]


def test_a_call_that_comes_out_the_same_gets_the_version_only(
    store: duckdb.DuckDBPyConnection, repricing: Repricing
) -> None:
    land(store, [kept(model="claude-opus-5-5")])

    version = repricing.do({**WRITTEN, "own_prices": DEARER})["price_version"]

    assert [row[2] for row in costs(store)] == [version]
    assert store.execute("SELECT count(*) FROM former_costs").fetchall() == [(0,)]


def test_only_the_days_and_the_model_that_were_asked_for_are_priced_again(
    store: duckdb.DuckDBPyConnection, repricing: Repricing
) -> None:
    midnight = datetime(2026, 11, 20, tzinfo=UTC)
    first, last = kept(started_at=midnight), kept(started_at=midnight + timedelta(days=1, microseconds=-1))
    others = [
        kept(started_at=midnight - timedelta(microseconds=1)),
        kept(started_at=midnight + timedelta(days=1)),
        kept(model="claude-opus-5-5"),
    ]
    land(store, [first, last, *others])

    told = repricing.do({**WRITTEN, "own_prices": DEARER, "model": "claude-sonnet-5-5"})

    assert [group["calls"] for group in told["groups"]] == [2]
    times = store.execute("SELECT started_at FROM former_costs ORDER BY started_at").fetchall()
    assert [at for (at,) in times] == [one.record.call.started_at.replace(tzinfo=None) for one in (first, last)]
    assert [version for _, _, version in costs(store)].count(price_version()) == 3


def test_a_model_that_had_no_price_gets_one_and_one_whose_price_is_gone_is_unknown(
    store: duckdb.DuckDBPyConnection, repricing: Repricing
) -> None:
    own = """
    [models.our-model]
    [[prices]]
    model = "our-model"
    from = "2026-11-20"
    input = 1
    output = 2
    cache = "standard"
    """
    land(store, [kept(model="our-model")])

    priced = repricing.do({**WRITTEN, "own_prices": own})
    # 1000 * 1 + 100 * 2 = 1200 millionths.
    assert costs(store) == [(Decimal("0.0012"), Decimal("0.0012"), priced["price_version"])]
    unknown = repricing.do({**WRITTEN, "repricing_id": "r2"})

    assert [told["groups"][0]["newly_priced"] for told in (priced, unknown)] == [1, 0]
    assert [told["groups"][0]["newly_unknown"] for told in (priced, unknown)] == [0, 1]
    assert costs(store) == [(None, None, price_version())]
    status = store.execute("SELECT cost_status, cost_flags, cost_breakdown FROM calls").fetchall()
    assert status == [("unknown", "model_unknown", None)]


def test_calls_that_cannot_be_priced_again_are_left_and_counted(
    store: duckdb.DuckDBPyConnection, repricing: Repricing
) -> None:
    many = {**USAGE, "iterations": [{"type": "message", "input_tokens": 1, "output_tokens": 1}] * 128}
    calls = [
        kept(None, cost_usd=Decimal(7), cost_status="priced"),
        kept(None, cost_usd=Decimal(0), cost_status="priced", billed=False),
        kept(many, cost_usd=Decimal(7)),
        kept(stop_reason="refusal", cost_usd=Decimal(7)),
        kept(platform="vertex", request_model="claude-sonnet-5-5", cost_usd=Decimal(7)),
    ]
    land(store, calls)
    before = costs(store)

    told = repricing.do({**WRITTEN, "own_prices": DEARER})

    assert told["left"] == {
        "no_usage": 1,
        "refusal_unknown": 1,
        "region_not_kept": 1,
        "usage_cut": 1,
    }
    assert (told["groups"][0]["calls"], told["groups"][0]["changed"]) == (5, 0)
    assert costs(store) == before


def test_what_a_contract_paid_for_stays_so(store: duckdb.DuckDBPyConnection, repricing: Repricing) -> None:
    land(store, [kept({**USAGE, "service_tier": "priority"})])

    repricing.do({**WRITTEN, "own_prices": DEARER})

    assert store.execute("SELECT cost_usd, cost_status FROM calls").fetchall() == [(DEARER_COST, "contract")]


def test_what_the_teller_knew_stays_among_the_flags(store: duckdb.DuckDBPyConnection, repricing: Repricing) -> None:
    land(store, [kept({**USAGE, "inference_geo": None}, cost_flags="geo_unreported,abandoned_attempts")])

    repricing.do({**WRITTEN, "own_prices": DEARER})

    assert store.execute("SELECT cost_flags FROM calls").fetchall() == [("geo_unreported,abandoned_attempts",)]


def test_each_answer_of_a_call_with_several_is_priced_again(
    store: duckdb.DuckDBPyConnection, repricing: Repricing
) -> None:
    refused = {"model": "claude-sonnet-5-5", "usage": USAGE, "stop_reason": "refusal", "usage_partial": False}
    hops = [
        {**refused, "empty_refusal": False, "refusal_category": "cyber", "cost_usd": "0.003000000000"},
        {"model": "claude-opus-5-5", "usage": USAGE, "usage_partial": False, "cost_usd": "0.006000000000"},
    ]
    land(store, [kept(model="claude-opus-5-5", hops=json.dumps(hops), cost_usd=Decimal("0.009"))])

    repricing.do({**WRITTEN, "own_prices": DEARER})

    assert [row[0] for row in costs(store)] == [Decimal("0.011")]
    again = json.loads(store.execute("SELECT hops FROM calls").fetchall()[0][0])
    assert [hop["cost_usd"] for hop in again] == ["0.005000000000", "0.006000000000"]
    assert [{**hop, "cost_usd": 0} for hop in again] == [{**hop, "cost_usd": 0} for hop in hops]


def test_a_batchs_result_is_priced_as_one_again(store: duckdb.DuckDBPyConnection, repricing: Repricing) -> None:
    land(store, [kept(batch_id="msgbatch_1", custom_id="one", request_model=None)])

    repricing.do({**WRITTEN, "own_prices": DEARER})

    assert [row[0] for row in costs(store)] == [DEARER_COST / 2]


def test_a_call_that_the_sdk_told_is_priced_again_from_its_counts(
    store: duckdb.DuckDBPyConnection, repricing: Repricing
) -> None:
    flags = "geo_unreported,server_tools_unreported,speed_unreported"
    counts = {"input_tokens": 1000, "output_tokens": 100, "cache_read_tokens": None, "cache_write_tokens": None}
    land(store, [kept(None, source="anthropic_sdk", cost_usd=COST, cost_flags=flags, **counts)])

    told = repricing.do({**WRITTEN, "own_prices": DEARER})

    assert told["left"] == {}
    assert store.execute("SELECT cost_usd, cost_flags FROM calls").fetchall() == [(DEARER_COST, flags)]


def test_a_call_that_others_told_is_priced_again_from_what_they_told_of_its_usage(
    store: duckdb.DuckDBPyConnection, repricing: Repricing
) -> None:
    usage = {"input_tokens": 1000, "output_tokens": 100}
    flags = "geo_unreported,server_tools_unreported,speed_unreported"
    asked = {"request_model": "vendor/claude-sonnet-5-5", "model": None}
    told = kept(usage, source="litellm", cost_flags=flags, **asked)
    land(store, [told, kept(None, source="litellm", cost_usd=Decimal(7))])

    left = repricing.do({**WRITTEN, "own_prices": DEARER})["left"]

    assert left == {"no_usage": 1}
    rows = store.execute("SELECT cost_usd, cost_flags FROM calls ORDER BY cost_usd").fetchall()
    assert rows == [(DEARER_COST, flags), (Decimal(7), None)]


def test_one_that_dies_half_way_is_completed_by_the_next(
    store: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(store, [kept(started_at=NOON + timedelta(seconds=n)) for n in range(10)])
    repricing, lots = Repricing(store, None, lot=3), iter(range(2))
    write = job.write_costs

    def dies(*arguments: Any) -> None:
        write(*arguments)
        if next(lots, None) is None:
            raise MemoryError("no room")

    monkeypatch.setattr(job, "write_costs", dies)
    with pytest.raises(MemoryError):
        repricing.do({**WRITTEN, "own_prices": DEARER})
    assert [cost for cost, _, _ in costs(store)] == [DEARER_COST] * 6 + [COST] * 4
    reached = store.execute("SELECT calls_changed, reached, ended_at FROM repricings").fetchall()
    assert reached == [(6, NOON.replace(tzinfo=None) + timedelta(seconds=5), None)]

    monkeypatch.undo()
    repricing.do({**WRITTEN, "repricing_id": "r2", "own_prices": DEARER})

    assert [cost for cost, _, _ in costs(store)] == [DEARER_COST] * 10
    count = "SELECT repricing_id, count(*) FROM former_costs GROUP BY ALL ORDER BY ALL"
    assert store.execute(count).fetchall() == [("r1", 6), ("r2", 4)]


def test_calls_that_began_at_one_moment_are_done_once(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [kept() for _ in range(5)])

    told = Repricing(store, None, lot=2).do({**WRITTEN, "own_prices": DEARER})

    assert told["groups"][0]["changed"] == 5
    assert store.execute("SELECT count(*) FROM former_costs").fetchall() == [(5,)]


def test_a_call_that_landing_changes_meanwhile_is_tried_again(
    store: duckdb.DuckDBPyConnection, repricing: Repricing, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(store, [kept(batch_id="msgbatch_1", custom_id="one", request_model=None)])
    creation = a_call(batch_id="msgbatch_1", operation="batch_create", feature="nightly", cost_usd=Decimal(0))
    write, landed = job.write_costs, threading.Event()

    def lands_meanwhile(*arguments: Any) -> None:
        if not landed.is_set():
            landed.set()
            Writer(store).land([creation])
        write(*arguments)

    monkeypatch.setattr(job, "write_costs", lands_meanwhile)
    monkeypatch.setattr(job, "FIRST_WAIT_S", 0.001)

    told = repricing.do({**WRITTEN, "own_prices": DEARER})

    assert told["groups"][0]["calls"] == 1
    result = "SELECT cost_usd, feature FROM calls WHERE custom_id IS NOT NULL"
    assert store.execute(result).fetchall() == [(DEARER_COST / 2, "nightly")]
    assert store.execute("SELECT count(*) FROM former_costs").fetchall() == [(1,)]


def test_a_better_copy_that_lands_later_has_its_own_cost_until_it_is_priced_again(
    store: duckdb.DuckDBPyConnection, repricing: Repricing
) -> None:
    poor = kept()
    whole = LandedCall(record=poor.record, source=poor.source, attributes={}, whole=True, received_at=poor.received_at)
    land(store, [poor])
    repricing.do({**WRITTEN, "own_prices": DEARER})
    land(store, [whole])
    assert [cost for cost, _, _ in costs(store)] == [COST]

    repricing.do({**WRITTEN, "repricing_id": "r2", "own_prices": DEARER})

    assert [cost for cost, _, _ in costs(store)] == [DEARER_COST]


def test_who_never_gets_its_turn_says_so(
    store: duckdb.DuckDBPyConnection, repricing: Repricing, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(store, [kept()])

    def conflict(*_: Any) -> None:
        raise duckdb.TransactionException("conflict on update")

    monkeypatch.setattr(job, "write_costs", conflict)
    monkeypatch.setattr(job, "FIRST_WAIT_S", 0.0001)
    with pytest.raises(CollectorError, match="are being changed by others: try again"):
        repricing.do({**WRITTEN, "own_prices": DEARER})


def test_landing_goes_on_while_calls_are_priced_again(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [kept(started_at=NOON + timedelta(seconds=n)) for n in range(60)])
    writer, landed = Writer(store), 0
    with ThreadPoolExecutor(1) as pool:
        doing = pool.submit(Repricing(store, None, lot=6).do, {**WRITTEN, "own_prices": DEARER})
        while not doing.done():
            writer.land([kept(started_at=NOON + timedelta(days=1))])
            landed += 1
        told = doing.result()

    assert landed > 0
    assert told["groups"][0]["changed"] == 60
    assert store.execute("SELECT count(*) FROM calls").fetchall() == [(60 + landed,)]
    assert store.execute("SELECT count(*) FROM former_costs").fetchall() == [(60,)]


def test_the_collectors_own_prices_hold_unless_others_are_given(
    store: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text(DEARER)
    land(store, [kept()])
    repricing = Repricing(store, prices)

    assert repricing.do(TODAY)["groups"][0]["list_after_usd"] == "0.005000000000"
    assert repricing.do({**TODAY, "own_prices": A_DISCOUNT})["groups"][0]["net_after_usd"] == "0.002700000000"
    prices.unlink()
    with pytest.raises(QuestionRefusedError, match=r"cannot read its prices in .*prices\.toml: No such file"):
        repricing.do(TODAY)


def test_a_book_that_is_no_longer_the_one_that_was_looked_at_is_not_used(
    store: duckdb.DuckDBPyConnection, repricing: Repricing
) -> None:
    land(store, [kept()])
    with pytest.raises(QuestionRefusedError, match=r"and 2020-01-01\.x was looked at: look again"):
        repricing.do({**WRITTEN, "price_version": "2020-01-01.x"})
    assert store.execute("SELECT count(*) FROM repricings").fetchall() == [(0,)]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"since": "2026-11-20"}, "until"),
        ({"since": "yesterday", "until": "2026-11-21"}, "yesterday"),
        ({"since": "2026-11-21", "until": "2026-11-20"}, "ends before it starts"),
        ({**TODAY, "model": 7}, "7 is no text"),
        ({**TODAY, "own_prices": "[[prices]"}, "TOML"),
    ],
)
def test_what_cannot_be_meant_is_refused(repricing: Repricing, arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(QuestionRefusedError, match=told):
        repricing.do(arguments)
