"""A stand-in for the Claude API: messages by every door (`doors.py`), streamed or not, token counts, batches, sessions,
and the usage and cost reports for Admin keys.

It is told what to do step by step (`answer`, `fail`, `cut`, …: first told, first done), or left to a behaviour of its
own; without either it says hello. What it served is in `ledger`, also at `GET /_fake/ledger` as JSON lines.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self
from urllib.parse import parse_qsl

from claude_telemetry.fake import admission, batches, reports, sessions
from claude_telemetry.fake.api import Api, Question
from claude_telemetry.fake.batches import Batches, BatchPlan
from claude_telemetry.fake.billing import Billing
from claude_telemetry.fake.delivery import AS_IT_IS, Delivery
from claude_telemetry.fake.doors import Entrance, entrance
from claude_telemetry.fake.ledger import BatchResult, Ledger, ModelRequest, Received, Served
from claude_telemetry.fake.loopback import Exchange, Loopback
from claude_telemetry.fake.metering import metered
from claude_telemetry.fake.reports import Reports
from claude_telemetry.fake.sessions import Sessions, Turn
from claude_telemetry.fake.steps import (
    Answer,
    Cut,
    Hang,
    Outcome,
    Step,
    StreamError,
    failure,
    refusal,
    text_block,
    thinking_block,
    tool_use_block,
)
from claude_telemetry.fake.usage import Meter

_LEDGER = "/_fake/ledger"
_COUNT_TOKENS = ("/v1/messages/count_tokens", "/publishers/anthropic/models/count-tokens:rawPredict")

Behaviour = Callable[[Mapping[str, Any]], Step]
"""Decides by its body what is done with a request that nothing was told about. Called by many threads at once."""


def hello(_: Mapping[str, Any]) -> Step:
    """The behaviour of a stand-in that nothing was told: a short answer to whatever is asked."""
    return Answer()


class FakeClaude:
    """The API on loopback. A context manager; thread-safe."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        behaviour: Behaviour = hello,
        compress: bool = False,
        delivery: Delivery | None = None,
    ) -> None:
        """Port 0 takes a free one. With `compress`, clients that accept gzip get it; `delivery` can say more. Raises
        `OSError` for a port that is taken."""
        self._lock = threading.Lock()
        self._steps: deque[Step] = deque()
        self._behaviour = behaviour
        self._ledger = Ledger()
        delivery = delivery or (Delivery(encoding="gzip") if compress else AS_IT_IS)
        meter = Meter()
        self._api = Api(self._ledger, meter, delivery)
        self._batches = Batches(self._ledger, self._api, meter, delivery, behaviour)
        self._sessions = Sessions(self._ledger, self._api, meter, delivery, behaviour)
        self.billing = Billing(lambda: metered(self._ledger))
        """What the reports for Admin keys tell: what was answered here, and what is added."""
        self._reports = Reports(self.billing, self._api)
        self._server = Loopback(self._answer, host, port)

    @property
    def url(self) -> str:
        """What the SDK takes as `base_url`."""
        return self._server.url

    @property
    def requests(self) -> list[Received]:
        """What came in, in order."""
        return self._ledger.received

    @property
    def ledger(self) -> list[Served]:
        """What went out, in order."""
        return self._ledger.served

    @property
    def batch_results(self) -> list[BatchResult]:
        """What became of the requests of the batches that have ended."""
        return self._ledger.batch_results

    @property
    def model_requests(self) -> list[ModelRequest]:
        """What the sessions asked models, in order."""
        return self._ledger.model_requests

    def answer(
        self,
        text: str = "Hello! How can I help you today?",
        *,
        usage: Mapping[str, Any] | None = None,
        stop_reason: str | None = None,
        tools: Sequence[str] = (),
        thinking: str | None = None,
        content: Sequence[Mapping[str, Any]] | None = None,
        started_usage: Mapping[str, Any] | None = None,
        stop_details: Mapping[str, Any] | None = None,
        model: str | None = None,
        delay_s: float = 0.0,
        chunk_delay_s: float = 0.0,
        headers: Mapping[str, str] | None = None,
        delivery: Delivery | None = None,
        times: int = 1,
    ) -> None:
        """The next `times` requests get `text` after `thinking`, or exactly the blocks of `content`.

        `usage` is sent exactly as it is; a stream sends each part of it where the API does, and `started_usage` in
        its `message_start` when given. `tools` are names of tools that the answer asks for; they make the stop
        reason `tool_use`.
        """
        blocks = content if content is not None else _blocks(text, tools, thinking)
        step = Answer(
            content=blocks,
            usage=usage,
            started_usage=started_usage,
            stop_reason=stop_reason or ("tool_use" if tools else "end_turn"),
            stop_details=stop_details,
            model=model,
            delay_s=delay_s,
            chunk_delay_s=chunk_delay_s,
            headers=headers or {},
            delivery=delivery,
        )
        self.next(step, times)

    def refuse(
        self, category: str | None = None, *, text: str = "", usage: Mapping[str, Any] | None = None, times: int = 1
    ) -> None:
        """The next `times` requests are refused by the policy `category`: after `text`, which is billed, or before
        anything was said, which is not."""
        self.next(refusal(category, text=text, usage=usage), times)

    def fail(
        self,
        status: int = 529,
        type: str | None = None,  # noqa: A002 - the API's own word
        *,
        message: str | None = None,
        times: int = 1,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """The next `times` requests get an error; a 429 asks to wait for a second unless `headers` are given.

        `headers={"retry-after-ms": "1"}` makes the SDK retry at once.
        """
        self.next(failure(status, type, message, headers), times)

    def cut(self, after_events: int = 3, answer: Answer | None = None) -> None:
        """The next stream's connection breaks after so many events; any other answer's halfway through its body."""
        self.next(Cut(after_events=after_events, answer=answer or Answer()))

    def sse_error(
        self,
        after_events: int = 3,
        type: str = "overloaded_error",  # noqa: A002 - the API's own word
        *,
        message: str = "Overloaded",
        answer: Answer | None = None,
    ) -> None:
        """The next stream ends with an `error` event after so many events."""
        self.next(StreamError(after_events=after_events, type=type, message=message, answer=answer or Answer()))

    def hang(self, seconds: float) -> None:
        """The next request gets no byte for so long, and then a broken connection."""
        self.next(Hang(seconds=seconds))

    def batch(
        self,
        outcomes: Mapping[str, Outcome] | None = None,
        *,
        polls: int = 0,
        results_type: str | None = "application/x-jsonl",
        delivery: Delivery | None = None,
    ) -> None:
        """The next batch to be created ends with these outcomes, by `custom_id`, after it was found in progress `polls`
        times. Requests without an outcome are answered as the behaviour has it."""
        self._batches.plan(
            BatchPlan(outcomes=outcomes or {}, polls=polls, results_type=results_type, delivery=delivery)
        )

    def session(self, model: str = "claude-opus-5-5", turns: Sequence[Turn] = ()) -> str:
        """A managed-agent session that has had these turns; each message sent to it makes one more. Its id."""
        return self._sessions.open(model, turns)

    def next(self, step: Step, times: int = 1) -> None:
        """What is done with the next `times` requests that nothing was told about yet."""
        with self._lock:
            self._steps.extend([step] * times)

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        """Ends every connection, a hanging one too. Idempotent."""
        self._server.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _answer(self, exchange: Exchange) -> None:
        path, _, query = exchange.path.partition("?")
        if path == _LEDGER:
            return exchange.send(200, {"content-type": "application/jsonl"}, self._ledger.as_json_lines())
        body = admission.json_of(exchange.body)
        names = tuple(name.lower() for name in exchange.headers)
        self._ledger.receive(Received(method=exchange.command, path=path, query=query, header_names=names, body=body))
        # Platforms put the API below a path of their own, such as `/anthropic/v1/messages`.
        known = path if path.endswith("Predict") else path[max(path.rfind("/v1/"), 0) :]
        found = entrance(known)
        refused = admission.unknown_client(exchange, version_in_body=found is not None and found.door.version_in_body)
        if refused is not None:
            return self._api.fail(exchange, path, refused)
        if known.startswith(batches.PATH):
            return self._batches.take(exchange, known, dict(parse_qsl(query)), body, self.url)
        if known.startswith(reports.PATH):
            return self._reports.take(exchange, known, query)
        if known.startswith(sessions.PATH):
            return self._sessions.take(exchange, known, dict(parse_qsl(query)), body)
        if known.endswith(_COUNT_TOKENS):
            return self._count(exchange, path, body)
        if found is None:
            return self._api.fail(exchange, path, failure(404, message="Not Found"))
        return self._ask(exchange, path, found, body)

    def _count(self, exchange: Exchange, path: str, body: Any) -> None:
        unfit = admission.unfit(exchange, body, ("model", "messages"))
        if unfit is not None:
            return self._api.fail(exchange, path, unfit)
        return self._api.count_tokens(exchange, path, body)

    def _ask(self, exchange: Exchange, path: str, found: Entrance, body: Any) -> None:
        unfit = admission.unfit(exchange, body, found.door.needs)
        if unfit is not None:
            return self._api.fail(exchange, path, unfit, found.door)
        whole = {**body, **found.told}
        return self._api.take(exchange, Question(found.door, path, whole), self._next_step(whole))

    def _next_step(self, body: Mapping[str, Any]) -> Step:
        with self._lock:
            if self._steps:
                return self._steps.popleft()
        return self._behaviour(body)


def _blocks(text: str, tools: Sequence[str], thinking: str | None) -> list[dict[str, Any]]:
    thought = [] if thinking is None else [thinking_block(thinking)]
    said = [text_block(text)] if text else []
    return [*thought, *said, *(tool_use_block(name, {}) for name in tools)]
