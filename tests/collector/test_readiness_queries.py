"""What is ready for production, as far as data tells."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from claude_telemetry_collector.decode import LandedCall
from claude_telemetry_collector.queries import Segment, Window
from claude_telemetry_collector.queries.health import Health, Lost
from claude_telemetry_collector.queries.readiness import (
    BY_HAND,
    Item,
    observed,
    scorecard,
    ticked,
    told_at,
)
from claude_telemetry_collector.queries.status import Status
from claude_telemetry_collector.store import LocalReader
from claude_telemetry_collector.store.ticks import TickLog
from tests.support.calls import NOON, a_call, land

DAY = Window(NOON - timedelta(hours=12), NOON + timedelta(hours=12))
RULES = ("daily_cost", "error_ratio")


def a_health(otlp_http: str = "http://127.0.0.1:4318", *, token: bool = False, lost: int = 0) -> Health:
    return Health(
        status=Status(data="/data", running=True, otlp_http=otlp_http, token_required=token),
        files=(),
        lost=(Lost(what="requests", why="too large", count=lost),) if lost else (),
        receiver_tells=True,
        landed=1,
        landing_lag_ms=1,
        landing_troubles=0,
        settings={},
    )


def items(store: duckdb.DuckDBPyConnection, *calls: LandedCall, **facts: Any) -> dict[str, Item]:
    land(store, calls)
    seen = dict(observed(LocalReader(store), DAY, Segment()))
    known: dict[str, Any] = {"rules": RULES, "told": None, "health": a_health(), "sees_people": True, **facts}
    return {item.name: item for item in scorecard(seen, **known)}


@pytest.mark.parametrize(("number", "state"), [(20, "met"), (19, "met"), (18, "partly"), (10, "partly"), (9, "open")])
def test_a_label_is_relied_on_when_nineteen_of_twenty_calls_have_it(
    store: duckdb.DuckDBPyConnection, number: int, state: str
) -> None:
    found = items(store, *(a_call(feature="chat" if place < number else None) for place in range(20)))
    assert found["with_feature"].state == state
    assert found["with_feature"].said == f"{number / 20:.1%} of calls name their feature."


def test_of_money_one_call_in_a_thousand_may_be_missing(store: duckdb.DuckDBPyConnection) -> None:
    found = items(store, *(a_call() for _ in range(998)), a_call(cost_usd=None), a_call(cost_status="partial"))
    assert (found["prices_known"].state, found["prices_known"].said) == ("partly", "99.8% of calls have a whole price.")


def test_calls_that_never_were_billed_miss_no_price(store: duckdb.DuckDBPyConnection) -> None:
    found = items(store, a_call(), a_call(status="error", cost_usd=None, billed=False))
    assert found["prices_known"].state == "met"


def test_a_user_who_is_an_address_is_open_and_shown_to_an_admin_only(store: duckdb.DuckDBPyConnection) -> None:
    call = a_call(user_id="ann@example.com")
    assert items(store, call)["users_hashed"].state == "open"
    assert items(store, sees_people=False)["users_hashed"].state == "unknown"


@pytest.mark.parametrize(
    ("health", "state"),
    [
        (a_health(), "met"),
        (a_health("https://[::1]:4318"), "met"),
        (a_health("https://0.0.0.0:4318", token=True), "met"),
        (a_health("http://10.0.0.7:4318"), "open"),
        (a_health("http://127.evil.example:4318"), "open"),
        (None, "unknown"),
    ],
)
def test_a_collector_is_closed_on_loopback_or_by_tokens(
    store: duckdb.DuckDBPyConnection, health: Health | None, state: str
) -> None:
    assert items(store, health=health)["collector_closed"].state == state


def test_what_is_tried_again_is_told_from_what_is_given_up(store: duckdb.DuckDBPyConnection) -> None:
    """Three calls met a limit: one was saved, one failed after three attempts, one was given up at once."""
    found = items(
        store,
        a_call(attempts=2),
        a_call(status="error", http_status=429, attempts=3),
        a_call(status="error", http_status=529, attempts=1),
        a_call(),
    )
    assert found["retries"].state == "partly"
    assert found["retries"].said.startswith("66.7% of calls that met")


def test_rules_that_are_on_are_met_and_the_others_open(store: duckdb.DuckDBPyConnection) -> None:
    found = items(store)
    assert (found["rule_daily_cost"].state, found["rule_p95_latency"].state) == ("met", "open")
    assert items(store, rules=())["rule_daily_cost"].state == "unknown"


def test_alerts_reach_people_once_a_message_was_sent(store: duckdb.DuckDBPyConnection) -> None:
    assert told_at(LocalReader(store)) is None
    assert items(store)["alerts_arrive"].state == "unknown"
    assert items(store, told=NOON)["alerts_arrive"].said == "The last one arrived on 2026-11-20."


def test_what_comes_late_or_gets_lost_is_told(store: duckdb.DuckDBPyConnection) -> None:
    late = a_call(received_at=NOON + timedelta(seconds=31))
    found = items(store, late, health=a_health(lost=3))
    assert (found["calls_come_in_time"].state, found["nothing_lost"].state) == ("partly", "open")
    assert found["calls_come_in_time"].said == "95 of 100 calls had come in 30.0 s after they ended."


def test_without_calls_nothing_about_them_is_guessed(store: duckdb.DuckDBPyConnection) -> None:
    found = items(store)
    assert {found[name].state for name in ("with_user", "prices_known", "retries", "headroom", "keys_named")} == {
        "unknown"
    }


def test_a_tick_is_the_newest_of_its_name(store: duckdb.DuckDBPyConnection) -> None:
    log, reader = TickLog(store), LocalReader(store)
    assert not any(tick.done for tick in ticked(reader))
    for done in (True, False, True):
        log({"name": "load_tested", "done": done})
    log({"name": "of_an_older_version", "done": True})
    assert [tick.name for tick in ticked(reader) if tick.done] == ["load_tested"]
    assert len(ticked(reader)) == sum(map(len, BY_HAND.values()))
    assert next(tick for tick in ticked(reader) if tick.done).at is not None


def test_shares_are_by_whole_calls(store: duckdb.DuckDBPyConnection) -> None:
    """What is nearly all does not read 100 %."""
    calls = [a_call(feature="chat", cost_usd=Decimal("0.006")) for _ in range(2000)]
    assert items(store, *calls, a_call(feature=None))["with_feature"].said.startswith("More than 99.9% of calls")
