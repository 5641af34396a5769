"""Events land in `events`, once each, with the call that they are about and what the allow-list lets in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest

from claude_telemetry.record.event import Event
from claude_telemetry_collector.decode import Decoded, LandedEvent, decode
from claude_telemetry_collector.store import LocalReader, Writer
from tests.support.spans import NATIVE_SCOPE, a_body, as_protobuf, native_span

RECEIVED = datetime(2026, 11, 18, 10, 1, tzinfo=UTC)
AT = datetime(2026, 11, 18, 10, tzinfo=UTC)
SENTENCE = "a sentence that somebody wrote"
FALLBACK: dict[str, Any] = {
    "claude.event.name": "fallback",
    "claude.event.call.trace_id": "ab" * 16,
    "claude.event.call.span_id": "cd" * 8,
    "claude.event.attributes.from_model": "claude-opus-5-5",
    "claude.event.attributes.error": "overloaded_error",
    "claude.event.attributes.failures": 5,
    "user.id": "u_42",
    "session.id": "s_7",
    "claude.feature": "forecast",
}


def an_event(facts: dict[str, Any], scope: str = "claude_telemetry", **fields: Any) -> bytes:
    span = native_span(facts, name="claude.event", kind=1, status={"code": 0}, **fields)
    return as_protobuf(a_body([span], scope=scope))


def decoded(body: bytes) -> Decoded:
    return decode("traces", "protobuf", body, RECEIVED)


def only_event(body: bytes) -> LandedEvent:
    found = decoded(body)
    assert (found.calls, found.tool_runs, found.spans, found.ignored) == ((), (), 1, 0)
    [event] = found.events
    return event


def test_an_event_is_read_whole() -> None:
    assert only_event(an_event(FALLBACK)) == LandedEvent(
        event=Event(
            happened_at=AT,
            name="fallback",
            service="shop",
            trace_id="5b8efff798038103d269b633813fc60c",
            span_id="eee19b7ec3c1b174",
            call_trace_id="ab" * 16,
            call_span_id="cd" * 8,
            user_id="u_42",
            session_id="s_7",
            feature="forecast",
        ),
        attributes={"from_model": "claude-opus-5-5", "error": "overloaded_error", "failures": 5},
        received_at=RECEIVED,
    )


@pytest.mark.parametrize(
    "smuggled",
    [
        {"prompt": SENTENCE},
        {"prompt": [SENTENCE]},
        {"prompt": {"text": SENTENCE}},
        {"api_key": "abc"},
        {"id": "sk-ant-api03-abc"},
        {"a.b": 1},
        {"long": "x" * 129},
    ],
)
def test_what_the_allow_list_keeps_out_is_kept_out_whoever_sends_it(smuggled: dict[str, Any]) -> None:
    facts = FALLBACK | {f"claude.event.attributes.{name}": value for name, value in smuggled.items()}
    assert only_event(an_event(facts)) == only_event(an_event(FALLBACK))


@pytest.mark.parametrize("name", [SENTENCE, "", 3])
def test_a_span_without_a_word_for_what_happened_is_no_event(name: object) -> None:
    assert decoded(an_event(FALLBACK | {"claude.event.name": name})).events == ()


def test_an_event_that_somebody_else_tells_of_is_not_kept() -> None:
    assert decoded(an_event(FALLBACK, NATIVE_SCOPE)).events == ()


def test_an_event_lands_once_and_can_be_asked_for(store: duckdb.DuckDBPyConnection) -> None:
    one, other = only_event(an_event(FALLBACK)), only_event(an_event(FALLBACK, spanId="22" * 8))
    Writer(store).land((), events=[one, one])
    Writer(store).land((), events=[other, one])
    sql = "SELECT name, happened_at, attributes['failures']::INT AS failures, count(*) AS n FROM events GROUP BY ALL"
    assert LocalReader(store).ask(sql).to_pylist() == [
        {"name": "fallback", "happened_at": AT.replace(tzinfo=None), "failures": 5, "n": 2}
    ]
