"""What the receiver counts about itself, as `/metrics` tells it: OpenMetrics text, which Prometheus reads.

Format: https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md, read 2026-11-20.
"""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

MEDIA_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_PREFIX = "claude_telemetry_receiver_"
_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

Labels = tuple[str, ...]
"""Names and values in turn; cheap to make, since each request makes some."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One number that is not counted here but looked up."""

    name: str
    kind: str
    meaning: str
    value: float


ReadingsOf = Callable[[], Iterable[Reading]]
"""Looks numbers up. May raise `OSError`."""


class Measures:
    """Counts since the receiver started. One event loop's own; another thread's additions may at worst be missed."""

    def __init__(self) -> None:
        self.accepted: Counter[Labels] = Counter()
        """Requests by signal, transport and source."""
        self.refused: Counter[Labels] = Counter()
        """Requests by reason and transport."""
        self.items: Counter[Labels] = Counter()
        """Spans, log records and data points that were kept, by signal."""
        self.rejected: Counter[Labels] = Counter()
        """The same that were taken out of bodies, by signal and reason."""
        self.received_bytes = 0
        """Of bodies as they came."""
        self.committed_bytes = 0
        """Of bodies as they are kept."""
        self.in_flight = 0
        self._commits = [0] * (len(_BUCKETS_S) + 1)
        self._commit_s = 0.0

    def count_commit(self, took_s: float, size: int) -> None:
        """A body is durable, `took_s` after it was checked."""
        self._commits[bisect.bisect_left(_BUCKETS_S, took_s)] += 1
        self._commit_s += took_s
        self.committed_bytes += size

    def exposition(self, readings: Iterable[Reading]) -> bytes:
        """Everything, in OpenMetrics."""
        lines = [
            *_counter("accepted_requests", "requests that were kept and acknowledged", self.accepted),
            *_counter("refused_requests", "requests that were answered with an error, by reason", self.refused),
            *_counter("accepted_items", "spans, log records and data points that were kept", self.items),
            *_counter("rejected_items", "spans, log records and data points taken out of good bodies", self.rejected),
            *_counter("received_bytes", "bytes of bodies as they came", {(): self.received_bytes}),
            *_counter("committed_bytes", "bytes of bodies as they are kept", {(): self.committed_bytes}),
            *_family("in_flight_requests", "gauge", "requests that are being received or made durable"),
            f"{_PREFIX}in_flight_requests {self.in_flight}",
            *self._commit_histogram(),
        ]
        for reading in readings:
            lines += _family(reading.name, reading.kind, reading.meaning)
            suffix = "_total" if reading.kind == "counter" else ""
            lines.append(f"{_PREFIX}{reading.name}{suffix} {_number(reading.value)}")
        return "\n".join((*lines, "# EOF", "")).encode()

    def _commit_histogram(self) -> Iterator[str]:
        yield from _family("commit_seconds", "histogram", "from a checked body to its being durable")
        total = 0
        for bound, count in zip((*map(str, _BUCKETS_S), "+Inf"), self._commits, strict=True):
            total += count
            yield f'{_PREFIX}commit_seconds_bucket{{le="{bound}"}} {total}'
        yield f"{_PREFIX}commit_seconds_count {total}"
        yield f"{_PREFIX}commit_seconds_sum {_number(self._commit_s)}"


def _counter(name: str, meaning: str, counts: Mapping[Labels, int]) -> Iterator[str]:
    yield from _family(name, "counter", meaning)
    for labels, count in sorted(counts.items()):
        shown = ",".join(f'{key}="{_escaped(value)}"' for key, value in zip(labels[::2], labels[1::2], strict=True))
        yield f"{_PREFIX}{name}_total{{{shown}}} {count}" if shown else f"{_PREFIX}{name}_total {count}"


def _family(name: str, kind: str, meaning: str) -> tuple[str, str]:
    return f"# TYPE {_PREFIX}{name} {kind}", f"# HELP {_PREFIX}{name} {meaning}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
