"""Sessions of managed agents: each request that the server makes to a model is a call.

They are told by events, which come again when the stream is read anew or the events are listed; their ids are worked
out from the event's. An event does not name its model. The session does, so the model is known where this process has
seen the session; elsewhere the cost of such a call is unknown.
Source: `types/beta/sessions` of anthropic 2.10, read 2026-11-20.
"""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from claude_telemetry.capture.attempts import Attempts, utc
from claude_telemetry.capture.question import LABEL_COLUMNS, Question
from claude_telemetry.emit import Pipeline, ToldCall
from claude_telemetry.guard import guarded
from claude_telemetry.pricing import charge_of, cost_columns, not_known
from claude_telemetry.record import Call, CallRecord
from claude_telemetry.record.identity import AGENT_MODEL_REQUEST, session_event_ids
from claude_telemetry.record.usage import counts_in

SPAN_NAME = "anthropic.model_request"
REMEMBERED = 4096
"""Sessions whose model is remembered, and events that are known to have been told."""

_USAGE_IN: Mapping[object, str] = {"span.model_request_end": "model_usage", "span.outcome_evaluation_end": "usage"}
"""Where each event that tells of a request to a model says what that used."""

_model_of: OrderedDict[str, str] = OrderedDict()
_told: OrderedDict[str, None] = OrderedDict()


class SessionModel:
    """Reads a session as it is created or retrieved, which names the agent's model."""

    def take(self, event: Mapping[str, Any]) -> None:
        agent = event.get("agent")
        model = cast("Mapping[str, object]", agent).get("model") if isinstance(agent, dict) else None
        name = cast("Mapping[str, object]", model).get("id") if isinstance(model, dict) else model
        session_id = event.get("id")
        if isinstance(session_id, str) and isinstance(name, str):
            _remember(_model_of, session_id, name)


class SessionEvents:
    """Reads a session's events, from the stream of them or from a page of the list."""

    def __init__(self, question: Question, attempts: Attempts, pipeline: Pipeline) -> None:
        self._question = question
        self._attempts = attempts
        self._pipeline = pipeline

    def take(self, event: Mapping[str, Any]) -> None:
        listed = event.get("data")
        if isinstance(listed, list):
            for one in cast("list[object]", listed):
                if isinstance(one, dict):
                    self.take(cast("Mapping[str, Any]", one))
            return
        holder, event_id = _USAGE_IN.get(event.get("type")), event.get("id")
        if holder is None or not isinstance(event_id, str) or event_id in _told:
            return
        usage = event.get(holder)
        with guarded("record a session's event"):
            counted: Mapping[str, Any] = cast("Mapping[str, Any]", usage) if isinstance(usage, dict) else {}
            at_ns = time.time_ns()
            with guarded("tell when a call was"):
                at_ns = _time_ns(event.get("processed_at"))
            # Which model judges an outcome is not told, and need not be the session's.
            model = _model_of.get(self._question.operation.subject or "") if holder == "model_usage" else None
            self._record(event_id, counted, at_ns, model, failed=event.get("is_error") is True)
            _remember(_told, event_id, None)

    def _record(self, event_id: str, usage: Mapping[str, Any], at_ns: int, model: str | None, *, failed: bool) -> None:
        question = self._question
        session_id = question.operation.subject or ""
        trace_id, span_id = session_event_ids(event_id)
        facts: dict[str, Any] = {
            **self._pipeline.own_labels,
            **{name: question.facts[name] for name in LABEL_COLUMNS if name in question.facts},
            "session_id": session_id,
        }
        with guarded("price a call"):
            charge = not_known()
            if model is not None and usage:
                charge = charge_of(
                    usage,
                    model=model,
                    at=at_ns,
                    platform=question.platform.name,
                    workspace_id=self._attempts.workspace_id,
                )
            facts.update(cost_columns(charge, ["session_model_assumed"] if model is not None else []))
        with guarded("count the tokens of a call"):
            facts.update(counts_in(usage))
            if usage:
                facts["usage"] = json.dumps(usage, separators=(",", ":"))
        call = Call(
            started_at=utc(at_ns),
            provider=question.platform.provider,
            platform=question.platform.name,
            operation=AGENT_MODEL_REQUEST,
            model=model,
            status="error" if failed else "ok",
            trace_id=format(trace_id, "032x"),
            span_id=format(span_id, "016x"),
            billed=True if usage else None,
            organization_id=self._attempts.organization_id,
            workspace_id=self._attempts.workspace_id,
            speed=usage.get("speed") if isinstance(usage.get("speed"), str) else None,
            message_id=event_id,
            **facts,
        )
        told = ToldCall(SPAN_NAME, (trace_id, span_id, None), at_ns, CallRecord(call=call), self._pipeline.resource)
        self._pipeline.told(told)


def _time_ns(value: object) -> int:
    """An ISO time in nanoseconds since the epoch; now, for what is none."""
    try:
        return int(datetime.fromisoformat(str(value)).timestamp() * 1_000_000) * 1000
    except ValueError:
        return time.time_ns()


def _remember(memory: OrderedDict[str, Any], name: str, value: Any) -> None:
    memory[name] = value
    if len(memory) > REMEMBERED:
        memory.popitem(last=False)
