"""Message batches: created, polled until they end, their results fetched as JSON lines, canceled, listed, deleted.

Shapes: `types/messages/message_batch*.py` of anthropic 2.10. A batch's requests are answered when it ends, and what
became of each is in the ledger as a `BatchResult`, once.
"""

from __future__ import annotations

import json
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from claude_telemetry.fake import doors, wire
from claude_telemetry.fake.admission import missing_in, object_in, objects_in
from claude_telemetry.fake.api import Api
from claude_telemetry.fake.delivery import Delivery, Outgoing
from claude_telemetry.fake.ledger import BatchResult, Ledger, Served
from claude_telemetry.fake.loopback import Exchange
from claude_telemetry.fake.steps import Answer, Cut, Failure, Outcome, Step, StreamError, failure, is_unbilled
from claude_telemetry.fake.usage import Meter

PATH = "/v1/messages/batches"

_KINDS = ("succeeded", "errored", "canceled", "expired")
_DEFAULT_LIMIT = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPlan:
    """What the stand-in is told to do with one batch."""

    outcomes: Mapping[str, Outcome] = field(default_factory=dict[str, Outcome])
    """By `custom_id`. What is not in it is answered as the behaviour has it."""
    polls: int = 0
    """How often it is found in progress before it has ended."""
    results_type: str | None = "application/x-jsonl"
    """The content type of its results; the API sent none until the summer of 2026 (`None`)."""
    delivery: Delivery | None = None
    """How its results go over the wire. `None`: as the stand-in delivers everything."""


@dataclass(slots=True)
class _Batch:
    id: str
    plan: BatchPlan
    requests: Sequence[Mapping[str, Any]]
    created_at: datetime
    polls_left: int
    cancel_initiated_at: datetime | None = None
    ended_at: datetime | None = None
    results: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


_Answer = Mapping[str, Any] | Failure | _Batch
"""A body, an error, or the results of a batch."""


class Batches:
    """The batches of one stand-in. Thread-safe."""

    def __init__(
        self, ledger: Ledger, api: Api, meter: Meter, delivery: Delivery, behaviour: Callable[[Mapping[str, Any]], Step]
    ) -> None:
        self._lock = threading.Lock()
        self._ledger = ledger
        self._api = api
        self._meter = meter
        self._delivery = delivery
        self._behaviour = behaviour
        self._plans: deque[BatchPlan] = deque()
        self._batches: dict[str, _Batch] = {}

    def plan(self, plan: BatchPlan) -> None:
        """What is done with the next batch that nothing was told about yet."""
        with self._lock:
            self._plans.append(plan)

    def take(self, exchange: Exchange, path: str, query: Mapping[str, str], body: object, url: str) -> None:
        """Answers a request to `path`, which is `PATH` or below it. `url` is the stand-in's own."""
        batch_id, _, action = path.removeprefix(PATH).strip("/").partition("/")
        with self._lock:
            batch = self._batches.get(batch_id)
            answer: _Answer
            match exchange.command, action:
                case "POST", "" if not batch_id:
                    answer = self._create(body, url)
                case "GET", "" if not batch_id:
                    answer = self._list(query, url)
                case _ if batch is None:
                    answer = failure(404, message=f"Message Batch {batch_id} not found")
                case "GET", "":
                    answer = self._poll(batch, url)
                case "POST", "cancel":
                    answer = _cancel(batch, url)
                case "DELETE", "":
                    answer = self._delete(batch)
                case "GET", "results" if batch.ended_at is not None:
                    answer = batch
                case _:
                    answer = failure(404, message="Not Found")
        # Outside the lock: a client that reads slowly holds up nobody else.
        if isinstance(answer, Failure):
            self._api.fail(exchange, path, answer)
        elif isinstance(answer, _Batch):
            self._send_results(exchange, path, answer)
        else:
            self._api.tell(exchange, path, answer, batch_id=answer.get("id"))

    def _create(self, body: object, url: str) -> _Answer:
        requests = objects_in(body, "requests")
        unfit = _unfit(requests)
        if unfit is not None:
            return failure(400, message=unfit)
        plan = self._plans.popleft() if self._plans else BatchPlan()
        batch = _Batch(wire.new_id("msgbatch_01"), plan, requests, datetime.now(UTC), plan.polls)
        self._batches[batch.id] = batch
        return _described(batch, url)

    def _list(self, query: Mapping[str, str], url: str) -> _Answer:
        """Newest first, as the API lists them."""
        ids = list(reversed(self._batches))
        if query.get("after_id") in ids:
            ids = ids[ids.index(query["after_id"]) + 1 :]
        limit = int(query.get("limit", _DEFAULT_LIMIT))
        page = [_described(self._batches[batch_id], url) for batch_id in ids[:limit]]
        return {
            "data": page,
            "has_more": len(ids) > limit,
            "first_id": page[0]["id"] if page else None,
            "last_id": page[-1]["id"] if page else None,
        }

    def _poll(self, batch: _Batch, url: str) -> _Answer:
        if batch.ended_at is None:
            if batch.polls_left <= 0 or batch.cancel_initiated_at is not None:
                self._end(batch)
            batch.polls_left -= 1
        return _described(batch, url)

    def _delete(self, batch: _Batch) -> _Answer:
        if batch.ended_at is None:
            return failure(400, message="A batch in progress cannot be deleted")
        del self._batches[batch.id]
        return {"id": batch.id, "type": "message_batch_deleted"}

    def _send_results(self, exchange: Exchange, path: str, batch: _Batch) -> None:
        request_id = wire.new_id("req_01")
        headers = doors.MESSAGES.headers(request_id)
        del headers["content-type"]
        if batch.plan.results_type is not None:
            headers["content-type"] = batch.plan.results_type
        outgoing = Outgoing(exchange, batch.plan.delivery or self._delivery, headers)
        entry = self._ledger.serve(Served(request_id=request_id, path=path, status=200, stream=True, batch_id=batch.id))
        outgoing.begin(200)
        for result in batch.results:
            outgoing.piece(json.dumps(result).encode() + b"\n")
        self._ledger.ending(entry, outgoing.end)

    def _end(self, batch: _Batch) -> None:
        batch.ended_at = datetime.now(UTC)
        results = [self._result(batch, request) for request in batch.requests]
        # The API promises no order, so it is not that of the requests.
        batch.results = results[::-1]

    def _result(self, batch: _Batch, request: Mapping[str, Any]) -> dict[str, Any]:
        params: Mapping[str, Any] = request["params"]
        custom_id: str = request["custom_id"]
        outcome: Step | str = "canceled"
        if batch.cancel_initiated_at is None:
            outcome = batch.plan.outcomes.get(custom_id) or self._behaviour(params)
        result = self._came_of(outcome, params)
        message: Mapping[str, Any] = result.get("message", {})
        error: Mapping[str, Any] = result.get("error", {}).get("error", {})
        self._ledger.note(
            BatchResult(
                batch_id=batch.id,
                custom_id=custom_id,
                type=result["type"],
                message_id=message.get("id"),
                model=message.get("model"),
                usage=message.get("usage", {}),
                stop_reason=message.get("stop_reason"),
                error_type=error.get("type"),
                unbilled=is_unbilled(message) if message else False,
            )
        )
        return {"custom_id": custom_id, "result": result}

    def _came_of(self, outcome: Step | str, params: Mapping[str, Any]) -> dict[str, Any]:
        match outcome:
            case "canceled" | "expired":
                return {"type": outcome}
            case Answer():
                usage = {**self._meter.usage_of(params, outcome), "service_tier": "batch"}
                return {"type": "succeeded", "message": doors.MESSAGES.whole(params, outcome, usage)}
            case Failure() | StreamError():
                return {"type": "errored", "error": wire.error(outcome.type, outcome.message, wire.new_id("req_01"))}
            case Cut():
                return self._came_of(outcome.answer, params)
            case _:
                return {"type": "expired"}


def _cancel(batch: _Batch, url: str) -> _Answer:
    if batch.ended_at is None:
        batch.cancel_initiated_at = datetime.now(UTC)
    return _described(batch, url)


def _unfit(requests: Sequence[Mapping[str, Any]]) -> str | None:
    """What is wrong with a batch of these requests, in the API's manner; `None` when nothing is."""
    if not requests:
        return "requests: at least one request is required"
    ids = Counter(str(request.get("custom_id")) for request in requests)
    for at, request in enumerate(requests):
        if not isinstance(request.get("custom_id"), str):
            return f"requests.{at}.custom_id: Field required"
        missing = missing_in(object_in(request.get("params")), doors.MESSAGES.needs)
        if missing is not None:
            return f"requests.{at}.params.{missing}: Field required"
    if ids.most_common(1)[0][1] > 1:
        return "requests: custom_id must be unique"
    return None


def _described(batch: _Batch, url: str) -> dict[str, Any]:
    counts = Counter(result["result"]["type"] for result in batch.results)
    ended = batch.ended_at is not None
    status = "ended" if ended else "in_progress" if batch.cancel_initiated_at is None else "canceling"
    return {
        "id": batch.id,
        "type": "message_batch",
        "processing_status": status,
        "request_counts": {
            "processing": 0 if ended else len(batch.requests),
            **{kind: counts[kind] for kind in _KINDS},
        },
        "created_at": _written(batch.created_at),
        "expires_at": _written(batch.created_at + timedelta(hours=24)),
        "ended_at": _written(batch.ended_at),
        "cancel_initiated_at": _written(batch.cancel_initiated_at),
        "archived_at": None,
        "results_url": f"{url}{PATH}/{batch.id}/results" if ended else None,
    }


def _written(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
