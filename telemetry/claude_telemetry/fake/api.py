"""How one step is carried out over one exchange, and written into the ledger."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from claude_telemetry.fake import doors, wire
from claude_telemetry.fake.delivery import Delivery, Outgoing
from claude_telemetry.fake.doors import Door
from claude_telemetry.fake.ledger import Ledger, Served
from claude_telemetry.fake.loopback import Exchange
from claude_telemetry.fake.prompt_cache import tokens_of
from claude_telemetry.fake.steps import Answer, Cut, Failure, Hang, Step, StreamError, is_unbilled
from claude_telemetry.fake.usage import Meter


@dataclass(frozen=True, slots=True)
class Question:
    """A sound request to a model."""

    door: Door
    path: str
    body: Mapping[str, Any]
    """As the Messages API would have it: with the model, and whether to stream."""


class Api:
    """Answers as the API does."""

    def __init__(self, ledger: Ledger, meter: Meter, delivery: Delivery) -> None:
        self._ledger = ledger
        self._meter = meter
        self._delivery = delivery

    def take(self, exchange: Exchange, question: Question, step: Step) -> None:
        """Does with a question what `step` says."""
        match step:
            case Failure():
                exchange.stopping.wait(step.delay_s)
                self.fail(exchange, question.path, step, question.door)
            case Hang():
                exchange.stopping.wait(step.seconds)
                exchange.break_off()
            case Answer():
                self._answer(exchange, question, step, step)
            case Cut() | StreamError():
                self._answer(exchange, question, step, step.answer)

    def fail(self, exchange: Exchange, path: str, failed: Failure, door: Door = doors.MESSAGES) -> None:
        request_id = wire.new_id("req_01")
        self._ledger.serve(
            Served(request_id=request_id, path=path, status=failed.status, error_type=failed.type, ended=True)
        )
        headers, body = door.failed(failed, request_id)
        exchange.send(failed.status, {**headers, **failed.headers}, json.dumps(body).encode())

    def count_tokens(self, exchange: Exchange, path: str, body: Mapping[str, Any]) -> None:
        count = {"input_tokens": sum(tokens_of(body[name]) for name in ("tools", "system", "messages") if name in body)}
        self.tell(exchange, path, count, model=str(body["model"]), usage=count)

    def tell(self, exchange: Exchange, path: str, body: Mapping[str, Any], **facts: Any) -> None:
        """Sends `body` and writes it into the ledger with these `facts`: an answer that no model gave."""
        request_id = wire.new_id("req_01")
        entry = self._ledger.serve(Served(request_id=request_id, path=path, status=200, **facts))
        outgoing = Outgoing(exchange, self._delivery, doors.MESSAGES.headers(request_id))
        self._ledger.ending(entry, lambda: outgoing.whole(200, json.dumps(body).encode()))

    def _answer(self, exchange: Exchange, question: Question, step: Step, answer: Answer) -> None:
        exchange.stopping.wait(answer.delay_s)
        door, body = question.door, question.body
        whole = door.whole(body, answer, self._meter.usage_of(body, answer) if door.says_usage else {})
        if body.get("stream") is True:
            self._stream(exchange, question, whole, step, answer)
        else:
            self._send_whole(exchange, question, whole, step, answer)

    def _send_whole(
        self, exchange: Exchange, question: Question, whole: Mapping[str, Any], step: Step, answer: Answer
    ) -> None:
        request_id = wire.new_id("req_01")
        headers, data = {**question.door.headers(request_id), **answer.headers}, json.dumps(whole).encode()
        outgoing = Outgoing(exchange, answer.delivery or self._delivery, headers)
        served = _served(request_id, question, whole)
        entry = self._ledger.serve(served)
        if isinstance(step, Cut):
            outgoing.half(200, data)
        else:
            self._ledger.ending(entry, lambda: outgoing.whole(200, data))

    def _stream(
        self, exchange: Exchange, question: Question, whole: Mapping[str, Any], step: Step, answer: Answer
    ) -> None:
        request_id = wire.new_id("req_01")
        door, delivery = question.door, answer.delivery or self._delivery
        headers = {**door.headers(request_id), "content-type": door.stream_type, **answer.headers}
        outgoing = Outgoing(exchange, delivery, headers)
        events = list(door.events(whole, answer))
        upto = step.after_events if isinstance(step, Cut | StreamError) else len(events)
        entry = self._ledger.serve(_served(request_id, question, whole, stream=True))
        outgoing.begin(200)
        for event in events[:upto]:
            if event["type"] in ("content_block_delta", "completion"):
                exchange.stopping.wait(answer.chunk_delay_s)
            self._note(entry, event)
            outgoing.piece(door.frame(event, delivery))
        if isinstance(step, Cut):
            return outgoing.break_off()
        if isinstance(step, StreamError):
            self._ledger.change(entry, error_type=step.type)
            outgoing.piece(door.broken(step.type, step.message, request_id, delivery))
            return outgoing.end()
        return self._ledger.ending(entry, outgoing.end)

    def _note(self, entry: int, event: Mapping[str, Any]) -> None:
        """Keeps the ledger at what the client can know, and before the client knows it: it may look at once."""
        if event["type"] == "message_start":
            self._ledger.change(entry, usage=event["message"]["usage"])
        elif event["type"] == "message_delta":
            usage = {**self._ledger[entry].usage, **event["usage"]}
            self._ledger.change(entry, usage=usage, stop_reason=event["delta"]["stop_reason"])
        elif event["type"] == "completion" and event["stop_reason"] is not None:
            self._ledger.change(entry, stop_reason=event["stop_reason"])


def _served(request_id: str, question: Question, whole: Mapping[str, Any], *, stream: bool = False) -> Served:
    return Served(
        request_id=request_id,
        path=question.path,
        status=200,
        message_id=whole["id"],
        model=whole["model"],
        stream=stream,
        usage={} if stream else whole.get("usage", {}),
        stop_reason=None if stream else whole["stop_reason"],
        unbilled=is_unbilled(whole) if "content" in whole else False,
    )
