"""What is rolled up says what the calls say: whatever lands late, twice, better, or is changed, and whenever."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claude_telemetry_collector.decode import LandedCall
from claude_telemetry_collector.queries import (
    METRICS,
    Segment,
    Window,
    breakdown,
    choices,
    cost_per_day,
    errors_by_type,
    readings,
    series,
)
from claude_telemetry_collector.queries.metrics.metric import Percentile
from claude_telemetry_collector.queries.metrics.rolled import SHAPE
from claude_telemetry_collector.reprice.job import write_costs
from claude_telemetry_collector.store import LocalReader, Writer
from claude_telemetry_collector.store import rollups as rollups_module
from claude_telemetry_collector.store.masks import Masks
from claude_telemetry_collector.store.rolling import Rolling
from claude_telemetry_collector.store.rollups import Rollups, bin_of, value_of
from tests.support.calls import a_call, land
from tests.support.waiting import wait_until

COLLECTOR = Path(rollups_module.__file__).parents[1]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
WEEK = Window(NOW - 7 * DAY - timedelta(minutes=17), NOW)
TIMED = {
    name for name, metric in METRICS.items() if any(isinstance(part, Percentile) for part in metric.parts.values())
}
COURSE = ["requests", "total_tokens"]
EXACT = [name for name in METRICS if name not in TIMED]


class Spy:
    """A reader that remembers what it was asked."""

    def __init__(self, store: duckdb.DuckDBPyConnection, masks: Masks | None = None) -> None:
        self._reader = LocalReader(store, masks=masks)
        self.asked: list[str] = []
        self.before: Callable[[], None] = lambda: None

    def ask(self, sql: str, parameters: Any = None) -> pa.Table:
        if "FROM rolled_" in sql:
            self.before()
        self.asked.append(sql)
        return self._reader.ask(sql, parameters)

    @property
    def used_rollups(self) -> bool:
        return "FROM rolled_" in self.asked[-1]


@pytest.fixture
def rollups(store: duckdb.DuckDBPyConnection) -> Iterator[Rollups]:
    rolls = Rollups(store, SHAPE)
    yield rolls
    rolls.close()


def roll_all(rollups: Rollups) -> None:
    while rollups.roll(NOW):
        pass


def cost(reader: Spy) -> object:
    return readings(reader, ["cost_usd"], WEEK, Segment())["cost_usd"].value


def test_a_long_window_is_read_from_what_is_rolled_up(store: duckdb.DuckDBPyConnection, rollups: Rollups) -> None:
    reader = Spy(store)
    # One in each hour; the first lies before the window, and the last two in its ends.
    land(store, [a_call(started_at=WEEK.start - timedelta(minutes=1) + number * HOUR) for number in range(169)])
    assert cost(reader) == Decimal("0.006") * 168
    assert not reader.used_rollups

    roll_all(rollups)

    assert cost(reader) == Decimal("0.006") * 168
    assert reader.used_rollups
    # The hour that is not over is left, and its day.
    assert store.execute("SELECT DISTINCT hour FROM stale_hours").fetchall() == [(datetime(2026, 11, 20, 12),)]  # noqa: DTZ001
    assert store.execute("SELECT count(DISTINCT started_at) FROM rolled_days").fetchall() == [(7,)]


def test_what_lands_late_is_in_the_next_answer_and_rolled_up_soon(
    store: duckdb.DuckDBPyConnection, rollups: Rollups
) -> None:
    reader = Spy(store)
    land(store, [a_call(started_at=NOW - number * 6 * HOUR) for number in range(1, 13)])
    roll_all(rollups)
    land(store, [a_call(started_at=NOW - 3 * DAY, cost_usd=Decimal(5))])
    assert cost(reader) == Decimal("0.072") + 5
    assert reader.used_rollups, "only the hour that has changed is read from the calls"
    roll_all(rollups)
    assert cost(reader) == Decimal("0.072") + 5


def test_a_better_copy_and_another_price_change_the_answer_at_once(
    store: duckdb.DuckDBPyConnection, rollups: Rollups
) -> None:
    reader = Spy(store)
    ids: dict[str, Any] = {"trace_id": "a" * 32, "span_id": "b" * 16, "started_at": NOW - 3 * DAY}
    land(store, [a_call(**ids, whole=False, cost_usd=Decimal(1)), a_call(started_at=NOW - 4 * DAY)])
    roll_all(rollups)
    land(store, [a_call(**ids, whole=True, cost_usd=Decimal(2))])
    assert cost(reader) == Decimal("2.006")
    roll_all(rollups)
    number = store.execute("SELECT rowid FROM calls WHERE cost_usd = 2").fetchall()[0][0]
    row = {"row_number": number, "started_at": (NOW - 3 * DAY).replace(tzinfo=None)}
    unsaid = dict.fromkeys(("net_cost_usd", "cost_breakdown", "cost_flags", "price_version", "hops"))
    write_costs(store, [(row, {**unsaid, "cost_usd": Decimal(3), "cost_status": "priced", "billed": True})])
    assert cost(reader) == Decimal("3.006")
    roll_all(rollups)
    assert cost(reader) == Decimal("3.006")
    assert reader.used_rollups


def test_a_batch_that_tells_its_labels_later_changes_whose_cost_it_was(
    store: duckdb.DuckDBPyConnection, rollups: Rollups
) -> None:
    reader = Spy(store)
    at = NOW - 3 * DAY
    land(store, [a_call(started_at=at, batch_id="msgbatch_1", custom_id="one"), a_call(started_at=at + HOUR)])
    roll_all(rollups)
    creation = a_call(started_at=at - 5 * HOUR, batch_id="msgbatch_1", operation="batch_create", feature="nightly")
    land(store, [creation])
    found = readings(reader, ["requests"], WEEK, Segment(feature="nightly"))
    assert found["requests"].value == 1
    roll_all(rollups)
    assert readings(reader, ["requests"], WEEK, Segment(feature="nightly")) == found


def test_a_landing_between_two_questions_is_not_missed(store: duckdb.DuckDBPyConnection, rollups: Rollups) -> None:
    reader = Spy(store)
    land(store, [a_call(started_at=NOW - 3 * DAY)])
    roll_all(rollups)
    left = [1]

    def land_once() -> None:
        if left:
            left.pop()
            land(store, [a_call(started_at=NOW - 3 * DAY)])

    # After it was planned what to read from where.
    reader.before = land_once
    assert cost(reader) == Decimal("0.012")


def test_a_landing_while_its_hour_is_rolled_up_leaves_it_stale(
    store: duckdb.DuckDBPyConnection, rollups: Rollups, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = Spy(store)
    land(store, [a_call(started_at=NOW - 3 * DAY)])
    roll_day = getattr(rollups, "_roll_hours")  # noqa: B009 - what is between is not to be seen elsewhere

    def lands_meanwhile(finished: datetime) -> bool:
        rolled: bool = roll_day(finished)
        if rolled:
            # Before what is rolled up is committed.
            thread = threading.Thread(target=lambda: land(store.cursor(), [a_call(started_at=NOW - 3 * DAY)]))
            thread.start()
            thread.join()
        return rolled

    monkeypatch.setattr(rollups, "_roll_hours", lands_meanwhile)
    assert rollups.roll(NOW)
    monkeypatch.undo()
    assert cost(reader) == Decimal("0.012")
    roll_all(rollups)
    assert cost(reader) == Decimal("0.012")
    assert reader.used_rollups


def test_another_shape_is_rolled_up_anew(store: duckdb.DuckDBPyConnection, rollups: Rollups) -> None:
    land(store, [a_call(started_at=NOW - 3 * DAY)])
    roll_all(rollups)
    store.execute("UPDATE rollup_shape SET shape = 'of an older version'")
    reader = Spy(store)
    assert cost(reader) == Decimal("0.006")
    assert not reader.used_rollups
    again = Rollups(store, SHAPE)
    assert store.execute("SELECT count(*) FROM rolled_hours").fetchall() == [(0,)]
    roll_all(again)
    again.close()
    assert cost(reader) == Decimal("0.006")
    assert reader.used_rollups


def test_labels_that_are_not_rolled_up_are_read_from_the_calls(
    store: duckdb.DuckDBPyConnection, rollups: Rollups
) -> None:
    land(
        store,
        [a_call(started_at=NOW - 3 * DAY, user_id="u1", tags='{"plan":"free"}'), a_call(started_at=NOW - 2 * DAY)],
    )
    roll_all(rollups)
    reader = Spy(store)
    for segment in (Segment(user_id="u1"), Segment(tags=(("plan", "free"),))):
        assert readings(reader, ["requests"], WEEK, segment)["requests"].value == 1
        assert not reader.used_rollups
    rows = breakdown(reader, ["requests"], WEEK, Segment(), "feature", "tag:plan").to_pylist()
    assert [row["requests"] for row in rows] == [1, 1]
    # In Kolkata hours begin at half past.
    days = series(reader, ["requests"], WEEK, Segment(), DAY, "Asia/Kolkata").to_pylist()
    assert sum(row["requests"] for row in days) == 2
    assert not reader.used_rollups


def test_who_is_not_to_know_people_is_answered_from_roll_ups_too(
    store: duckdb.DuckDBPyConnection, rollups: Rollups
) -> None:
    land(store, [a_call(started_at=NOW - 3 * DAY)])
    roll_all(rollups)
    reader = Spy(store, Masks(store, "a key"))
    assert cost(reader) == Decimal("0.006")
    assert reader.used_rollups


@pytest.mark.parametrize("number", [0, 1, 49, 50, 51, 1000, 123_456, 10**9, 2**62])
def test_a_bin_stands_for_its_numbers_to_one_percent(store: duckdb.DuckDBPyConnection, number: int) -> None:
    sql = f"SELECT {value_of('bin')} FROM (SELECT {bin_of('told')} AS bin FROM (SELECT $number::BIGINT AS told))"
    assert store.execute(sql, {"number": number}).fetchall()[0][0] == pytest.approx(number, rel=0.01)


def test_what_is_stale_is_rolled_up_beside_everything_else(store: duckdb.DuckDBPyConnection) -> None:
    rolling = Rolling(store, SHAPE)
    land(store, [a_call(started_at=datetime.now(UTC) - 3 * DAY)])
    rolling.start()
    try:
        cursor = store.cursor()
        wait_until(lambda: cursor.execute("SELECT count(*) FROM rolled_days").fetchall() == [(1,)])
    finally:
        rolling.stop()


# Against the calls themselves, whatever comes in whatever order.

label = st.sampled_from([None, "a", "b"])
made_up = st.lists(
    st.fixed_dictionaries(
        {
            "started_at": st.integers(0, 9 * 24 * 60).map(lambda minutes: NOW - timedelta(minutes=minutes)),
            "status": st.sampled_from(["ok", "ok", "error", "cancelled"]),
            "duration_ms": st.none() | st.integers(0, 200_000),
            "ttft_ms": st.none() | st.integers(0, 5000),
            "input_tokens": st.none() | st.integers(0, 10**6),
            "cache_read_tokens": st.none() | st.integers(0, 10**6),
            "output_tokens": st.none() | st.integers(0, 10**4),
            "cost_usd": st.none() | st.decimals(0, 100, places=12),
            "cost_status": st.sampled_from(["priced", "partial"]),
            "billed": st.sampled_from([None, True, False]),
            "attempts": st.none() | st.integers(1, 3),
            "environment": label,
            "feature": label,
            "model": label,
            "error_type": label,
            "operation": st.sampled_from(["chat", "chat", "count_tokens"]),
        }
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made_up=made_up, seed=st.integers(0, 2**16))
def test_roll_ups_and_calls_say_the_same(
    store: duckdb.DuckDBPyConnection, rollups: Rollups, made_up: list[dict[str, Any]], seed: int
) -> None:
    for table in ("calls", "stale_hours", "stale_days", "rollup_shape"):
        store.execute(f"DELETE FROM {table}")
    rolls = Rollups(store, SHAPE)
    chances = random.Random(seed)
    writer = Writer(store)
    calls = [a_call(**facts, whole=chances.random() < 0.5) for facts in made_up]
    told: list[LandedCall] = [*calls, *chances.choices(calls, k=len(calls) // 3)]
    chances.shuffle(told)
    while told:
        count = chances.randint(1, 8)
        writer.land([better(one, chances) for one in told[:count]])
        told = told[count:]
        for _ in range(chances.randint(0, 5)):
            rolls.roll(NOW)
    rolls.close()
    writer.close()
    assert answers(Spy(store)) == answers(Spy(store), rolled=False)


def better(call: LandedCall, chances: random.Random) -> LandedCall:
    """The call, or what a copy says of it that knows more and something else."""
    if chances.random() < 0.7:
        return call
    facts = call.record.call
    known: dict[str, Any] = {
        "trace_id": facts.trace_id,
        "span_id": facts.span_id,
        "started_at": facts.started_at,
        "feature": "c",
    }
    return a_call(**known, whole=True, cost_usd=Decimal(7))


def answers(reader: Spy, *, rolled: bool = True) -> list[object]:
    """What every kind of question says. Percentiles to a percent."""
    if not rolled:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("claude_telemetry_collector.queries.metrics.grouped.holds", _holds_nothing)
            return answers(reader)
    said: list[object] = []
    for segment in (Segment(), Segment(feature="c", environment="b")):
        said.append(readings(reader, EXACT, WEEK, segment))
        said.append([percent(one.value) for one in readings(reader, sorted(TIMED), WEEK, segment).values()])
        said += [series(reader, COURSE, WEEK, segment, DAY, zone).to_pylist() for zone in ("UTC", "Europe/Berlin")]
        said.append(errors_by_type(reader, WEEK, segment, DAY).to_pylist())
        said.append(cost_per_day(reader, WEEK, segment).to_pylist())
        said.append(breakdown(reader, ["cost_usd", "requests"], WEEK, segment, "feature", "model").to_pylist())
        told = breakdown(reader, ["requests", "duration_p95_ms"], WEEK, segment, "feature").to_pylist()
        said.append([(row["feature"], row["requests"], percent(row["duration_p95_ms"])) for row in told])
    said.append(choices(reader, WEEK, "model"))
    return said


def _holds_nothing(*_: object) -> bool:
    return False


def percent(value: object) -> object:
    return pytest.approx(value, rel=0.01, abs=1e-6) if isinstance(value, float) else value


def test_whoever_changes_calls_notes_their_hours() -> None:
    changes = re.compile(r'(UPDATE|INSERT INTO|DELETE FROM) (calls\b|"\{table\.name\}")')
    modules = {path: path.read_text(encoding="utf-8") for path in COLLECTOR.rglob("*.py")}
    changing = {path.name for path, text in modules.items() if changes.search(text)}
    assert changing == {"writer.py", "inserting.py", "batches.py", "job.py"}
    assert all("note_hours" in text for path, text in modules.items() if path.name in changing and changes.search(text))
