"""The life of one call: begin, attempts, first token, end.

A `Recording` is made when the application asks, sees each attempt and reads each body along, and ends once: when
the answer was there, when the application stopped, or with the exception that the application gets. What it then knows
goes to the call's span, if it has one in the application's tracing (`telling.py`), and to delivery, whose thread works
out the rest.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

from opentelemetry.trace import get_current_span

from claude_telemetry import spending
from claude_telemetry.asked import Asking, remember_call
from claude_telemetry.capture.attempts import Attempts, Headers, connection_error_type
from claude_telemetry.capture.facts import all_facts, facts_at_least, record_of
from claude_telemetry.capture.items import reader_of_items
from claude_telemetry.capture.question import Question
from claude_telemetry.capture.rate_limits import rate_limits_of
from claude_telemetry.capture.telling import (
    found_out,
    tell_attempt,
    tell_end,
    tell_first_event,
    tell_first_token,
    tell_news,
    tell_whole_stream,
)
from claude_telemetry.capture.usage import Answer, error_type_of
from claude_telemetry.emit import CallSpan, Ids, Pipeline
from claude_telemetry.guard import guarded
from claude_telemetry.record import Call, CallRecord
from claude_telemetry.record.call import Status, StreamEnd

if TYPE_CHECKING:
    from claude_telemetry.capture.content import Attributes, ContentPolicy, OutputCollector


class Recording:
    """One call while it runs, and after. Thread-safe in that it ends once, whoever ends it first."""

    __slots__ = (
        "__weakref__",
        "_asking",
        "_chunk_times_ns",
        "_clock_ns",
        "_ids",
        "_metered",
        "_open",
        "_parent",
        "_record",
        "_sampled",
        "_span_sought",
        "answer",
        "attempts",
        "body_unread",
        "content",
        "content_asked",
        "content_policy",
        "content_told",
        "earlier_answers",
        "end_ns",
        "error_type",
        "first_event_ns",
        "first_token_ns",
        "items",
        "may_ask_again",
        "pipeline",
        "question",
        "span",
        "start_ns",
        "status",
        "stream_end",
        "told",
        "url",
        "watched",
    )

    def __init__(self, question: Question, pipeline: Pipeline) -> None:
        self.question = question
        self.answer = Answer()
        self.earlier_answers: list[Answer] = []
        """Answers before the last one: a middleware asked again, such as another model after a refusal."""
        self.attempts = Attempts()
        self.span: CallSpan | None = None
        self.body_unread = False
        """Whether the application has yet to read the answer when `request` returns."""
        self.may_ask_again = True
        """Whether an answer need not be the last: a middleware may ask again while the SDK's `request` runs, and while
        the application reads a stream that a middleware made."""
        self.first_event_ns: int | None = None
        self.first_token_ns: int | None = None
        self.end_ns: int | None = None
        self.status: Status = "ok"
        self.error_type: str | None = None
        self.stream_end: StreamEnd | None = None
        self.watched: weakref.ref[Any] | None = None
        """The response whose body is watched."""
        self.pipeline = pipeline
        self._parent = get_current_span().get_span_context()
        self._ids: Ids | None = None
        self._sampled: bool | None = None  # `None` where the application has no tracing
        self.url: Any = None
        self._asking: Asking | None = None
        self.content_policy: ContentPolicy | None = None
        self.content: OutputCollector | None = None
        self.content_told = False
        self.content_asked: Attributes = {}
        self._span_sought = False
        self.told = False  # whether an adopted span has all that is known, but for how a stream ended
        self._record: CallRecord | None = None
        self.items = reader_of_items(question, self.attempts, pipeline)
        self._metered = False
        with guarded("count a call in flight"):
            if question.operation.billed:
                spending.began(self, question.facts)
            if pipeline.metrics.active():
                pipeline.metrics.began(question.operation.name, question.model, question.platform.provider)
                self._metered = True
        self._chunk_times_ns: list[int] | None = [] if self._metered and question.stream else None
        self._open = [True]  # popped by whoever ends the recording: `list.pop` is atomic
        self.start_ns = time.time_ns()
        self._clock_ns = time.perf_counter_ns()

    def now_ns(self) -> int:
        """Now, in nanoseconds since the epoch, by a clock that is never set back within a call."""
        return self.start_ns + time.perf_counter_ns() - self._clock_ns

    # The span

    def adopt(self, span: CallSpan) -> None:
        """Takes `span`, which the SDK has just started, as the call's span."""
        self.span = span
        span.adopted({**self.own_labels, **self.question.facts})

    def sending(self, url: Any) -> None:
        """An attempt is about to leave: from here on the call has a span, so that the HTTP library's nest under it."""
        if self.url is None:
            self.url = url
            self._seek_span()
            self._asking = remember_call(self.ids[0], self.ids[1])

    def _seek_span(self) -> None:
        """Starts an own span if the SDK has not started one. Once: a sampler that said no is not asked again."""
        if self.span is None and not self._span_sought:
            self._span_sought = True
            operation = self.question.operation
            self.span = self.pipeline.start(
                operation.span_name, self.start_ns, self.question.first_attributes(), self._parent
            )

    def take_content(self, policy: ContentPolicy, body: object) -> None:
        """Records what is asked in the request's `body`, and what is answered, on the application's span."""
        if isinstance(body, dict):
            self.content_policy = policy
            self.content = policy.collector()
            self.content_asked = policy.question(cast("Mapping[str, Any]", body))

    # The attempts

    def attempt_failed(self, start_ns: int, error: BaseException) -> None:
        self.attempts.failed(start_ns, self.now_ns(), error)
        tell_attempt(self, start_ns, answered=False)

    def attempt_answered(
        self, start_ns: int, status: int, headers: Iterable[tuple[bytes, bytes]], body: Mapping[str, Any] | None
    ) -> None:
        """An attempt had an answer with raw `headers`, and with `body` if that was read, decoded."""
        failed = status >= 400
        with guarded("take in an attempt"):
            by_name: Headers = {name.lower(): value for name, value in headers}
            error_type = error_type_of(body) if failed and body is not None else None
            self.attempts.answered(start_ns, self.now_ns(), status, by_name, error_type)
        if self._metered:
            with guarded("keep rate limits"):
                limits = rate_limits_of(headers)
                if limits is not None:
                    of = self.attempts.organization_id
                    self.pipeline.metrics.rate_limits(limits, organization_id=of, model=self.question.model)
        if not failed:
            self._answer_begins()
            if body is not None:
                self._taken(body)
        with guarded("tell a span of an attempt"):
            tell_attempt(self, start_ns, answered=not failed)

    def _answer_begins(self) -> None:
        if self.answer.usage is not None:
            self.earlier_answers.append(self.answer)
            self.answer = Answer()

    # The body

    def take(self, event: Mapping[str, Any]) -> None:
        """A decoded event of the answer's body, but no piece of content: see `piece`."""
        if self.first_event_ns is None:
            self.first_event_ns = self.now_ns()
            if self.items is not None:
                with guarded("tell a span of an event"):
                    tell_first_event(self)
        news = self._taken(event)
        answer = self.answer
        if answer.complete and self.items is None:
            if not self.may_ask_again:
                self.end("ok", stream_end="read")
            else:
                with guarded("tell a span of an event"):
                    tell_whole_stream(self)
        elif answer.error_type is not None:
            self.end("error", answer.error_type, "cut")
        elif news:
            with guarded("tell a span of an event"):
                tell_news(self, event)

    def piece(self, event: Mapping[str, Any]) -> None:
        """A piece of content has come: a `content_block_delta`, decoded only if content is wanted."""
        if self.content is not None:
            with guarded("gather the content of an answer"):
                self.content.take(event)
        if self.first_token_ns is None:
            self.first_token_ns = self.now_ns()
            with guarded("tell a span of an event"):
                tell_first_token(self)
        if self._chunk_times_ns is not None:
            self._chunk_times_ns.append(time.perf_counter_ns())

    @property
    def counts_pieces(self) -> bool:
        """Whether every piece of content has to be told of, and not only the first."""
        return self._chunk_times_ns is not None

    @property
    def wants_content(self) -> bool:
        """Whether pieces of content are to be taken in, and not only counted."""
        return self.content is not None

    def _taken(self, event: Mapping[str, Any]) -> bool:
        if self.items is not None:
            self.items.take(event)
            return False
        if self.content is not None:
            with guarded("gather the content of an answer"):
                self.content.take(event)
        return self.answer.take(event)

    def body_ended(self, how: StreamEnd, error: BaseException | None = None, *, understood: bool = True) -> None:
        """The application has read the body to its end, or stopped. `error` is what it got instead of the rest.

        `understood`: whether it could be read along, so that an answer without its last event is one cut short.
        """
        if self.may_ask_again:
            self.body_unread = False  # by the application: whoever reads it now decides what comes of it
        elif how == "cancelled":
            self.end("cancelled", stream_end=how)
        elif error is not None:
            error_type = "client_error"
            with guarded("tell what a call met"):
                error_type = connection_error_type(error)
            self.end("error", error_type, "cut")
        elif how != "read":
            self.end("cancelled", stream_end=how)
        elif self.answer.complete or not understood or self.question.operation.tells != "answer":
            self.end("ok", stream_end=how)
        else:
            # A clean end without the last event: the SDK raises nothing, and its tracing calls it an `api_error`.
            self.end("error", "api_error", "cut")

    # The end

    def returned(self) -> None:
        """`request` gave the application an answer. One that it has yet to read ends with the reading."""
        self.may_ask_again = False
        if self.answer.error_type is not None:
            self.end("error", self.answer.error_type)
        elif not self.body_unread or self.answer.complete:
            self.end("ok", stream_end="read" if self.answer.complete and self.question.stream else None)

    def end(self, status: Status, error_type: str | None = None, stream_end: StreamEnd | None = None) -> None:
        """Ends the recording, unless it has ended."""
        try:
            self._open.pop()
        except IndexError:
            return
        self.end_ns = self.now_ns()
        self.status, self.error_type, self.stream_end = status, error_type, stream_end
        with guarded("write a call's span"):
            self._seek_span()  # if it never came to an attempt: a bad argument, or a middleware that knew the answer
            span = self.span
            if span is not None:
                self._ids, self._sampled = span.ids, span.sampled
                tell_end(self, span)
        # What waits for delivery is kept small: the more new memory each call takes, the slower it is.
        self.span = self.content = self.content_policy = None
        self.content_asked = {}
        if self._asking is not None:
            with guarded("remember the tools that a call asked for"):
                self._asking.ended(self.answer.tool_uses)
                self._asking = None
        with guarded("put a call aside to add up what it costs"):
            spending.ended(self)
        self.pipeline.ended(self)
        if self._metered:
            question = self.question
            self.pipeline.metrics.ended_untold(
                self._call, question.operation.name, question.model, question.platform.provider, self._chunk_gaps_s()
            )

    def _chunk_gaps_s(self) -> list[float]:
        times_ns = self._chunk_times_ns or []
        return [(later - sooner) / 1e9 for sooner, later in pairwise(times_ns)]

    @property
    def own_labels(self) -> Mapping[str, Any]:
        """Columns that are the same for every call of this process."""
        return self.pipeline.own_labels

    # An ended call, as delivery sees it

    @property
    def span_name(self) -> str:
        return self.question.operation.span_name

    @property
    def ids(self) -> Ids:
        """Of the call's span, or what stands in for them where the application has no tracing."""
        if self._ids is None:
            self._ids = self.span.ids if self.span is not None else self.pipeline.ids_without_span(self._parent)
        return self._ids

    @property
    def sampled(self) -> bool:
        if self._sampled is not None:
            return self._sampled
        return self.pipeline.samples(self.ids, self.span_name, self.question.first_attributes(), self._parent)

    @property
    def resource(self) -> Mapping[str, Any]:
        return self.pipeline.resource

    def record(self) -> CallRecord:
        """What is recorded about the call. Worked out when first asked for, once the call has ended."""
        if self._record is None:
            facts = facts_at_least(self)
            with guarded("work out what a call comes to"):
                facts = all_facts(self, complete=True)
            self._record = record_of(self, facts)
        return self._record

    def facts(self) -> Mapping[str, Any]:
        """What is recorded about the call that has ended, by the names of columns, or most of it: that takes half as
        long."""
        if self._record is not None:
            return spending.facts_of(self._record.call)
        facts = facts_at_least(self)
        with guarded("work out what a call comes to"):
            facts = all_facts(self, complete=False)
        facts["status"] = self.status
        return facts

    def _call(self) -> Call:
        return self.record().call

    def further_attributes(self) -> Mapping[str, Any]:
        attributes = self.question.first_attributes()
        with guarded("tell where a call went"):
            attributes.update(found_out(self))
        return attributes


current_recording: ContextVar[Recording | None] = ContextVar("claude_telemetry_recording", default=None)
"""The call that the SDK works on in this context."""
