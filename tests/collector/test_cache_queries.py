"""What the prompt cache saves, where it fails, and how long it should live."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from claude_telemetry_collector.decode import LandedCall
from claude_telemetry_collector.queries import Reading, Segment, Window, readings
from claude_telemetry_collector.queries.cache import Cause, cache_misses, prefixes
from claude_telemetry_collector.store import LocalReader
from tests.support.calls import NOON, a_call, land

DAY = Window(NOON - timedelta(hours=2), NOON + timedelta(hours=12))
ALL = Segment()

# Sonnet 5.5, USD per million tokens.
INPUT, READ, WRITE_5M, WRITE_1H, OUTPUT = (Decimal(rate) for rate in ("2", "0.1", "2.5", "4", "10"))


def cached(
    minutes: float = 0, marks: str = "", *, read: int = 0, written: int = 0, written_1h: int = 0, **facts: Any
) -> LandedCall:
    """A call of Sonnet 5.5 with its cost by line: 1000 tokens of plain input, 400 of output, and these of the cache."""
    lines = {
        "input": 1000 * INPUT,
        "output": 400 * OUTPUT,
        "cache_read": read * READ,
        "cache_write_5m": (written - written_1h) * WRITE_5M,
        "cache_write_1h": written_1h * WRITE_1H,
    }
    dollars = {line: format(amount / 10**6, "f") for line, amount in lines.items() if amount}
    known: dict[str, Any] = {
        "started_at": NOON + timedelta(minutes=minutes),
        "cache_fingerprints": marks or None,
        "cache_read_tokens": read,
        "cache_write_tokens": written,
        "cache_write_5m_tokens": written - written_1h,
        "cache_write_1h_tokens": written_1h,
        "cost_usd": sum(lines.values()) / 10**6,
        "cost_breakdown": json.dumps(dollars),
        "inference_geo": "global",
        "feature": "chat",
    }
    return a_call(**(known | facts))


def read(store: duckdb.DuckDBPyConnection, *calls: LandedCall) -> dict[str, Reading]:
    land(store, calls)
    names = ["cache_saved_usd", "cache_premium_usd", "cache_net_saving_usd", "cache_hit_calls_ratio"]
    return readings(LocalReader(store), names, DAY, ALL)


def test_reads_save_and_writes_cost_by_what_input_cost_on_the_same_call(store: duckdb.DuckDBPyConnection) -> None:
    # A million read: 2 USD less 0.10. Written: 100,000 at 0.50 more a million, and 100,000 for an hour at 2 more.
    found = read(store, cached(read=1_000_000), cached(written=200_000, written_1h=100_000), cached())

    assert found["cache_saved_usd"] == Reading("cache_saved_usd", Decimal("1.9"), calls=2, unknown=0)
    assert found["cache_premium_usd"].value == Decimal("0.05") + Decimal("0.2")
    assert found["cache_net_saving_usd"].value == Decimal("1.65")


def test_a_batch_saves_half_as_much(store: duckdb.DuckDBPyConnection) -> None:
    half = {"input": "0.001", "output": "0.002", "cache_read": "0.05"}
    found = read(store, cached(read=1_000_000, cost_breakdown=json.dumps(half), custom_id="one", batch_id="b"))

    assert found["cache_net_saving_usd"].value == Decimal("0.95")


@pytest.mark.parametrize(
    "facts",
    [
        {"cost_breakdown": None},
        {"cost_usd": None, "cost_status": "unknown"},
        {"cost_status": "partial"},
        {"input_tokens": 0},
        {"input_tokens": 999},
        {"hops": json.dumps([{"model": "claude-opus-5-5"}])},
        {"usage": json.dumps({"iterations": [{"type": "compaction"}]})},
    ],
)
def test_a_saving_is_unknown_where_nobody_knows_what_a_token_of_input_cost(
    store: duckdb.DuckDBPyConnection, facts: dict[str, Any]
) -> None:
    found = read(store, cached(read=1_000_000, **facts))["cache_net_saving_usd"]

    assert (found.value, found.calls, found.unknown) == (None, 1, 1)


def test_calls_that_read_anything_are_a_share_of_all_whose_input_is_known(store: duckdb.DuckDBPyConnection) -> None:
    calls = [cached(read=1), cached(written=5), cached(), cached(read=9), cached(input_tokens=None)]
    assert read(store, *calls)["cache_hit_calls_ratio"] == Reading("cache_hit_calls_ratio", 0.5, calls=5, unknown=1)


def test_a_prefix_is_told_by_its_uses_its_waste_and_the_life_it_should_have(store: duckdb.DuckDBPyConnection) -> None:
    land(
        store,
        [
            cached(0, "aa", written=1000),
            cached(1, "aa", read=1000),
            cached(10, "aa", written=1000),
            cached(30, "aa", written=1000),
            cached(200, "aa", written=1000),
            a_call(started_at=NOON + timedelta(hours=10)),
        ],
    )

    found = prefixes(LocalReader(store), DAY, ALL)

    (prefix,) = found.shown
    assert (prefix.head, prefix.model, prefix.feature) == ("aa", "claude-sonnet-5-5", "chat")
    assert (prefix.calls, prefix.reading, prefix.read_tokens, prefix.written_tokens) == (5, 1, 1000, 4000)
    # Saved 1000 × 1.90, paid 4000 × 0.50, of a million each. The first write was read, the others were not.
    assert prefix.net_usd == Decimal("0.0019") - Decimal("0.002")
    assert (prefix.wasted_tokens, prefix.wasted_usd, prefix.undecided_tokens) == (3000, Decimal("0.0015"), 0)
    assert (prefix.gaps_5m, prefix.gaps_1h, prefix.gaps_longer) == (1, 2, 1)
    # A write costs 0.50 more, a read saves 1.90.
    assert prefix.reads_needed == pytest.approx(Decimal("0.5") / Decimal("1.9"))
    assert prefix.reads_had == Decimal("0.25")
    # For an hour: two writes become reads, 2000 × (2.50 − 0.10), and the other two cost 2000 × (4 − 2.50) more.
    assert (prefix.life, prefix.other_life_saves_usd) == ("5m", Decimal("0.0048") - Decimal("0.003"))
    assert (found.in_all, found.wasted_usd, found.written_tokens) == (1, Decimal("0.0015"), 4000)


def test_an_hour_is_too_long_for_what_is_used_every_minute(store: duckdb.DuckDBPyConnection) -> None:
    uses = [cached(minute, "aa", read=1000) for minute in range(1, 10)]
    land(store, [cached(0, "aa", written=1000, written_1h=1000), *uses])

    (prefix,) = prefixes(LocalReader(store), DAY, ALL).shown

    # 1000 × (4 − 2.50), and no read came later than five minutes.
    assert (prefix.life, prefix.other_life_saves_usd) == ("1h", Decimal("0.0015"))


def test_a_mark_that_moves_on_with_the_conversation_wastes_nothing(store: duckdb.DuckDBPyConnection) -> None:
    land(
        store,
        [
            cached(0, "aa,b1", written=5000),
            cached(1, "aa,b2", read=5000, written=200),
            cached(2, "aa,b3", read=5200, written=300),
            a_call(started_at=NOON + timedelta(hours=10)),
        ],
    )

    found = prefixes(LocalReader(store), DAY, ALL)

    # Nobody came back for what the last turn wrote.
    assert (found.in_all, found.wasted_tokens) == (1, 300)


def test_what_was_written_just_now_may_still_be_read(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [cached(0, "aa", written=700), cached(4, "bb", written=80, written_1h=80)])

    found = prefixes(LocalReader(store), DAY, ALL)

    assert (found.wasted_tokens, found.undecided_tokens) == (0, 780)


def test_another_models_cache_is_another_cache(store: duckdb.DuckDBPyConnection) -> None:
    opus: dict[str, Any] = {"model": "claude-opus-5-5", "request_model": "claude-opus-5-5"}
    land(store, [cached(0, "aa", written=700), cached(1, "aa", read=700, **opus), cached(300)])

    assert {prefix.model: prefix.wasted_tokens for prefix in prefixes(LocalReader(store), DAY, ALL).shown} == {
        "claude-sonnet-5-5": 700,
        "claude-opus-5-5": 0,
    }


def test_a_prefix_without_a_price_has_tokens_and_no_dollars(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [cached(0, "aa", written=700, model="unheard-of", cost_usd=None, cost_status="unknown"), cached(300)])

    (prefix,) = prefixes(LocalReader(store), DAY, ALL).shown

    assert (prefix.unknown, prefix.written_tokens, prefix.net_usd) == (1, 700, Decimal(0))
    assert prefix.reads_needed is None


def test_only_the_newest_calls_are_compared_and_it_is_said_since_when(
    store: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("claude_telemetry_collector.queries.cache.marked.MOST_CALLS", 3)
    land(store, [cached(60 * hour, f"a{hour}", written=10) for hour in range(6)])

    found = prefixes(LocalReader(store), DAY, ALL)

    assert (found.looked_at.calls, found.looked_at.of_calls, found.in_all) == (3, 6, 3)
    # Of 300 slices of the window, the one that the fourth call began in is the oldest that fits.
    assert NOON + timedelta(hours=2) < found.looked_at.window.start <= NOON + timedelta(hours=3)


TOOLS: dict[str, Any] = {"tools_fingerprint": "t1"}
SYSTEM: dict[str, Any] = {"system_fingerprint": "s1"}


@pytest.mark.parametrize(
    ("cause", "before", "missed"),
    [
        ("too_late", cached(0, "aa", written=10), cached(6, "aa", written=10)),
        ("meanwhile", cached(0, "aa", written=10, duration_ms=90_000), cached(1, "aa", written=10)),
        ("another_model", cached(0, "aa", written=10, model="claude-opus-5-5"), cached(1, "aa", written=10)),
        ("tools_changed", cached(0, "aa", read=10, **TOOLS), cached(1, "bb", written=10, tools_fingerprint="t2")),
        (
            "system_changed",
            cached(0, "aa", read=10, **TOOLS, **SYSTEM),
            cached(1, "bb", written=10, **TOOLS, system_fingerprint="s2"),
        ),
        ("messages_changed", cached(0, "aa", read=10, **SYSTEM), cached(1, "bb", written=10, **SYSTEM)),
        ("first", cached(0, "aa", read=10, feature="search"), cached(1, "bb", written=10)),
        ("first", cached(0, "aa", read=10, feature=None), cached(1, "bb", written=10, feature=None)),
        ("not_cached", cached(0, "aa", read=10), cached(1, "bb")),
        ("unexplained", cached(0, "aa", written=10), cached(1, "aa", written=10)),
    ],
)
def test_each_miss_has_its_cause(
    store: duckdb.DuckDBPyConnection, cause: str, before: LandedCall, missed: LandedCall
) -> None:
    land(store, [before, missed])
    later = Window(NOON + timedelta(seconds=1), DAY.end)

    found = cache_misses(LocalReader(store), later, ALL)

    written = missed.record.call.cache_write_tokens or 0
    # What was written anew, at what that cost more than to read it: 2.50 less 0.10.
    usd = Decimal("2.4") * written / 10**6
    assert found.causes == (Cause(name=cause, calls=1, written_tokens=written, usd=usd, unknown=0),)
    assert found.calls == 1


@pytest.mark.parametrize(
    ("after", "lost"),
    [
        ({"read": 1000, "written": 500}, 500),  # 4,000 more were there, and so much was written again
        ({"read": 1000, "written": 4500}, 4000),  # 500 are new
        ({"read": 5000, "written": 300}, 0),  # the conversation went on
        ({"read": 1000, "written": 500, "session_id": "t"}, 0),  # another one
        ({"read": 1000, "written": 500, "minutes": 6}, 0),  # too late for what follows the beginning
        ({"read": 1000}, 0),  # it asked for no more
    ],
)
def test_a_conversation_that_is_changed_in_its_middle_misses_what_follows(
    store: duckdb.DuckDBPyConnection, after: dict[str, Any], lost: int
) -> None:
    known: dict[str, Any] = {"session_id": "s", "minutes": 1, **after}
    second = cached(marks="aa,b2", **known)
    land(store, [cached(0, "aa,b1", read=1000, written=4000, session_id="s"), second])

    causes = cache_misses(LocalReader(store), DAY, ALL).causes

    assert [(cause.name, cause.written_tokens, cause.usd) for cause in causes] == (
        [("rest_changed", lost, Decimal("2.4") * lost / 10**6)] if lost else []
    )


def test_a_call_that_read_something_missed_nothing(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [cached(0, "aa,b1", read=10, written=10), cached(1, "aa", written=5, input_tokens=None)])

    found = cache_misses(LocalReader(store), DAY, ALL)

    assert (found.causes, found.calls) == ((), 1)


def test_without_marks_there_is_nothing_to_compare(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [cached(0, read=10), a_call()])

    assert prefixes(LocalReader(store), DAY, ALL).shown == ()
    assert cache_misses(LocalReader(store), DAY, ALL).calls == 0
