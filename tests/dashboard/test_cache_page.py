"""The page about the prompt cache: whether it pays, where it fails, how long it should live."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from claude_telemetry_collector.decode import LandedCall
from claude_telemetry_collector.queries import Reading, Window
from claude_telemetry_collector.queries.cache import Cause, LookedAt, Misses, Prefix, Prefixes
from claude_telemetry_dashboard.panels import cache_charts, cache_prefixes
from claude_telemetry_dashboard.views import cache
from tests.dashboard.conftest import Store
from tests.support.calls import NOON, a_call
from tests.support.pages import Pages

OpenPage = Callable[..., Pages]

HOSTILE = ("<script>alert(1)</script>", "**bold**", ":red[x]", "$x$", "[a](javascript:alert(1))", "' OR 1=1 --")


def ago(**length: float) -> datetime:
    return datetime.now(UTC) - timedelta(**length)


def cached(minutes: float, *, read: int = 0, written: int = 0, **facts: Any) -> LandedCall:
    """A call of Sonnet 5.5 at 2 USD a million of input, 0.10 of reads, 2.50 of writes for five minutes."""
    lines = {"input": 2000, "output": 4000, "cache_read": read // 10, "cache_write_5m": written * 5 // 2}
    known: dict[str, Any] = {
        "started_at": ago(minutes=minutes),
        "cache_read_tokens": read,
        "cache_write_tokens": written,
        "cost_breakdown": json.dumps({line: f"{Decimal(amount) / 10**6:f}" for line, amount in lines.items()}),
        "cost_usd": Decimal(sum(lines.values())) / 10**6,
        "inference_geo": "global",
        "cache_fingerprints": "aa",
        "feature": "chat",
    }
    return a_call(**(known | facts))


def test_without_calls_it_says_what_to_paste(open_page: OpenPage) -> None:
    page = open_page("cache")

    assert "claude_telemetry.instrument" in page.test.code[0].value
    assert not list(page.test.metric)


def test_without_a_cache_it_says_what_would_help(store: Store, open_page: OpenPage) -> None:
    store.land(a_call(started_at=ago(minutes=9)))

    page = open_page("cache")

    assert page.texts == ["The prompt cache was not used in the last 24 hours."]
    assert "`cache_control`" in page.said


def test_it_says_what_the_cache_saves(store: Store, open_page: OpenPage) -> None:
    # Reads saved 1.90 a million, writes cost 0.50 a million on top.
    store.land(cached(20, written=100_000), cached(19, read=100_000), cached(18, read=100_000), cached(500))

    page = open_page("cache")

    assert page.texts[0] == (
        "The prompt cache saved $0.33 in the last 24 hours: $0.38 by reads, less $0.05 for writes. 65.8% of all input "
        "was read from it."
    )
    assert {metric.label: metric.value for metric in page.test.metric} == {
        "Net cache saving": "\\$0.33",
        "Saved by reads": "\\$0.38",
        "Paid for writes": "\\$0.05",
        "Cache hit rate": "65.8%",
        "Hit rate by calls": "50.0%",
    }
    by_prefix = next(table for table in page.tables if "reads_needed" in table)
    assert (by_prefix["name"], by_prefix["reads_had"]) == (["chat"], [2.0])
    assert by_prefix["net_usd"] == [Decimal("0.33")]


def test_filters_change_what_it_saves(store: Store, open_page: OpenPage) -> None:
    store.land(cached(20, read=100_000), cached(19, read=1_000_000, feature="search"))

    assert open_page("cache", feature="chat").tile("Saved by reads") == "\\$0.19"


def test_a_miss_is_shown_with_its_cause(store: Store, open_page: OpenPage) -> None:
    store.land(cached(30, written=1000), cached(20, written=1000))

    page = open_page("cache")

    assert "2 of 2 calls with cache marks read nothing (100%)." in page.texts
    causes = next(table for table in page.tables if "why" in table)
    assert causes["why"] == [
        "the first of its prompt or feature in the time looked at, or it names neither",
        "the same was there, but its time had passed",
    ]


def test_a_saving_of_which_nothing_is_known_is_no_zero(store: Store, open_page: OpenPage) -> None:
    store.land(cached(20, read=100_000, model="unheard-of", cost_usd=None, cost_status="unknown", cost_breakdown=None))

    page = open_page("cache")

    assert page.texts[0].startswith("What the prompt cache saved in the last 24 hours is not known.")
    assert page.tile("Net cache saving") == "—"


def test_attack_strings_are_shown_as_text(store: Store, open_page: OpenPage) -> None:
    store.land(
        *(
            cached(20, read=100_000, model=name, feature=name, prompt_name=name, cache_fingerprints=name)
            for name in HOSTILE
        )
    )

    page = open_page("cache", by="Feature", then="tag:<b>")

    by_feature = next(table for table in page.tables if "cache_net_saving_usd" in table)
    assert sorted(by_feature["feature"]) == sorted(HOSTILE)
    for kind, given in page.rendered_markdown():
        assert not any(name in given for name in HOSTILE), kind


def a_prefix(**facts: Any) -> Prefix:
    known: dict[str, Any] = {
        "head": "0123456789abcdef",
        "model": "claude-sonnet-5-5",
        "feature": "chat",
        "prompt_name": None,
        "calls": 10,
        "reading": 9,
        "read_tokens": 9000,
        "written_tokens": 1000,
        "net_usd": Decimal(1),
        "wasted_usd": Decimal(0),
        "wasted_tokens": 0,
        "undecided_tokens": 0,
        "reads_needed": Decimal("0.26"),
        "gaps_5m": 9,
        "gaps_1h": 0,
        "gaps_longer": 0,
        "life": "5m",
        "other_life_saves_usd": Decimal(-1),
        "unknown": 0,
    }
    return Prefix(**(known | facts))


def all_of(*shown: Prefix, calls: int = 10, of_calls: int = 10, **facts: Any) -> Prefixes:
    known: dict[str, Any] = {
        "wasted_usd": Decimal(0),
        "wasted_tokens": 0,
        "written_tokens": 1000,
        "undecided_tokens": 0,
        "unknown": 0,
    }
    seen = LookedAt(window=Window(NOON, NOON + timedelta(hours=1)), calls=calls, of_calls=of_calls)
    return Prefixes(shown=shown, in_all=len(shown), looked_at=seen, **(known | facts))


def test_advice_is_what_saves_most_first() -> None:
    found = all_of(
        a_prefix(),
        a_prefix(other_life_saves_usd=Decimal(2)),
        a_prefix(prompt_name="p", life="1h", other_life_saves_usd=Decimal(3)),
        a_prefix(feature=None, net_usd=Decimal(-7)),
        a_prefix(other_life_saves_usd=Decimal("0.001")),
    )

    assert cache_prefixes.advice(found) == [
        "01234567 on claude-sonnet-5-5: caching it cost $7.00 more than it saved. Take the mark off, or move it.",
        "p on claude-sonnet-5-5: let it live 5 minutes in place of 1 hour, which would have saved about $3.00.",
        "chat on claude-sonnet-5-5: let it live 1 hour in place of 5 minutes, which would have saved about $2.00.",
    ]


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({}, "0% of 1,000 written tokens were read by nobody while they lived."),
        (
            {"wasted_tokens": 250, "wasted_usd": Decimal("0.5"), "undecided_tokens": 30, "unknown": 1},
            (
                "25.0% of 1,000 written tokens were read by nobody while they lived, and cost $0.50 more than plain "
                "input; 30 more are so new that they may still be read. The price is not known of 1 call."
            ),
        ),
        ({"written_tokens": 0}, "Nothing was written to the cache."),
    ],
)
def test_what_was_written_in_vain_is_a_share_with_its_price(facts: dict[str, Any], said: str) -> None:
    assert cache_prefixes.waste(all_of(a_prefix(), **facts)) == said


def test_misses_are_told_whole_and_in_part() -> None:
    facts: dict[str, Any] = {"written_tokens": 1, "usd": Decimal(1), "unknown": 0}
    causes = (Cause(name="too_late", calls=3, **facts), Cause(name="rest_changed", calls=2, **facts))
    seen = all_of().looked_at

    assert cache_prefixes.missed(Misses(causes=causes, calls=20, looked_at=seen)) == (
        "3 of 20 calls with cache marks read nothing (15.0%), 2 less than was there."
    )
    assert cache_prefixes.missed(Misses(causes=(), calls=1, looked_at=seen)) == (
        "0 of 1 call with cache marks read nothing."
    )


def test_where_not_all_calls_were_compared_it_is_said() -> None:
    assert cache_prefixes.since(all_of(calls=10, of_calls=10).looked_at) == ""
    assert cache_prefixes.since(all_of(calls=50, of_calls=900).looked_at) == (
        "The newest 50 of 900 calls with cache marks, since 2026-11-20 12:00:00 UTC."
    )


@pytest.mark.parametrize(
    ("net", "said"),
    [
        (Decimal(3), "The prompt cache saved $3.00 today: $4.00 by reads, less $1.00 for writes."),
        (Decimal(-3), "The prompt cache cost $3.00 more than it saved today: $4.00 by reads, less $1.00 for writes."),
    ],
)
def test_whether_it_pays_is_one_sentence(net: Decimal, said: str) -> None:
    now = {
        name: Reading(name, value, calls=1, unknown=0)
        for name, value in {
            "cache_net_saving_usd": net,
            "cache_saved_usd": Decimal(4),
            "cache_premium_usd": Decimal(1),
            "cache_hit_ratio": None,
            "cache_read_tokens": 5,
            "cache_write_tokens": 0,
        }.items()
    }
    assert cache.sentence(now, "today") == said


def test_what_writes_cost_is_drawn_below_the_line() -> None:
    kind = pa.decimal128(38, 12)
    course = pa.table(
        {
            "bucket": pa.array([NOON.replace(tzinfo=None)], pa.timestamp("us")),
            "cache_saved_usd": pa.array([Decimal(4)], kind),
            "cache_premium_usd": pa.array([Decimal(1)], kind),
        }
    )
    window, step = Window(NOON, NOON + timedelta(hours=2)), timedelta(hours=1)

    drawing = cache_charts.saving(course, window, step)

    assert drawing is not None
    assert [(row["group"], row["value"]) for row in drawing.table.to_pylist() if row["value"]] == [
        ("Saved by reads", 4.0),
        ("Paid on top for writes", -1.0),
    ]
    nothing = course.set_column(1, "cache_saved_usd", pa.array([None], kind))
    assert cache_charts.saving(nothing.set_column(2, "cache_premium_usd", pa.array([None], kind)), window, step) is None
