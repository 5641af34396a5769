"""Sessions of managed agents: what the server asked models, told by events that come again and again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import claude_telemetry
from claude_telemetry.fake import Served
from claude_telemetry.fake.sessions import Turn
from tests.scenarios import needs
from tests.scenarios.app import App
from tests.scenarios.asking import OPUS
from tests.scenarios.expected import ANYTHING, Expected, call, free, tokens
from tests.scenarios.scenario import scenario

USAGES: list[dict[str, Any]] = [
    {"input_tokens": 1000, "output_tokens": 10, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0},
    {"input_tokens": 100, "output_tokens": 20, "cache_read_input_tokens": 1000, "cache_creation_input_tokens": 200},
]
# 1000 * 4 + 10 * 20 = 4200 millionths. 100 * 4 + 20 * 20 + 1000 * 0.2 + 200 * 5 = 2000 millionths.
COSTS = [Decimal("0.0042"), Decimal("0.002")]


def _session(app: App) -> str:
    return app.claude.session(OPUS, [Turn(requests=USAGES)])


def _model_requests(app: App, session_id: str, *, model_known: bool, **facts: Any) -> list[Expected]:
    told = [request for request in app.claude.model_requests if request.session_id == session_id]
    return [
        _model_request(session_id, request.event_id, request.usage, cost if model_known else None, **facts)
        for request, cost in zip(told, COSTS, strict=True)
    ]


def _model_request(
    session_id: str, event_id: str, usage: Mapping[str, Any], cost_usd: Decimal | None, **facts: Any
) -> Expected:
    """Without `cost_usd`, of a model that nobody has told."""
    cost = {"cost_usd": cost_usd} if cost_usd is not None else {"cost_usd": None, "cost_status": "unknown"}
    return call(
        None,
        **{
            "span_name": ANYTHING,
            "operation": "agent_model_request",
            "session_id": session_id,
            "message_id": event_id,
            "request_id": None,
            "http_status": None,
            "stream": ANYTHING,
            "parent_span_id": ANYTHING,
            "model": OPUS if cost_usd is not None else None,
            "stop_reason": None,
            "custom_id": ANYTHING,
            **tokens(usage),
            **cost,
            **facts,
        },
    )


def _about(served: Served, name: str, operation: str = "session_events", **facts: Any) -> Expected:
    usual = {"session_id": ANYTHING, "ttft_known": ANYTHING, "stream_end": ANYTHING}
    return free(operation, "", served, **{**usual, **facts}).named(f"anthropic.sessions.{name}")


@scenario(needs.sessions, ordered=False)
def events_of_a_session(app: App) -> Sequence[Expected]:
    session_id = _session(app)
    app.saw([event.type for event in app.client().beta.sessions.events.stream(session_id)])
    return [*_model_requests(app, session_id, model_known=False), _about(app.served[0], "events.stream")]


@scenario(needs.sessions, ordered=False)
async def events_of_a_session_async(app: App) -> Sequence[Expected]:
    session_id = _session(app)
    async with app.async_client() as client:
        events = await client.beta.sessions.events.stream(session_id)
        app.saw([event.type async for event in events])
    return [*_model_requests(app, session_id, model_known=False), _about(app.served[0], "events.stream")]


@scenario(needs.sessions, ordered=False)
def events_of_a_session_whose_model_is_known(app: App) -> Sequence[Expected]:
    """An event does not name its model. The session does."""
    session_id = _session(app)
    sessions = app.client().beta.sessions
    app.saw(sessions.retrieve(session_id).agent.model.id)
    app.saw([event.type for event in sessions.events.stream(session_id)])
    retrieve, stream = app.served
    return [
        *_model_requests(app, session_id, model_known=True),
        _about(retrieve, "retrieve", "session_retrieve"),
        _about(stream, "events.stream"),
    ]


@scenario(needs.sessions, ordered=False)
def events_that_come_again(app: App) -> Sequence[Expected]:
    """Each model request is one call, however often it is told."""
    session_id = _session(app)
    events = app.client().beta.sessions.events
    for _ in range(2):
        app.saw([event.type for event in events.stream(session_id)])
    app.saw([event.type for event in events.list(session_id)])
    first, second, third = app.served
    return [
        *_model_requests(app, session_id, model_known=False),
        _about(first, "events.stream"),
        _about(second, "events.stream"),
        _about(third, "events.list"),
    ]


@scenario(needs.sessions, ordered=False)
def events_with_the_labels_of_their_reader(app: App) -> Sequence[Expected]:
    session_id = _session(app)
    with claude_telemetry.label(user="u_42"):
        events = app.client().beta.sessions.events.stream(session_id)
    app.saw([event.type for event in events])
    return [
        *_model_requests(app, session_id, model_known=False, user_id="u_42"),
        _about(app.served[0], "events.stream", user_id="u_42"),
    ]


@scenario(needs.sessions, ordered=False)
def an_outcome_that_is_judged(app: App) -> Sequence[Expected]:
    """Whoever judges uses tokens too. Which model that is, nobody tells, so what it costs is not known."""
    judging = {"input_tokens": 70, "output_tokens": 7, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}
    session_id = app.claude.session(OPUS, [Turn(requests=USAGES[:1], evaluation=judging)])
    client = app.client()
    client.beta.sessions.retrieve(session_id)
    app.saw([event.type for event in client.beta.sessions.events.stream(session_id)])
    judged = app.claude.model_requests[-1]
    return [
        _model_requests(app, session_id, model_known=True)[0],
        _model_request(session_id, judged.event_id, judging, None),
        _about(app.served[0], "retrieve", "session_retrieve"),
        _about(app.served[1], "events.stream"),
    ]
