"""Windows are half-open and in UTC; segments take labels for what they are: data."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import duckdb
import pytest

from claude_telemetry.capture.operations import operation_of
from claude_telemetry.record.identity import AGENT_MODEL_REQUEST
from claude_telemetry_collector.queries import (
    DIMENSIONS,
    Clock,
    Segment,
    Window,
    breakdown,
    calls,
    choices,
    readings,
    tag_choices,
)
from claude_telemetry_collector.queries.landed import landed
from claude_telemetry_collector.segments import Position
from claude_telemetry_collector.store import LocalReader, Writer
from tests.support.calls import NOON, a_call, land

HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)
EVERYTHING = Window(NOON - 1000 * HOUR, NOON + 1000 * HOUR)

NASTY = (
    "' OR 1=1 --",
    "'; DROP TABLE calls; --",
    '" OR ""="',
    "$window_start",
    "{0} %s \\x00 \\",
    "Robert'); DELETE FROM calls;--",
    "name\nwith\tcontrol\x07 and ✓ 中文",
    "",
)


def requests(
    store: duckdb.DuckDBPyConnection, window: Window, segment: Segment | None = None, clock: Clock = "started"
) -> object:
    found = readings(LocalReader(store), ["requests"], window, segment or Segment(), clock=clock)
    return found["requests"].value


def test_a_window_holds_its_start_and_not_its_end(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [a_call(started_at=NOON + offset) for offset in (-TICK, 0 * TICK, HOUR - TICK, HOUR)])
    assert requests(store, Window(NOON, NOON + HOUR)) == 2
    assert requests(store, Window(NOON + HOUR, NOON + 2 * HOUR)) == 1
    assert requests(store, Window(NOON, NOON)) == 0


ASKED = {
    ("post", "/v1/messages"): "chat",
    ("post", "/v1/complete"): "text_completion",
}
MANAGED = {
    ("post", "/v1/messages/count_tokens"): "count_tokens",
    ("post", "/v1/messages/batches"): "batch_create",
    ("get", "/v1/messages/batches"): "batch_list",
    ("get", "/v1/messages/batches/msgbatch_1"): "batch_retrieve",
    ("delete", "/v1/messages/batches/msgbatch_1"): "batch_delete",
    ("post", "/v1/messages/batches/msgbatch_1/cancel"): "batch_cancel",
    ("get", "https://api.anthropic.com/v1/messages/batches/msgbatch_1/results"): "batch_results",
    ("post", "/v1/sessions"): "session_create",
    ("get", "/v1/sessions/sesn_1"): "session_retrieve",
    ("get", "/v1/sessions/sesn_1/events"): "session_events",
    ("get", "/v1/sessions/sesn_1/events/stream"): "session_events",
    ("get", "/v1/sessions/sesn_1/threads/th_1/stream"): "session_events",
}


@pytest.mark.parametrize(("request_of", "operation"), [*ASKED.items(), *MANAGED.items()])
def test_what_asks_a_model_is_in_numbers_and_what_manages_is_in_none(
    store: duckdb.DuckDBPyConnection, request_of: tuple[str, str], operation: str
) -> None:
    captured = operation_of(*request_of)
    assert captured is not None
    assert captured.name == operation
    assert captured.billed == (request_of in ASKED)

    land(store, [a_call(operation=operation)])

    assert requests(store, EVERYTHING) == (1 if request_of in ASKED else 0)
    assert calls(LocalReader(store), EVERYTHING, Segment()).rows.num_rows == (1 if request_of in ASKED else 0)
    assert choices(LocalReader(store), EVERYTHING, "model") == (["claude-sonnet-5-5"] if request_of in ASKED else [])


@pytest.mark.parametrize("operation", [AGENT_MODEL_REQUEST, "text_completion", "generate_content", None])
def test_whatever_is_not_known_to_manage_is_in_numbers(store: duckdb.DuckDBPyConnection, operation: str | None) -> None:
    land(store, [a_call(operation=operation)])

    assert requests(store, EVERYTHING) == 1


def test_windows_side_by_side_count_each_call_once(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [a_call(started_at=NOON + timedelta(minutes=30 * number)) for number in range(10)])
    window = Window(NOON + 2 * HOUR, NOON + 4 * HOUR)
    assert window.before() == Window(NOON, NOON + 2 * HOUR)
    assert requests(store, window) == 4
    assert requests(store, window.before()) == 4


def test_a_window_by_end_holds_calls_that_ended_in_it(store: duckdb.DuckDBPyConnection) -> None:
    ten_minutes = 600_000
    land(
        store,
        [
            a_call(started_at=NOON - timedelta(minutes=10), duration_ms=ten_minutes),
            a_call(started_at=NOON - timedelta(minutes=10), duration_ms=ten_minutes - 1),
            a_call(started_at=NOON, duration_ms=ten_minutes),
            a_call(started_at=NOON, duration_ms=None),
        ],
    )
    window = Window(NOON, NOON + timedelta(minutes=5))
    assert requests(store, window) == 2
    assert requests(store, window, clock="ended") == 2
    assert requests(store, Window(NOON, NOON + timedelta(minutes=11)), clock="ended") == 3


def test_a_call_with_an_absurd_duration_does_not_stop_the_rules(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [a_call(duration_ms=2**62), a_call()])
    assert requests(store, Window(NOON, NOON + HOUR), clock="ended") == 1


def test_a_window_in_another_zone_is_the_same_window(store: duckdb.DuckDBPyConnection) -> None:
    store.execute("SELECT 1")
    land(store, [a_call()])
    tokyo = timezone(timedelta(hours=9))
    window = Window(NOON.astimezone(tokyo), (NOON + HOUR).astimezone(tokyo))
    assert window == Window(NOON, NOON + HOUR)
    assert window.start.tzinfo is UTC
    assert requests(store, window) == 1


def test_a_window_without_a_zone_or_backwards_is_refused() -> None:
    with pytest.raises(ValueError, match="time with a zone"):
        Window(datetime(2026, 11, 20), NOON)  # noqa: DTZ001 - what is refused
    with pytest.raises(ValueError, match="ends before it starts"):
        Window(NOON, NOON - TICK)


def test_a_day_so_far_starts_at_midnight_in_utc() -> None:
    tokyo = timezone(timedelta(hours=9))
    assert Window.day_so_far(datetime(2026, 11, 21, 3, tzinfo=tokyo)) == Window(
        datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 20, 18, tzinfo=UTC)
    )


def test_the_last_hour_ends_now() -> None:
    assert Window.last(HOUR, NOON) == Window(NOON - HOUR, NOON)
    assert Window.last(HOUR).end - datetime.now(UTC) < timedelta(seconds=60)


def test_a_segment_is_the_calls_that_share_all_its_labels(store: duckdb.DuckDBPyConnection) -> None:
    land(
        store,
        [
            a_call(feature="chat", user_id="u1", prompt_version="7", service="a", environment="test"),
            a_call(feature="chat", user_id="u2", prompt_version="7", service="a", environment="test"),
            a_call(feature="search", user_id="u1", prompt_version=None, service="b", environment="production"),
        ],
    )
    assert requests(store, EVERYTHING) == 3
    assert requests(store, EVERYTHING, Segment(feature="chat")) == 2
    assert requests(store, EVERYTHING, Segment(feature="chat", user_id="u1")) == 1
    assert requests(store, EVERYTHING, Segment(prompt_version="7", service="a", environment="test")) == 2
    assert requests(store, EVERYTHING, Segment(feature="search", service="a")) == 0


def test_a_call_without_an_answer_belongs_to_the_model_it_asked_for(store: duckdb.DuckDBPyConnection) -> None:
    failed = a_call(status="error", request_model="claude-opus-5-5", model=None)
    alias = a_call(request_model="claude-opus-latest", model="claude-opus-5-5")
    land(store, [failed, alias, a_call()])
    found = readings(LocalReader(store), ["error_ratio"], EVERYTHING, Segment(model="claude-opus-5-5"))
    assert found["error_ratio"].value == 0.5


@pytest.mark.parametrize("label", NASTY)
def test_a_label_is_only_data(store: duckdb.DuckDBPyConnection, label: str) -> None:
    land(store, [a_call(feature=label, error_type=label, status="error"), a_call(feature="chat")])
    reader = LocalReader(store)
    assert requests(store, EVERYTHING, Segment(feature=label)) == 1
    assert requests(store, EVERYTHING, Segment(user_id=label)) == 0
    assert calls(reader, EVERYTHING, Segment(error_type=label)).rows.num_rows == 1
    assert calls(reader, EVERYTHING, Segment(status=label)).rows.num_rows == 0
    assert label in choices(reader, EVERYTHING, "feature")
    found = breakdown(reader, ["requests"], EVERYTHING, Segment(), "feature").column("feature").to_pylist()
    assert sorted(str(value) for value in found) == sorted([label, "chat"])
    assert requests(store, EVERYTHING) == 2


@pytest.mark.parametrize("name", ["calls; DROP TABLE calls", "trace_id", "", "Model", "feature)--"])
def test_calls_are_told_apart_by_known_names_only(store: duckdb.DuckDBPyConnection, name: str) -> None:
    for question in (
        lambda: breakdown(LocalReader(store), ["requests"], EVERYTHING, Segment(), name),
        lambda: choices(LocalReader(store), EVERYTHING, name),
    ):
        with pytest.raises(ValueError, match="cannot be told apart"):
            question()


@pytest.mark.parametrize("name", DIMENSIONS)
def test_every_known_name_tells_calls_apart(store: duckdb.DuckDBPyConnection, name: str) -> None:
    column = "request_model" if name in ("model", "price_id") else name
    facts: dict[str, Any] = {"model": None, column: {"stream": True, "http_status": 529}.get(name, "this")}
    land(store, [a_call(**facts), a_call(**facts)])
    rows = breakdown(LocalReader(store), ["requests"], EVERYTHING, Segment(), name).to_pylist()
    assert [(row[name], row["requests"]) for row in rows] == [
        ({"stream": "true", "http_status": "529"}.get(name, "this"), 2)
    ]


def test_a_segment_asks_for_every_label_that_there_is() -> None:
    labels = {field.name for field in fields(Segment)} - {"tags"}
    assert labels == set(DIMENSIONS)


def test_a_tag_narrows_the_calls_like_a_label(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [a_call(tags='{"plan":"free","shard":"1"}'), a_call(tags='{"plan":"team","shard":"1"}'), a_call()])
    assert requests(store, EVERYTHING, Segment(tags=(("plan", "free"),))) == 1
    assert requests(store, EVERYTHING, Segment(tags=(("shard", "1"),))) == 2
    assert requests(store, EVERYTHING, Segment(tags=(("shard", "1"), ("plan", "team")))) == 1
    assert requests(store, EVERYTHING, Segment(tags=(("shard", "2"),))) == 0
    assert requests(store, EVERYTHING, Segment(tags=(("colour", "1"),))) == 0


def test_the_name_of_a_tag_is_only_data(store: duckdb.DuckDBPyConnection) -> None:
    reader = LocalReader(store)
    names = (*NASTY, "*", "$.plan", "/plan", "a/b", "a~b", "~1", "0", "#", '"plan"', "plan.name")
    land(
        store, [a_call(tags='{"plan":"other"}'), a_call(), *(a_call(tags=json.dumps({name: "this"})) for name in names)]
    )
    assert tag_choices(reader, EVERYTHING) == sorted([("plan", "other"), *((name, "this") for name in names)])
    for name in names:
        assert requests(store, EVERYTHING, Segment(tags=((name, "this"),))) == 1, name
        assert choices(reader, EVERYTHING, f"tag:{name}") == ["this"], name
    for name in ("'; DROP TABLE calls; --", '"x"', "$label_0"):
        found = breakdown(reader, ["requests"], EVERYTHING, Segment(), "tag:plan", f"tag:{name}")
        assert found.column_names[:2] == ["tag:plan", f"tag:{name}"]
        told = {(row["tag:plan"], row[f"tag:{name}"]): row["requests"] for row in found.to_pylist()}
        this: dict[tuple[str | None, str | None], int] = {(None, "this"): 1} if name in names else {}
        assert told == {("other", None): 1, (None, None): len(names) + 1 - len(this), **this}


def test_a_segment_says_what_it_asks_for() -> None:
    segment = Segment(feature="chat", tags=(("plan", "free"),))
    assert segment.chosen() == {"feature": "chat", "tag:plan": "free"}
    assert Segment().chosen() == {}


def test_a_day_so_far_starts_at_midnight_of_the_zone() -> None:
    # In Berlin it is half past midnight of the 21st.
    now = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)
    assert Window.day_so_far(now, "Europe/Berlin") == Window(datetime(2026, 11, 20, 23, tzinfo=UTC), now)
    with pytest.raises(ValueError, match="no time zone 'Europe/Nowhere'"):
        Window.day_so_far(now, "Europe/Nowhere")


def test_what_has_landed_is_something_else_after_each_landing(store: duckdb.DuckDBPyConnection) -> None:
    reader = LocalReader(store)
    seen = [landed(reader)]
    land(store, [a_call()])
    seen.append(landed(reader))
    # Nothing is added: a copy of a call, or a span that is put to another call.
    Writer(store).land([], position=Position(1, 100))
    seen.append(landed(reader))
    assert len(set(seen)) == 3
    assert landed(reader) == seen[-1]


def test_of_long_windows_the_last_days_say_what_there_is_to_choose(store: duckdb.DuckDBPyConnection) -> None:
    window = Window(NOON - 240 * HOUR, NOON)
    land(store, [a_call(started_at=NOON - 239 * HOUR, user_id="long ago", tags='{"plan":"old"}')])
    reader = LocalReader(store)
    assert choices(reader, window, "user_id") == ["long ago"]
    assert tag_choices(reader, window) == [("plan", "old")]
    land(store, [a_call(started_at=NOON - HOUR, user_id="lately", feature="chat", tags='{"plan":"new"}')])
    assert choices(reader, window, "user_id") == ["lately"]
    assert tag_choices(reader, window) == [("plan", "new")]
