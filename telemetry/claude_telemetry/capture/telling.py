"""What a call's span in the application's tracing is told, and when.

An own span is told everything when the call ends. One that the SDK started is told each thing as soon as it is known,
since the SDK ends it, sometimes before we hear of the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from claude_telemetry.capture.attempts import milliseconds
from claude_telemetry.capture.facts import (
    all_facts,
    charge_so_far,
    facts_beside_the_sdks,
    facts_without_answer,
)
from claude_telemetry.emit import CallSpan, url_attributes
from claude_telemetry.guard import guarded
from claude_telemetry.record.attributes import NOTHING_SENT, tool_use_attributes

if TYPE_CHECKING:
    from claude_telemetry.capture.recording import Recording


def tell_attempt(recording: Recording, start_ns: int, *, answered: bool) -> None:
    """An attempt that began at `start_ns` has failed, or was `answered` well, maybe with a body yet to be read."""
    span = recording.span
    if span is None:
        return
    # On spans that are all that is told of a call, each attempt; on others those of calls that had trouble.
    if (recording.pipeline.complete_spans or recording.attempts.trouble) and span.is_open:
        span.add_attempt(recording.attempts.last_record(), start_ns)
    if span.own:
        return
    if answered and not recording.body_unread:
        _tell_answer(recording, span)
        return
    facts = facts_without_answer(recording)
    if answered and recording.question.stream:
        facts["stream_end"] = "closed"  # what holds if the stream is closed at once
    span.write(facts)


def tell_first_event(recording: Recording) -> None:
    """The first event of a body has come that holds no answer."""
    span = _adopted(recording)
    if span is not None and recording.first_event_ns is not None:
        span.write({"first_event_ms": milliseconds(recording.first_event_ns - recording.start_ns)})


def tell_first_token(recording: Recording) -> None:
    """The first piece of content has come."""
    span = _adopted(recording)
    if span is not None and recording.first_token_ns is not None:
        span.write({"ttft_ms": milliseconds(recording.first_token_ns - recording.start_ns)})


def tell_news(recording: Recording, event: Mapping[str, Any]) -> None:
    """An event of a stream has told something of the answer."""
    span = _adopted(recording)
    if span is None:
        return
    if event.get("type") == "content_block_start":
        span.write_attributes(tool_use_attributes(recording.answer.tool_uses))
    else:
        # The SDK's span may end before we hear how the stream did.
        _tell_so_far(recording, span, stream_end="closed")


def tell_whole_stream(recording: Recording) -> None:
    """A stream is there to its end, unless a middleware asks again."""
    span = _adopted(recording)
    if span is not None:
        span.write({"stream_end": "read"})


def tell_end(recording: Recording, span: CallSpan) -> None:
    """The call is over."""
    if not span.is_open:
        return
    if span.own:
        _tell_all(recording, span)
        return
    _tell_content(recording, span)
    if recording.items is not None and recording.status == "ok":
        _tell_so_far(recording, span)
        span.is_fine()
    elif recording.told:
        span.write({"stream_end": recording.stream_end} if recording.question.stream else {})
    else:
        _tell_so_far(recording, span)


def found_out(recording: Recording) -> dict[str, Any]:
    """Attributes that are no facts of the record, and not known when a span starts. Named as by the SDK's tracing."""
    found: dict[str, Any] = {} if recording.url is None else dict(url_attributes(recording.url))
    if recording.answer.counted_tokens is not None:
        found["anthropic.message.count_tokens.input_tokens"] = recording.answer.counted_tokens
    return found


def _adopted(recording: Recording) -> CallSpan | None:
    span = recording.span
    return None if span is None or span.own else span


def _tell_all(recording: Recording, span: CallSpan) -> None:
    facts: dict[str, Any] = {}
    further: dict[str, Any] = {}
    with guarded("tell a span all about its call"):
        facts = all_facts(recording, complete=recording.pipeline.complete_spans)
        if not len(recording.attempts):
            for column in (*NOTHING_SENT, "price_version"):
                facts.pop(column, None)
        further.update(found_out(recording))
        further.update(_further(recording))
        _tell_content(recording, span)
    span.end(facts, further, recording.status, recording.end_ns or recording.start_ns)


def _tell_answer(recording: Recording, span: CallSpan) -> None:
    """An answer was read whole, so the SDK is about to end its span, and writes there what it knows itself."""
    _tell_content(recording, span)
    if recording.pipeline.complete_spans:
        _tell_so_far(recording, span)
        return
    recording.told = True
    charge, billed = charge_so_far(recording)
    span.write_at_once(facts_beside_the_sdks(recording, charge, billed=billed), _further(recording))


def _tell_so_far(recording: Recording, span: CallSpan, **pending: str) -> None:
    recording.told = True
    facts = all_facts(recording, complete=recording.pipeline.complete_spans)
    facts.update(pending)
    span.write(facts)
    further = _further(recording)
    if further:
        span.write_attributes(further)


def _further(recording: Recording) -> dict[str, Any]:
    """The tools that were asked for, and content if that is wanted."""
    further: dict[str, Any] = tool_use_attributes(recording.answer.tool_uses)
    policy, content = recording.content_policy, recording.content
    if policy is not None and content is not None and policy.on_spans:
        further.update({**recording.content_asked, **content.attributes()})
    return further


def _tell_content(recording: Recording, span: CallSpan) -> None:
    """Adds content as an event, if that is wanted: once, with the whole answer."""
    policy, content = recording.content_policy, recording.content
    if policy is not None and content is not None and policy.on_events and not recording.content_told:
        recording.content_told = True
        span.add_content({**recording.content_asked, **content.attributes()})
