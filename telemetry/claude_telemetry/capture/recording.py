"""The life of one call: begin, attempts, first token, end.

A `Recording` is made when the application asks, sees each attempt and reads each body along, and ends once: when
the answer was there, when the application stopped, or with the exception that the application gets. It writes a
`CallRecord` to the call's span: to our own at the end, to one that the SDK started as soon as a fact is known, since
the SDK ends it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from claude_telemetry.capture.attempts import Attempts, connection_error_type, milliseconds, utc
from claude_telemetry.capture.operations import Operation, Platform
from claude_telemetry.capture.usage import Answer, error_type_of
from claude_telemetry.emit import CallSpan, SpanSource
from claude_telemetry.guard import guarded
from claude_telemetry.pricing import (
    Cost,
    cost_columns,
    cost_of,
    model_to_price,
    not_known,
    nothing_due,
    price_version,
)
from claude_telemetry.record import Attempt, Call, CallRecord, Usage
from claude_telemetry.record.call import Status, StreamEnd

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is known of a call when the application asks."""

    operation: Operation
    platform: Platform
    region: str | None
    server_address: str | None
    server_port: int | None
    model: str | None
    max_tokens: int | None
    stream: bool
    labels: Mapping[str, str]
    """By the name of their column."""
    request_attributes: Mapping[str, Any]
    """Further attributes of the request that the SDK's own tracing records."""


class Recording:
    """One call while it runs. Thread-safe in that it ends once, whoever ends it first."""

    __slots__ = (
        "__weakref__",
        "_clock_ns",
        "_first_token_ns",
        "_open",
        "_source",
        "_span_sought",
        "_start_ns",
        "_told",
        "answer",
        "attempts",
        "body_unread",
        "earlier_answers",
        "question",
        "span",
    )

    def __init__(self, question: Question, source: SpanSource) -> None:
        self.question = question
        self.answer = Answer()
        self.attempts = Attempts()
        self.span: CallSpan | None = None
        self.body_unread = False
        """Whether the application has yet to read the answer when `request` returns."""
        self.earlier_answers = 0
        """Answers before the last one: a middleware of the application asked again."""
        self._source = source
        self._span_sought = False
        self._told = False  # whether an adopted span has all that is known, but for how a stream ended
        self._start_ns = time.time_ns()
        self._clock_ns = time.perf_counter_ns()
        self._first_token_ns: int | None = None
        self._open = [True]  # popped by whoever ends the recording: `list.pop` is atomic

    def now_ns(self) -> int:
        """Now, in nanoseconds since the epoch, by a clock that is never set back within a call."""
        return self._start_ns + time.perf_counter_ns() - self._clock_ns

    # The span

    def adopt(self, span: CallSpan) -> None:
        """Takes `span`, which the SDK has just started, as the call's span."""
        self.span = span
        question = self.question
        # Nothing is due before anything is sent; a middleware of the application may know the answer.
        due = {"cost_usd": ZERO, "cost_status": "priced", "billed": False, "price_version": price_version()}
        span.write_facts({"platform": question.platform.name, **due, **question.labels, **self._source.own_labels})

    def sending(self, url: Any, method: str) -> None:
        """An attempt is about to leave: from here on the call has a span, so that the HTTP library's nest under it."""
        self._seek_span()
        if self.span is not None and self.span.own and not self.attempts.done:
            self.span.write_url(url, method)

    def _seek_span(self) -> None:
        """Starts an own span if the SDK has not started one. Once: a sampler that said no is not asked again."""
        if self.span is None and not self._span_sought:
            self._span_sought = True
            self.span = self._source.start(self.question.operation.span_name, self._start_ns, self._first_attributes())

    # The attempts

    def attempt_failed(self, start_ns: int, error: BaseException) -> None:
        self._tell(self.attempts.failed(start_ns, self.now_ns(), error), start_ns)
        self._write_early()

    def attempt_answered(
        self, start_ns: int, status: int, headers: Mapping[str, str], body: Mapping[str, Any] | None
    ) -> None:
        """An attempt had an answer, with `body` if that was read, decoded."""
        error_type = error_type_of(body) if status >= 400 else None
        self._tell(self.attempts.answered(start_ns, self.now_ns(), status, headers, error_type), start_ns)
        if status < 400:
            self._answer_begins()
            if body is not None:
                self.answer.take(body)
        self._write_early()

    def _answer_begins(self) -> None:
        if self.answer.usage is not None:
            self.answer = Answer()
            self.earlier_answers += 1

    def _tell(self, attempt: Attempt, start_ns: int) -> None:
        if self.span is not None:
            self.span.add_attempt(attempt, start_ns)

    # The body

    def take(self, event: Mapping[str, Any]) -> None:
        """A decoded event of the answer's body."""
        if event.get("type") == "content_block_delta":
            if self._first_token_ns is None:
                self._first_token_ns = self.now_ns()
                self._told = False
            return
        news = self.answer.take(event)
        if news:
            self._told = False
        if self.answer.complete:
            self.end("ok", stream_end="read")
        elif self.answer.error_type is not None:
            self.end("error", self.answer.error_type, "cut")
        elif news:
            self._write_early()

    def body_ended(self, how: StreamEnd, error: BaseException | None = None, *, understood: bool = True) -> None:
        """The application has read the body to its end, or stopped. `error` is what it got instead of the rest.

        `understood`: whether it could be read along, so that an answer without its last event is one cut short.
        """
        if how == "cancelled":
            self.end("cancelled", stream_end=how)
        elif error is not None:
            self.end("error", connection_error_type(error), "cut")
        elif how == "read" and not understood:
            self.end("ok", stream_end=how)
        elif how == "read":
            # A clean end without the last event: the SDK raises nothing, and its tracing calls it an `api_error`.
            self.end("error", "api_error", "cut")
        else:
            self.end("cancelled", stream_end=how)

    # The end

    def returned(self) -> None:
        """`request` gave the application an answer. One that it has yet to read ends with the reading."""
        if self.body_unread:
            return
        if self.answer.error_type is not None:
            self.end("error", self.answer.error_type)
        else:
            self.end("ok")

    def end(self, status: Status, error_type: str | None = None, stream_end: StreamEnd | None = None) -> None:
        """Ends the recording, unless it has ended."""
        try:
            self._open.pop()
        except IndexError:
            return
        end_ns = self.now_ns()
        self._seek_span()  # if it never came to an attempt: a bad argument, or a middleware that knew the answer
        span = self.span
        if span is None or not span.is_open():
            return
        if self._told:
            span.write_facts({"stream_end": stream_end} if self.question.stream and stream_end is not None else {})
        else:
            span.end(self._record(status, error_type, stream_end, end_ns), end_ns)

    def _write_early(self) -> None:
        if self.span is not None and not self.span.own and self._open:
            # Of a failed attempt the SDK tells status and id itself, if it was the last; here they could go stale.
            self.span.write(self._record("ok", None, self._pending_end(), None), answered=not self.attempts.last_failed)
            self._told = True

    def _pending_end(self) -> StreamEnd | None:
        """How a streamed answer has ended if nobody tells us more: the SDK's span may end before we hear of it."""
        return "closed" if self.body_unread else None

    # The record

    def _first_attributes(self) -> dict[str, Any]:
        """What a span starts with, so that a sampler sees it. As the SDK's own tracing has it."""
        question = self.question
        attributes: dict[str, Any] = {
            "server.address": question.server_address,
            "server.port": question.server_port,
            "gen_ai.provider.name": question.platform.provider,
            "gen_ai.operation.name": question.operation.name if question.operation.billed else None,
            "gen_ai.request.model": question.model,
            "gen_ai.request.max_tokens": question.max_tokens,
            "gen_ai.request.stream": True if question.stream else None,
            "http.request.method": "POST",
            "http.route": question.operation.route,
            **question.request_attributes,
        }
        return {name: value for name, value in attributes.items() if value is not None}

    def _record(
        self, status: Status, error_type: str | None, stream_end: StreamEnd | None, end_ns: int | None
    ) -> CallRecord:
        question, answer, attempts = self.question, self.answer, self.attempts
        usage = Usage.from_wire(answer.usage) if answer.usage is not None else Usage()
        cost, billed = self._cost(ended=end_ns is not None)
        columns: dict[str, Any] = cost_columns(cost, self._flags()) if cost is not None else {}
        columns.update(question.labels, **self._source.own_labels)
        first_token_ns = self._first_token_ns
        trace_id, span_id, parent_span_id = self.span.ids if self.span is not None else ("", "", None)
        call = Call(
            started_at=utc(self._start_ns),
            duration_ms=None if end_ns is None else milliseconds(end_ns - self._start_ns),
            ttft_ms=None if first_token_ns is None else milliseconds(first_token_ns - self._start_ns),
            provider=question.platform.provider,
            platform=question.platform.name,
            operation=question.operation.name,
            request_model=question.model,
            model=answer.model,
            status=status,
            error_type=error_type,
            http_status=attempts.http_status,
            request_id=attempts.request_id,
            message_id=answer.message_id,
            trace_id=trace_id,
            span_id=span_id,
            parent_span_id=parent_span_id,
            input_tokens=usage.input_tokens,
            cache_read_tokens=usage.cache_read_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            cache_write_5m_tokens=usage.cache_write_5m_tokens,
            cache_write_1h_tokens=usage.cache_write_1h_tokens,
            output_tokens=usage.output_tokens if answer.output_known else None,
            thinking_tokens=usage.thinking_tokens if answer.output_known else None,
            web_search_requests=usage.web_search_requests if answer.output_known else None,
            billed=billed,
            stop_reason=answer.stop_reason,
            refusal_category=answer.refusal_category,
            max_tokens=question.max_tokens,
            stream=question.stream,
            stream_end=stream_end if question.stream else None,
            attempts=len(attempts.done),
            service_tier=_text(answer.usage, "service_tier"),
            speed=_text(answer.usage, "speed"),
            inference_geo=_text(answer.usage, "inference_geo"),
            organization_id=attempts.organization_id,
            workspace_id=attempts.workspace_id,
            usage=json.dumps(answer.usage, separators=(",", ":")) if answer.usage is not None else None,
            **columns,
        )
        return CallRecord(call=call, attempts=tuple(attempts.done), tool_uses=tuple(answer.tool_uses))

    def _cost(self, *, ended: bool) -> tuple[Cost | None, bool | None]:
        """What the call costs as far as it has come, and whether it is billed. `None` for what cannot be known."""
        with guarded("price a call"):
            question, answer = self.question, self.answer
            if not question.operation.billed:
                return nothing_due(), False
            if answer.usage is None and self.attempts.none_was_billed and (self.attempts.done or ended):
                return nothing_due(), False
            if answer.usage is None:
                return not_known(), None
            cost = cost_of(
                answer.usage,
                model=model_to_price(question.platform.name, asked=question.model, answered=answer.model),
                at=utc(self._start_ns),
                platform=question.platform.name,
                region=question.region,
                empty_refusal=answer.empty_refusal,
                refusal_category=answer.refusal_category,
                declined=answer.declined,
                incomplete=not answer.output_known,
            )
            if self.earlier_answers and cost.status == "priced":
                cost = replace(cost, status="partial")
            return cost, "refusal_not_billed" not in cost.flags
        return None, None

    def _flags(self) -> list[str]:
        """What the cost leaves out, as only the client can know."""
        left_out = {"abandoned_attempts": self.attempts.abandoned, "earlier_answers": self.earlier_answers}
        return [flag for flag, count in left_out.items() if count]


def _text(usage: Mapping[str, Any] | None, name: str) -> str | None:
    value = usage.get(name) if usage is not None else None
    return value if isinstance(value, str) else None
