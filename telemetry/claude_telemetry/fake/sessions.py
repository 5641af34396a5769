"""Managed-agent sessions: what they have used so far, and the events of their turns, streamed or listed.

Shapes: `types/beta/sessions` of anthropic 2.10. Every event has an id, and is told again by each stream and each list:
a reader has to know which it has seen. An event that tells a usage is in the ledger as a `ModelRequest`, once.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from claude_telemetry.fake import doors, wire
from claude_telemetry.fake.admission import object_in, objects_in
from claude_telemetry.fake.api import Api
from claude_telemetry.fake.delivery import Delivery, Outgoing
from claude_telemetry.fake.ledger import Ledger, ModelRequest, Served
from claude_telemetry.fake.loopback import Exchange
from claude_telemetry.fake.steps import Answer, Step, failure
from claude_telemetry.fake.usage import Meter

PATH = "/v1/sessions"

_QUIET = ("session.status_idle", "session.status_terminated")
_SUMMED = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
_PAGE = 1000
_MODEL = "claude-opus-5-5"
"""Of a session whose agent is known by its id only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What a session does with one message of its user."""

    requests: Sequence[Mapping[str, Any]]
    """The usage of each model request, as `span.model_request_end` tells it: four token counts, and maybe a speed."""
    text: str = "Done."
    evaluation: Mapping[str, Any] | None = None
    """The usage of a grader that looked at the outcome."""
    web_searches: int = 0
    list_cost_cents: int | None = None
    """What the turn adds to the list cost. `None`: the session's cost is not tracked."""
    active_s: float = 0.0


@dataclass(slots=True)
class _Session:
    id: str
    model: str
    environment_id: str
    created_at: datetime
    events: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    tokens: Counter[str] = field(default_factory=Counter[str])
    web_searches: int = 0
    list_cost_cents: int | None = None
    active_s: float = 0.0

    @property
    def quiet(self) -> bool:
        return bool(self.events) and self.events[-1]["type"] in _QUIET


class Sessions:
    """The sessions of one stand-in. Thread-safe."""

    def __init__(
        self, ledger: Ledger, api: Api, meter: Meter, delivery: Delivery, behaviour: Callable[[Mapping[str, Any]], Step]
    ) -> None:
        self._changed = threading.Condition()
        self._ledger = ledger
        self._api = api
        self._meter = meter
        self._delivery = delivery
        self._behaviour = behaviour
        self._sessions: dict[str, _Session] = {}

    def open(self, model: str, turns: Sequence[Turn] = ()) -> str:
        """A session that has had these turns. Its id."""
        with self._changed:
            session = _Session(wire.new_id("sesn_01"), model, wire.new_id("env_01"), datetime.now(UTC))
            self._sessions[session.id] = session
            for turn in turns:
                self._play(session, turn)
            return session.id

    def take(self, exchange: Exchange, path: str, query: Mapping[str, str], body: object) -> None:
        """Answers a request to `path`, which is `PATH` or below it."""
        session_id, _, action = path.removeprefix(PATH).strip("/").partition("/")
        if action.startswith("threads/"):
            # There is one thread, the primary one: what happens in it happens in the session.
            action = {"stream": "events/stream", "events": "events"}.get(action.rpartition("/")[2], action)
        if exchange.command == "POST" and not session_id:
            return self._create(exchange, path, body)
        session = self._sessions.get(session_id)
        if session is None:
            return self._api.fail(exchange, path, failure(404, message=f"Session {session_id} not found"))
        match exchange.command, action:
            case "GET", "":
                return self._describe(exchange, path, session)
            case "GET", "events":
                return self._list(exchange, path, query, session)
            case "POST", "events":
                return self._hear(exchange, path, body, session)
            case "GET", "events/stream":
                return self._stream(exchange, path, session)
            case _:
                return self._api.fail(exchange, path, failure(404, message="Not Found"))

    def _create(self, exchange: Exchange, path: str, body: object) -> None:
        agent = object_in(object_in(body).get("agent"))
        session = self._sessions[self.open(str(agent.get("model", _MODEL)))]
        self._describe(exchange, path, session)

    def _describe(self, exchange: Exchange, path: str, session: _Session) -> None:
        with self._changed:
            described = _described(session)
        self._api.tell(exchange, path, described, session_id=session.id, usage=described["usage"])

    def _list(self, exchange: Exchange, path: str, query: Mapping[str, str], session: _Session) -> None:
        with self._changed:
            events = list(session.events)
        if query.get("order") == "desc":
            events.reverse()
        start, limit = int(query.get("page", 0)), int(query.get("limit", _PAGE))
        following = start + limit
        page = {
            "data": events[start:following],
            "next_page": str(following) if following < len(events) else None,
        }
        self._api.tell(exchange, path, page, session_id=session.id)

    def _hear(self, exchange: Exchange, path: str, body: object, session: _Session) -> None:
        sent = [{"id": _event_id(), "processed_at": None, **event} for event in objects_in(body, "events")]
        # Told before the turn is played: a stream that waits for it must not be the first to hear of the message.
        self._api.tell(exchange, path, {"data": sent}, session_id=session.id)
        with self._changed:
            for event in sent:
                session.events.append({**event, "processed_at": _now()})
                if event["type"] == "user.message":
                    self._play(session, self._turn(session, event))

    def _turn(self, session: _Session, message: Mapping[str, Any]) -> Turn:
        question = {"model": session.model, "messages": [{"role": "user", "content": message.get("content")}]}
        step = self._behaviour({**question, "max_tokens": 1024})
        answer = step if isinstance(step, Answer) else Answer()
        usage = self._meter.usage_of(question, answer)
        text = "".join(block.get("text", "") for block in answer.content)
        return Turn(requests=[{name: usage.get(name) or 0 for name in _SUMMED}], text=text)

    def _play(self, session: _Session, turn: Turn) -> None:
        for event in _events_of(session, turn):
            session.events.append(event)
            usage = event.get("model_usage") if event["type"] == "span.model_request_end" else event.get("usage")
            if event["type"].startswith("span.") and usage is not None:
                session.tokens.update({name: usage.get(name) or 0 for name in _SUMMED})
                self._ledger.note(
                    ModelRequest(
                        session_id=session.id,
                        event_id=event["id"],
                        kind=event["type"],
                        model=session.model,
                        usage=usage,
                    )
                )
        self._changed.notify_all()

    def _stream(self, exchange: Exchange, path: str, session: _Session) -> None:
        """All events, and those to come. It ends where the session has been quiet: the real one would stay open."""
        request_id = wire.new_id("req_01")
        door = doors.MESSAGES
        headers = {**door.headers(request_id), "content-type": door.stream_type}
        outgoing = Outgoing(exchange, self._delivery, headers)
        entry = self._ledger.serve(
            Served(request_id=request_id, path=path, status=200, stream=True, session_id=session.id)
        )
        outgoing.begin(200)
        told = 0
        while not exchange.stopping.is_set():
            with self._changed:
                events, quiet = session.events[told:], session.quiet
                if not events and not quiet:
                    self._changed.wait(0.05)
            for event in events:
                outgoing.piece(door.frame(event, self._delivery))
            told += len(events)
            if quiet:
                break
        self._ledger.ending(entry, outgoing.end)


def _events_of(session: _Session, turn: Turn) -> Iterator[dict[str, Any]]:
    yield _event("session.status_running")
    for usage in turn.requests:
        start = _event("span.model_request_start")
        yield start
        end = _event("span.model_request_end", model_request_start_id=start["id"], is_error=False)
        yield {**end, "model_usage": dict(usage)}
    yield _event("agent.message", content=[{"type": "text", "text": turn.text}])
    if turn.evaluation is not None:
        outcome = wire.new_id("outc_01")
        start = _event("span.outcome_evaluation_start", iteration=0, outcome_id=outcome)
        yield start
        yield _event(
            "span.outcome_evaluation_end",
            outcome_evaluation_start_id=start["id"],
            outcome_id=outcome,
            iteration=0,
            result="satisfied",
            explanation="",
            usage=dict(turn.evaluation),
        )
    session.web_searches += turn.web_searches
    session.active_s += turn.active_s
    if turn.list_cost_cents is not None:
        session.list_cost_cents = (session.list_cost_cents or 0) + turn.list_cost_cents
    yield _event("session.usage", usage=_usage(session), budget=None)
    yield _event("session.status_idle", stop_reason={"type": "end_turn"}, stop_details=None)


def _event(kind: str, **fields: Any) -> dict[str, Any]:
    return {"id": _event_id(), "type": kind, "processed_at": _now(), **fields}


def _event_id() -> str:
    return wire.new_id("sevt_01")


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _usage(session: _Session) -> dict[str, Any]:
    """All that the session has used so far."""
    written = session.tokens["cache_creation_input_tokens"]
    usage: dict[str, Any] = {
        "input_tokens": session.tokens["input_tokens"],
        "output_tokens": session.tokens["output_tokens"],
        "cache_read_input_tokens": session.tokens["cache_read_input_tokens"],
        "cache_creation": {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0},
        "server_tool_use": {"web_search_requests": session.web_searches, "web_fetch_requests": 0},
        "active_seconds": session.active_s,
    }
    if session.list_cost_cents is not None:
        usage["list_cost"] = {"amount": str(session.list_cost_cents), "currency": "USD"}
    return usage


def _described(session: _Session) -> dict[str, Any]:
    active = session.active_s
    return {
        "id": session.id,
        "type": "session",
        "agent": {
            "id": "agent_01stand_in",
            "type": "agent",
            "name": "stand-in",
            "version": 1,
            "model": {"id": session.model, "speed": "standard"},
            "system": None,
            "tools": [],
            "skills": [],
            "mcp_servers": [],
            "execution_identity": {"type": "service_account"},
        },
        "environment_id": session.environment_id,
        "created_at": session.created_at.isoformat(),
        "updated_at": _now(),
        "archived_at": None,
        "status": "idle",
        "title": None,
        "metadata": {},
        "outcome_evaluations": [],
        "resources": [],
        "vault_ids": [],
        "stats": {"active_seconds": active, "duration_seconds": active},
        "usage": _usage(session),
    }
