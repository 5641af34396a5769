"""The page about money: what was spent, on what, for one of each, and what if."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from claude_telemetry_collector.queries import Reading, RuleState, Segment, Window
from claude_telemetry_collector.queries.cost import UnitCost
from claude_telemetry_collector.queries.cost_split import Split
from claude_telemetry_collector.queries.what_if import Change
from claude_telemetry_dashboard import filters
from claude_telemetry_dashboard.panels import cost_charts, held_against_bill, imagined
from claude_telemetry_dashboard.views import cost
from tests.dashboard.conftest import Store
from tests.support.calls import NOON, a_call
from tests.support.pages import Pages

OpenPage = Callable[..., Pages]

HOSTILE = ("<script>alert(1)</script>", "**bold**", ":red[x]", "$x$", "[a](javascript:alert(1))", "' OR 1=1 --")

SONNET: dict[str, Any] = {
    "usage": json.dumps({"input_tokens": 1000, "output_tokens": 400, "inference_geo": "global"}),
    "cost_breakdown": json.dumps({"input": "0.002", "output": "0.004"}),
}
"""What is kept of a call of 0.006 USD beside its counts."""


def ago(**length: float) -> datetime:
    return datetime.now(UTC) - timedelta(**length)


def test_without_calls_it_says_what_to_paste(open_page: OpenPage) -> None:
    page = open_page("cost")

    assert "claude_telemetry.instrument" in page.test.code[0].value
    assert not list(page.test.metric)


def test_it_says_what_was_spent_and_what_one_of_each_costs(store: Store, open_page: OpenPage) -> None:
    store.land(
        a_call(started_at=ago(minutes=9), user_id="ann", session_id="s1", **SONNET),
        a_call(started_at=ago(minutes=8), user_id="ann", session_id="s2", **SONNET),
        a_call(started_at=ago(minutes=7), user_id="ann", session_id="s3", cost_usd=None, cost_status="unknown"),
    )

    page = open_page("cost")

    assert page.texts[0] == (
        "At least $0.012 spent in the last 24 hours; $0.006 a call. Not all of it: 1 call unpriced."
    )
    assert {metric.label: metric.value for metric in page.test.metric} == {
        "Cost": "≥ \\$0.012",
        "Cost per request": "\\$0.006",
        "Cost per 1k output": "\\$0.015",
        "Cost per user": "\\$0.012",
        "Cost per session": "\\$0.006",
    }


def test_it_is_told_apart_by_two_things_that_the_url_names(store: Store, open_page: OpenPage) -> None:
    store.land(
        a_call(started_at=ago(minutes=9), feature="chat", tags='{"team": "red"}', cost_usd=Decimal(3)),
        a_call(started_at=ago(minutes=9), feature="chat", tags='{"team": "blue"}', cost_usd=Decimal(1)),
        a_call(started_at=ago(minutes=9), feature="search", cost_usd=None),
    )

    page = open_page("cost", by="Feature", then="tag:team")

    spent = next(table for table in page.tables if "cost_per_request_usd" in table)
    assert (spent["feature"], spent["tag:team"][:2]) == (["chat", "chat", "search"], ["red", "blue"])
    assert (spent["cost_usd"][:2], spent["share"][:2]) == ([Decimal(3), Decimal(1)], [0.75, 0.25])
    assert spent["cost_usd_unpriced"] == [0, 0, 1]


def test_filters_change_what_was_spent(store: Store, open_page: OpenPage) -> None:
    store.land(
        a_call(started_at=ago(minutes=9), feature="chat", cost_usd=Decimal(3)),
        a_call(started_at=ago(minutes=9), feature="search", cost_usd=Decimal(1)),
    )

    page = open_page("cost", feature="search")

    assert page.tile("Cost") == "\\$1.00"


def test_a_link_may_name_what_nothing_can_be_told_apart_by(store: Store, open_page: OpenPage) -> None:
    store.land(a_call(started_at=ago(minutes=9)))

    page = open_page("cost", by="cost_usd; DROP TABLE calls", then="tag:'; --")

    assert any("model" in table for table in page.tables)
    assert not page.test.exception


def test_another_model_is_priced_on_the_page(store: Store, open_page: OpenPage) -> None:
    store.land(a_call(started_at=ago(minutes=9), **SONNET))

    page = open_page("cost", **{"if-model": "claude-haiku-5-5"})

    compared = next(table for table in page.tables if "then" in table)
    # Haiku 5.5: 0.10 for a million of input, 0.50 for a million of output.
    assert (compared["now"], compared["then"]) == ([Decimal("0.006")], [Decimal("0.0003")])
    assert "$0.006 as it was, $0.0003 with the change: -95%." in page.texts


def test_what_a_change_leaves_as_it_is_and_takes_for_granted_is_listed(store: Store, open_page: OpenPage) -> None:
    store.land(
        a_call(started_at=ago(minutes=9), stream=True, **SONNET),
        a_call(started_at=ago(minutes=9), cost_usd=None, cost_status="unknown", cost_flags="model_unknown"),
    )

    page = open_page("cost", **{"if-batch": "true"})

    listed = next(caption.value for caption in page.test.caption if "Assumed" in str(caption.value))
    assert listed == (
        "- 1 call stays as it is (streamed: somebody waits for them).\n"
        "- 1 call left out (their usage was not kept).\n"
        "- Assumed: Calls that were not streamed can wait up to a day, and miss no more of the cache for it."
    )


def test_more_calls_than_a_page_can_price_are_left_to_the_command_line(
    store: Store, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imagined, "MOST_CALLS", 0)
    store.land(a_call(started_at=ago(minutes=9), **SONNET))

    page = open_page("cost", **{"if-cache": "No cache"})

    assert f"claude-telemetry what-if --since {ago(days=1):%Y-%m-%d} --cache-ttl none" in page.said


def test_the_command_asks_for_what_was_chosen() -> None:
    window = Window(NOON - timedelta(days=2), NOON)
    chosen = filters.Chosen(
        window=window, before=window, segment=Segment(feature="it's"), step=timedelta(hours=1), words="lately"
    )
    change = Change(model="claude-haiku-5-5", batch=True)

    assert imagined.command(change, chosen) == (
        "claude-telemetry what-if --since 2026-11-18 --to claude-haiku-5-5 --batch --feature 'it'\"'\"'s'"
    )


def test_attack_strings_are_shown_as_text(store: Store, open_page: OpenPage) -> None:
    store.land(
        *(a_call(started_at=ago(minutes=9), model=name, feature=name, user_id=name, cost_usd=None) for name in HOSTILE)
    )

    page = open_page("cost", by="Feature", then="Model")

    spent = next(table for table in page.tables if "cost_per_request_usd" in table)
    assert sorted(spent["feature"]) == sorted(HOSTILE)
    for kind, given in page.rendered_markdown():
        assert not any(name in given for name in HOSTILE), kind


def spent(value: str | None, unknown: int = 0, name: str = "cost_usd") -> Reading:
    return Reading(name, None if value is None else Decimal(value), calls=10, unknown=unknown, unpriced=unknown)


def readings(
    cost_usd: str | None, net: str | None = None, each: str | None = None, unknown: int = 0
) -> dict[str, Reading]:
    return {
        "requests": Reading("requests", 10, calls=10, unknown=0),
        "cost_usd": spent(cost_usd, unknown),
        "net_cost_usd": spent(net or cost_usd, unknown, "net_cost_usd"),
        "cost_per_request_usd": spent(each, unknown, "cost_per_request_usd"),
    }


@pytest.mark.parametrize(
    ("now", "before", "said"),
    [
        (readings("2", each="0.2"), readings("1"), "$2.00 spent today, +100% on the period before; $0.20 a call."),
        (readings("2", net="1.5"), readings(None), "$2.00 spent today at list price, $1.50 after discounts."),
        (readings(None, unknown=10), readings("1"), "What 10 calls today cost is not known."),
    ],
)
def test_what_was_spent_is_one_sentence(now: dict[str, Reading], before: dict[str, Reading], said: str) -> None:
    assert cost.sentence(now, before, "today") == said


def test_an_estimated_number_of_users_is_told_as_one() -> None:
    facts: dict[str, Any] = {"unit": "user", "units": 300_000, "calls": 9, "unpriced": 2, "unnamed": 1}
    now = UnitCost(usd=Decimal("0.5"), is_exact=False, **facts)

    tile = cost.unit_tile(now, UnitCost(usd=Decimal("0.4"), is_exact=True, **facts))

    assert (tile.value, tile.delta, tile.judgement) == ("≈ \\$0.50", "+25%", "inverse")
    assert "about 300k of them" in tile.help
    assert "1 calls name no user" in tile.help


def test_the_bars_of_a_split_are_its_lines_and_the_rest() -> None:
    parts = Split(
        lines={"input": Decimal(1), "output": Decimal(6)},
        cost=spent("10"),
        not_split_usd=Decimal(3),
        not_split_calls=2,
    )

    drawing = cost_charts.split(parts)

    assert drawing is not None
    assert [(row["group"], row["value"], row["share"]) for row in drawing.table.to_pylist()] == [
        ("Output", 6.0, 0.6),
        ("Not split", 3.0, 0.3),
        ("Uncached input", 1.0, 0.1),
    ]


def test_no_cost_is_no_chart() -> None:
    nothing = Split(lines={}, cost=spent(None), not_split_usd=Decimal(0), not_split_calls=0)
    empty = pa.table({"bucket": pa.array([], pa.timestamp("us")), "label": pa.array([], pa.string())})

    assert cost_charts.split(nothing) is None
    assert cost_charts.over_time(empty, Window(NOON, NOON + timedelta(hours=1)), timedelta(minutes=1)) is None


def a_rule(value: Decimal | None) -> RuleState:
    return RuleState(
        rule="bill_coverage",
        title="Coverage",
        metric="bill_coverage_ratio",
        segment={},
        window_s=None,
        direction="below",
        threshold=Decimal("0.95"),
        min_calls=0,
        value=value,
        calls=1,
        unknown=0,
        state="within",
        looked_at=NOON,
    )


@pytest.mark.parametrize(
    ("days", "rules", "said"),
    [
        (0, (), "Nothing of the bill has been pulled yet, so nobody knows what telemetry has not seen."),
        (
            1,
            (a_rule(None),),
            "The bill was pulled 3 h ago, 1 day of it; it has not been compared with the calls yet.",
        ),
        (
            7,
            (a_rule(Decimal("0.983")),),
            "The bill was pulled 3 h ago, 7 days of it: telemetry has seen 98.3% of the billed tokens.",
        ),
    ],
)
def test_it_says_how_much_of_the_bill_telemetry_has_seen(days: int, rules: tuple[RuleState, ...], said: str) -> None:
    pulled_at = NOON - timedelta(hours=3) if days else None
    assert held_against_bill.in_words(days, pulled_at, rules, NOON) == said
