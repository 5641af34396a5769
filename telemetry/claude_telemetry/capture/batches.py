"""Batches: what was created, and each result as a call of its own, at the batch price.

A result can be downloaded by any process, again and again for 29 days, and is one call all the same: its ids are worked
out from the batch's and its `custom_id`. Only who created the batch knows its labels. They are remembered here for
results that are downloaded by the same process; the collector joins the others by `batch_id`.
"""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from claude_telemetry.capture.attempts import Attempts, utc
from claude_telemetry.capture.question import LABEL_COLUMNS, Question
from claude_telemetry.capture.usage import Answer, error_type_of
from claude_telemetry.emit import Pipeline, ToldCall
from claude_telemetry.guard import guarded
from claude_telemetry.pricing import Charge, charge_of, cost_columns, model_to_price, not_known, nothing_due
from claude_telemetry.record import Call, CallRecord
from claude_telemetry.record.identity import batch_result_ids
from claude_telemetry.record.usage import counts_in

SPAN_NAME = "anthropic.messages.batches.result"
REMEMBERED = 4096
"""Batches whose labels are remembered for their results."""


@dataclass(slots=True)
class _Batch:
    """What this process has seen of a batch."""

    labels: Mapping[str, Any]
    created_at_ns: int | None = None
    """By the API's clock, since 1970."""


_batches: OrderedDict[str, _Batch] = OrderedDict()


class BatchSeen:
    """Reads a batch as the API gives it, when it is created and when it is retrieved."""

    def __init__(self, question: Question) -> None:
        self._question = question

    def take(self, event: Mapping[str, Any]) -> None:
        batch_id = event.get("id")
        if not isinstance(batch_id, str) or not batch_id:
            return
        facts = self._question.facts
        facts["batch_id"] = batch_id
        batch = _batches.setdefault(batch_id, _Batch({}))
        batch.created_at_ns = _time_ns(event.get("created_at")) or batch.created_at_ns
        if self._question.operation.name == "batch_create":
            batch.labels = {name: facts[name] for name in LABEL_COLUMNS if name in facts}
        if len(_batches) > REMEMBERED:
            _batches.popitem(last=False)


def _time_ns(value: object) -> int | None:
    try:
        return int(datetime.fromisoformat(str(value)).timestamp() * 1_000_000) * 1000
    except ValueError:
        return None


class BatchResults:
    """Reads the results of a batch, line by line, as the application does."""

    def __init__(self, question: Question, attempts: Attempts, pipeline: Pipeline) -> None:
        self._question = question
        self._attempts = attempts
        self._pipeline = pipeline

    def take(self, event: Mapping[str, Any]) -> None:
        custom_id, batch_id = event.get("custom_id"), self._question.operation.subject
        result = event.get("result")
        if not isinstance(custom_id, str) or batch_id is None or not isinstance(result, dict):
            return
        with guarded("record a batch's result"):
            self._record(batch_id, custom_id, cast("Mapping[str, Any]", result))

    def _record(self, batch_id: str, custom_id: str, result: Mapping[str, Any]) -> None:
        question = self._question
        answer = Answer()
        message = result.get("message")
        if isinstance(message, dict):
            with guarded("read a batch's result"):
                answer.take({"type": "message", **cast("Mapping[str, Any]", message)})
        batch = _batches.get(batch_id) or _Batch({})
        # When the application asked, which is the same whenever the results are downloaded; the SDK retrieves a batch
        # before its results.
        at_ns = batch.created_at_ns or time.time_ns()
        trace_id, span_id = batch_result_ids(batch_id, custom_id)
        kind = result.get("type")
        facts: dict[str, Any] = {**self._pipeline.own_labels, **batch.labels}
        with guarded("price a call"):
            charge = self._charge(answer, result, at_ns)
            facts["billed"] = answer.usage is not None and "refusal_not_billed" not in charge.flags
            facts.update(cost_columns(charge))
        if answer.usage is not None:
            with guarded("count the tokens of a call"):
                facts.update(counts_in(answer.usage))
                facts["usage"] = json.dumps(answer.usage, separators=(",", ":"))
                geo = answer.usage.get("inference_geo")
                facts["inference_geo"] = geo if isinstance(geo, str) else None
                if answer.declined:
                    declined = {model: category or "" for model, category in answer.declined.items()}
                    facts["declined"] = json.dumps(declined, separators=(",", ":"))
        with guarded("tell what a call met"):
            facts["error_type"] = _error_type(kind, result)
        call = Call(
            started_at=utc(at_ns),
            provider=question.platform.provider,
            platform=question.platform.name,
            operation="chat",
            model=answer.model,
            status="ok" if kind == "succeeded" else "cancelled" if kind == "canceled" else "error",
            message_id=answer.message_id,
            trace_id=format(trace_id, "032x"),
            span_id=format(span_id, "016x"),
            stop_reason=answer.stop_reason,
            refusal_category=answer.refusal_category,
            empty_refusal=answer.empty_refusal if answer.stop_reason == "refusal" else None,
            stream=False,
            service_tier="batch",
            organization_id=self._attempts.organization_id,
            workspace_id=self._attempts.workspace_id,
            batch_id=batch_id,
            custom_id=custom_id,
            **facts,
        )
        record = CallRecord(call=call, tool_uses=tuple(answer.tool_uses))
        self._pipeline.told(ToldCall(SPAN_NAME, (trace_id, span_id, None), at_ns, record, self._pipeline.resource))

    def _charge(self, answer: Answer, result: Mapping[str, Any], at_ns: int) -> Charge:
        if answer.usage is None:
            # Errored, canceled and expired requests are not billed.
            return nothing_due() if result.get("type") in ("errored", "canceled", "expired") else not_known()
        platform = self._question.platform.name
        return charge_of(
            answer.usage,
            model=model_to_price(platform, asked=None, answered=answer.model),
            at=at_ns,
            platform=platform,
            workspace_id=self._attempts.workspace_id,
            batch=True,
            empty_refusal=answer.empty_refusal,
            refusal_category=answer.refusal_category,
            declined=answer.declined,
        )


def _error_type(kind: object, result: Mapping[str, Any]) -> str | None:
    if kind == "errored":
        envelope = result.get("error")
        return error_type_of(envelope) or error_type_of({"error": envelope}) or "api_error"
    return "batch_expired" if kind == "expired" else None
