"""What a stand-in was asked and what it answered: the truth that recorded calls are held against."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A request as it came in. Of headers only the names: a value may be a key."""

    method: str
    path: str
    query: str
    header_names: tuple[str, ...]
    body: Any
    """Parsed from JSON; `None` when there was none, or it was none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """An answer as it went out."""

    request_id: str
    path: str
    status: int
    message_id: str | None = None
    model: str | None = None
    stream: bool = False
    usage: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What the answer said it used. Of a stream, what its events up to the last one sent add up to."""
    stop_reason: str | None = None
    error_type: str | None = None
    ended: bool = False
    """Whether the whole answer was sent. A client can still have stopped reading before its end."""
    batch_id: str | None = None
    """The batch that this answer is about. What its requests used is in `BatchResult`."""
    session_id: str | None = None
    """The session that this answer is about. What its model requests used is in `ModelRequest`."""
    unbilled: bool = field(default=False, compare=False)
    """A refusal that is free, see `steps.is_unbilled`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult:
    """What became of one request of a batch; it is one, however often it is downloaded."""

    batch_id: str
    custom_id: str
    type: str
    """`succeeded`, `errored`, `canceled` or `expired`."""
    message_id: str | None = None
    model: str | None = None
    usage: Mapping[str, Any] = field(default_factory=dict[str, Any])
    stop_reason: str | None = None
    error_type: str | None = None
    unbilled: bool = field(default=False, compare=False)
    """A refusal that is free, see `steps.is_unbilled`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """What a session asked a model, once, however often its events are read."""

    session_id: str
    event_id: str
    """Of the event that tells its usage."""
    kind: str
    """`span.model_request_end`, or `span.outcome_evaluation_end` for what a grader used."""
    model: str
    usage: Mapping[str, Any]


class Ledger:
    """Requests and answers in order. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._received: list[Received] = []
        self._served: list[Served] = []
        self._results: list[BatchResult] = []
        self._model_requests: list[ModelRequest] = []
        self._served_at: list[datetime] = []
        self._noted: list[tuple[datetime, BatchResult | ModelRequest]] = []

    def receive(self, received: Received) -> None:
        with self._lock:
            self._received.append(received)

    def serve(self, served: Served) -> int:
        """Writes an answer down, before its last byte is sent: whoever has the answer finds it here. Its number."""
        with self._lock:
            self._served.append(served)
            self._served_at.append(datetime.now(UTC))
            return len(self._served) - 1

    def change(self, number: int, **changes: Any) -> None:
        """What became of an answer that was already written down."""
        with self._lock:
            self._served[number] = replace(self._served[number], **changes)

    def ending(self, number: int, send: Callable[[], None]) -> None:
        """Does `send`, the end of an answer, which has ended unless the client was gone. Raises `OSError` if it was."""
        self.change(number, ended=True)
        try:
            send()
        except OSError:
            self.change(number, ended=False)
            raise

    def note(self, truth: BatchResult | ModelRequest) -> None:
        """Writes down what was used apart from any one answer."""
        with self._lock:
            self._noted.append((datetime.now(UTC), truth))
            if isinstance(truth, BatchResult):
                self._results.append(truth)
            else:
                self._model_requests.append(truth)

    def timed(self) -> list[tuple[datetime, Served | BatchResult | ModelRequest]]:
        """All that was written down, and when."""
        with self._lock:
            return [*zip(self._served_at, self._served, strict=True), *self._noted]

    def __getitem__(self, number: int) -> Served:
        with self._lock:
            return self._served[number]

    @property
    def received(self) -> list[Received]:
        with self._lock:
            return list(self._received)

    @property
    def served(self) -> list[Served]:
        with self._lock:
            return list(self._served)

    @property
    def batch_results(self) -> list[BatchResult]:
        with self._lock:
            return list(self._results)

    @property
    def model_requests(self) -> list[ModelRequest]:
        with self._lock:
            return list(self._model_requests)

    def as_json_lines(self) -> bytes:
        return b"".join(json.dumps(asdict(served)).encode() + b"\n" for served in self.served)
