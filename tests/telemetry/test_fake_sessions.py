"""Managed-agent sessions on the stand-in, asked by the real SDK."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from claude_telemetry.fake import FakeClaude, ModelRequest, Turn

FIRST = {
    "input_tokens": 10,
    "output_tokens": 20,
    "cache_creation_input_tokens": 30,
    "cache_read_input_tokens": 40,
    "speed": "fast",
}
SECOND = {"input_tokens": 1, "output_tokens": 2, "cache_creation_input_tokens": 3, "cache_read_input_tokens": 4}
GRADED = {"input_tokens": 5, "output_tokens": 6, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}


@pytest.fixture
def client(claude: FakeClaude) -> Iterator[anthropic.Anthropic]:
    # Strict: whatever differs from the SDK's types is an error.
    with anthropic.Anthropic(
        api_key="any", base_url=claude.url, max_retries=0, _strict_response_validation=True
    ) as client:
        yield client


def test_a_session_tells_what_it_has_used_so_far(claude: FakeClaude, client: anthropic.Anthropic) -> None:
    session_id = claude.session(
        "claude-sonnet-5-5",
        [
            Turn(requests=[FIRST, SECOND], evaluation=GRADED, web_searches=2, list_cost_cents=7, active_s=1.5),
            Turn(requests=[SECOND], list_cost_cents=1, active_s=0.5),
        ],
    )
    session = client.beta.sessions.retrieve(session_id)
    assert session.agent.model.id == "claude-sonnet-5-5"
    assert session.usage.to_dict() == {
        "input_tokens": 17,
        "output_tokens": 30,
        "cache_read_input_tokens": 48,
        "cache_creation": {"ephemeral_5m_input_tokens": 36, "ephemeral_1h_input_tokens": 0},
        "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0},
        "active_seconds": 2.0,
        "list_cost": {"amount": "8", "currency": "USD"},
    }
    served = claude.ledger[-1]
    assert (served.session_id, served.usage) == (session_id, session.usage.to_dict())


def test_the_stream_and_the_list_tell_the_same_events(claude: FakeClaude, client: anthropic.Anthropic) -> None:
    session_id = claude.session(turns=[Turn(requests=[FIRST, SECOND], evaluation=GRADED)])
    with client.beta.sessions.events.stream(session_id) as stream:
        streamed: list[Any] = list(stream)
    with client.beta.sessions.threads.events.stream("sthr_1", session_id=session_id) as stream:
        again: list[Any] = list(stream)
    listed: list[Any] = list(client.beta.sessions.events.list(session_id, limit=3))

    assert [event.type for event in streamed] == [
        "session.status_running",
        "span.model_request_start",
        "span.model_request_end",
        "span.model_request_start",
        "span.model_request_end",
        "agent.message",
        "span.outcome_evaluation_start",
        "span.outcome_evaluation_end",
        "session.usage",
        "session.status_idle",
    ]
    assert [event.id for event in streamed] == [event.id for event in again] == [event.id for event in listed]
    assert len({event.id for event in streamed}) == 10
    assert streamed[2].model_usage.to_dict() == FIRST
    assert streamed[2].model_request_start_id == streamed[1].id
    assert streamed[7].usage.to_dict() == GRADED
    assert streamed[8].usage.input_tokens == 16


def test_a_model_request_is_in_the_ledger_once(claude: FakeClaude, client: anthropic.Anthropic) -> None:
    session_id = claude.session("claude-haiku-5-5", [Turn(requests=[FIRST], evaluation=GRADED)])
    ids: list[str] = []
    for _ in range(2):
        with client.beta.sessions.events.stream(session_id) as stream:
            events: list[Any] = list(stream)
            ids = [event.id for event in events]
    assert claude.model_requests == [
        ModelRequest(
            session_id=session_id,
            event_id=ids[2],
            kind="span.model_request_end",
            model="claude-haiku-5-5",
            usage=FIRST,
        ),
        ModelRequest(
            session_id=session_id,
            event_id=ids[5],
            kind="span.outcome_evaluation_end",
            model="claude-haiku-5-5",
            usage=GRADED,
        ),
    ]


def test_a_message_to_a_session_makes_a_turn_that_a_waiting_stream_tells(
    claude: FakeClaude, client: anthropic.Anthropic
) -> None:
    created = client.beta.sessions.create(agent="agent_1", environment_id="env_1")
    told: list[str] = []
    opened = threading.Event()

    def listen() -> None:
        with client.beta.sessions.events.stream(created.id) as stream:
            opened.set()
            told.extend(event.type for event in stream)

    listener = threading.Thread(target=listen)
    listener.start()
    assert opened.wait(30)
    sent = client.beta.sessions.events.send(
        created.id, events=[{"type": "user.message", "content": [{"type": "text", "text": "Hello there"}]}]
    )
    listener.join(30)

    assert told[0] == "user.message"
    assert told[-1] == "session.status_idle"
    assert [event.type for event in sent.data or []] == ["user.message"]
    request = claude.model_requests[0]
    assert request.usage["output_tokens"] > 0
    usage = client.beta.sessions.retrieve(created.id).usage
    assert (usage.output_tokens, usage.list_cost) == (request.usage["output_tokens"], None)


def test_a_session_nobody_knows_is_not_found(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError):
        client.beta.sessions.retrieve("sesn_nobody")
    with pytest.raises(anthropic.NotFoundError):
        client.get("/v1/sessions/", cast_to=object)


def test_a_stream_that_waits_does_not_hold_up_the_stop() -> None:
    with FakeClaude() as claude:
        client = anthropic.Anthropic(api_key="any", base_url=claude.url, max_retries=0)
        stream = client.beta.sessions.events.stream(claude.session())
        before = threading.active_count()
    assert threading.active_count() < before
    stream.close()
    client.close()
