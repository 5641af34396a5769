"""What a recording comes to: its question, attempts and answers as the columns of a call."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from claude_telemetry.capture.attempts import milliseconds, utc
from claude_telemetry.capture.question import Question
from claude_telemetry.capture.usage import Answer
from claude_telemetry.guard import guarded
from claude_telemetry.pricing import (
    Charge,
    charge_of,
    cost_in_short,
    cost_lines,
    model_to_price,
    not_known,
    nothing_due,
    together,
)
from claude_telemetry.record import Call, CallRecord
from claude_telemetry.record.attributes import usd
from claude_telemetry.record.usage import counts_in

if TYPE_CHECKING:
    from claude_telemetry.capture.recording import Recording

_ZERO = Decimal(0)
_OF_THE_OUTPUT = (
    "output_tokens",
    "thinking_tokens",
    "web_search_requests",
    "web_fetch_requests",
    "code_execution_requests",
)
_BY_THE_SDK = ("output_tokens", "thinking_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens")
_encode = json.JSONEncoder(separators=(",", ":")).encode


def all_facts(recording: Recording, *, complete: bool) -> dict[str, Any]:
    """The columns of the call as far as they are known. Unless `complete`, without those that take long to write."""
    charge, billed = charge_so_far(recording)
    facts = _facts_of(recording, charge, billed=billed)
    if complete:
        facts.update(_packed_facts(recording, charge))
    return facts


def facts_at_least(recording: Recording) -> dict[str, Any]:
    """What is known of the call without any working out: better than nothing, should that fail."""
    question, answer, attempts = recording.question, recording.answer, recording.attempts
    return {
        **recording.own_labels,
        **question.facts,
        "model": answer.model,
        "error_type": recording.error_type,
        "http_status": attempts.http_status,
        "request_id": attempts.request_id,
        "message_id": answer.message_id,
        "stop_reason": answer.stop_reason,
        "attempts": len(attempts),
        "organization_id": attempts.organization_id,
        "workspace_id": attempts.workspace_id,
    }


def _facts_of(recording: Recording, charge: Charge | None, *, billed: bool | None) -> dict[str, Any]:
    """The columns of the call as far as they are known, without those that take long to write. Of a call that has not
    ended they are what holds so far."""
    question, answer = recording.question, recording.answer
    facts = facts_at_least(recording)
    facts["billed"] = billed
    facts["refusal_category"] = _refusal_category(recording)
    if answer.stop_reason == "refusal":
        facts["empty_refusal"] = answer.empty_refusal
    if charge is not None:
        facts.update(cost_in_short(charge, _flags(recording)))
    usage = answer.usage
    if usage is not None:
        facts.update(counts_in(usage))
        for name in ("service_tier", "speed", "inference_geo"):
            value = usage.get(name)
            if isinstance(value, str):
                facts[name] = value
        if not answer.output_known:
            for name in _OF_THE_OUTPUT:
                facts.pop(name, None)
    if question.stream:
        facts["stream_end"] = recording.stream_end
        _time_the_stream(recording, facts)
    facts["usage_partial"] = question.operation.billed and _is_partial(recording)
    return facts


def facts_beside_the_sdks(recording: Recording, charge: Charge | None, *, billed: bool | None) -> dict[str, Any]:
    """Of `all_facts`, what the SDK does not write itself on the span of an answer that was read when `request`
    returned: compare `SPAN_ATTRIBUTES` in `_tracing.py` of anthropic 2.10."""
    answer = recording.answer
    facts: dict[str, Any] = {"billed": billed, "attempts": len(recording.attempts), "usage_partial": False}
    refusal_category = _refusal_category(recording)
    if refusal_category is not None:
        facts["refusal_category"] = refusal_category
    if answer.stop_reason == "refusal":
        facts["empty_refusal"] = answer.empty_refusal
    if charge is not None:
        facts.update(cost_in_short(charge, _flags(recording)))
    usage = answer.usage
    if usage is not None:
        facts.update(counts_in(usage))
        for name in ("speed", "inference_geo"):
            value = usage.get(name)
            if value.__class__ is str:
                facts[name] = value
        for name in _BY_THE_SDK:
            facts.pop(name, None)
    else:
        facts["usage_partial"] = recording.question.operation.billed and _is_partial(recording)
    return facts


def facts_without_answer(recording: Recording) -> dict[str, Any]:
    """What is known of a call whose attempts so far have brought no answer, or one that is yet to be read."""
    charge, billed = charge_so_far(recording)
    facts: dict[str, Any] = {
        "attempts": len(recording.attempts),
        "billed": billed,
        "usage_partial": recording.question.operation.billed and _is_partial(recording),
    }
    if charge is not None:
        facts.update(cost_in_short(charge, _flags(recording)))
    return facts


def _refusal_category(recording: Recording) -> str | None:
    """Of the answer, else of the last one before it that a middleware asked another model for."""
    answers = (recording.answer, *reversed(recording.earlier_answers))
    return next((answer.refusal_category for answer in answers if answer.refusal_category is not None), None)


def _time_the_stream(recording: Recording, facts: dict[str, Any]) -> None:
    for column, at_ns in (("ttft_ms", recording.first_token_ns), ("first_event_ms", recording.first_event_ns)):
        if at_ns is not None:
            facts[column] = milliseconds(at_ns - recording.start_ns)


def _is_partial(recording: Recording) -> bool:
    """Whether more was used, or may have been, than the counts say."""
    if recording.answer.usage is not None:
        return not recording.answer.output_known
    return not recording.attempts.none_was_billed


def _packed_facts(recording: Recording, charge: Charge | None) -> dict[str, Any]:
    """The columns that take long to write: the usage as it came, and the cost line by line."""
    packed: dict[str, Any] = {}
    if recording.answer.usage is not None:
        packed["usage"] = _encode(recording.answer.usage)
    if recording.answer.declined:
        packed["declined"] = _encode(_declined(recording.answer))
    if charge is not None:
        packed["cost_breakdown"] = cost_lines(charge)
    if recording.earlier_answers:
        answers = [*recording.earlier_answers, recording.answer]
        packed["hops"] = _encode([_hop(recording, answer) for answer in answers])
    return packed


def record_of(recording: Recording, facts: Mapping[str, Any]) -> CallRecord:
    """The record of a call that has ended, of all its `facts`."""
    trace_id, span_id, parent_span_id = recording.ids
    end_ns = recording.end_ns or recording.start_ns
    call = Call(
        started_at=utc(recording.start_ns),
        duration_ms=milliseconds(end_ns - recording.start_ns),
        status=recording.status,
        trace_id=format(trace_id, "032x"),
        span_id=format(span_id, "016x"),
        parent_span_id=None if parent_span_id is None else format(parent_span_id, "016x"),
        **facts,
    )
    return CallRecord(call=call, attempts=recording.attempts.records(), tool_uses=tuple(recording.answer.tool_uses))


def charge_so_far(recording: Recording) -> tuple[Charge | None, bool | None]:
    """What the call costs as far as it has come, and whether it is billed. `None` for what cannot be known."""
    with guarded("price a call"):
        if not recording.question.operation.billed:
            return nothing_due(), False
        if recording.answer.usage is None and not recording.earlier_answers:
            attempts = recording.attempts
            if attempts.none_was_billed and (len(attempts) or recording.end_ns is not None):
                return nothing_due(), False
            return not_known(), None
        charges = [_charge(recording, answer) for answer in (*recording.earlier_answers, recording.answer)]
        charge = charges[0] if len(charges) == 1 else together(charges)
        return charge, any("refusal_not_billed" not in one.flags for one in charges)
    return None, None


def _charge(recording: Recording, answer: Answer) -> Charge:
    """What one answer costs."""
    if answer.usage is None:
        return not_known()
    question: Question = recording.question
    return charge_of(
        answer.usage,
        model=model_to_price(question.platform.name, asked=question.model, answered=answer.model),
        at=recording.start_ns,
        platform=question.platform.name,
        region=question.region,
        workspace_id=recording.attempts.workspace_id,
        empty_refusal=answer.empty_refusal,
        refusal_category=answer.refusal_category,
        declined=answer.declined,
        incomplete=not answer.output_known,
    )


def _hop(recording: Recording, answer: Answer) -> dict[str, Any]:
    picodollars = _charge(recording, answer).picodollars
    hop: dict[str, Any] = {
        "model": answer.model,
        "message_id": answer.message_id,
        "stop_reason": answer.stop_reason,
        "usage": answer.usage,
        "cost_usd": None if picodollars is None else format(usd(picodollars), "f"),
        # What it takes to price it again, as the columns of the same names tell of the whole call.
        "usage_partial": not answer.output_known,
    }
    if answer.stop_reason == "refusal":
        hop |= {"empty_refusal": answer.empty_refusal, "refusal_category": answer.refusal_category}
    if answer.declined:
        hop["declined"] = _declined(answer)
    return hop


def _declined(answer: Answer) -> dict[str, str]:
    return {model: category or "" for model, category in answer.declined.items()}


def _flags(recording: Recording) -> list[str]:
    """What the cost leaves out, or rests on, as only the client can know."""
    return ["abandoned_attempts"] if recording.attempts.abandoned else []
