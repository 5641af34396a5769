"""What every way in does alike: who sends, whether there is room, what of a body can be kept, and keeping it.

HTTP, gRPC and the spool differ in how a body arrives and how an answer looks. Nothing is acknowledged but through here.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from claude_telemetry_collector.receive import otlp
from claude_telemetry_collector.receive.body import Limits
from claude_telemetry_collector.receive.commit import GroupCommit
from claude_telemetry_collector.receive.items import Checked
from claude_telemetry_collector.receive.measures import Measures
from claude_telemetry_collector.receive.refusal import Reason, Refusal, put_off, too_large
from claude_telemetry_collector.receive.sources import Source, Sources
from claude_telemetry_collector.segments import Arrival, Encoding, Signal

_FULL: dict[Reason, str] = {
    "backlog": "the collector is behind with landing what it has received",
    "disk_space": "the collector's disk is nearly full",
}
_NO_DISK = "the collector cannot write to its disk"


class Intake:
    """One event loop's. `keep_now` is for other threads."""

    def __init__(self, commit: GroupCommit, limits: Limits, sources: Sources) -> None:
        self.commit = commit
        self.limits = limits
        self.sources = sources
        self.measures = Measures()

    def admit(self, authorization: str | None) -> Source:
        """Whose request it is. Raises a `Refusal` when it may not be sent, or not now."""
        source = self.sources.admit(authorization)
        source.count_request()
        self.check_room()
        return source

    def check_room(self, what: str = "") -> None:
        """Raises a `Refusal` when nothing new can be taken at the moment."""
        if (full := self.commit.full) is not None:
            raise put_off(what + _FULL[full], full)

    def most_bytes(self, source: Source) -> int:
        """How large a body of this source may be."""
        own = source.max_body_bytes
        return self.limits.max_body_bytes if own is None else min(own, self.limits.max_body_bytes)

    def check_size(self, source: Source, size: int) -> None:
        """Raises a `Refusal` when `size` is too much for a body of `source`."""
        if size > self.most_bytes(source):
            raise too_large(self.most_bytes(source))

    async def keep(self, signal: Signal, encoding: Encoding, body: bytes, source: Source, transport: str) -> Checked:
        """Returns once what can be kept of `body` is durable. Raises a `Refusal`."""
        checked = otlp.check(signal, encoding, body)
        if checked.body:
            began = time.perf_counter()
            try:
                await self.commit.commit(_arrival(signal, encoding, checked))
            except OSError:
                raise put_off(_NO_DISK, "disk") from None
            self.measures.count_commit(time.perf_counter() - began, len(checked.body))
        self._count(signal, checked, source.name, transport)
        return checked

    def keep_now(self, signal: Signal, encoding: Encoding, body: bytes, transport: str) -> None:
        """The same for a thread that may wait. Raises a `Refusal`."""
        self.check_room()
        checked = otlp.check(signal, encoding, body)
        if checked.body:
            try:
                self.commit.commit_now(_arrival(signal, encoding, checked))
            except OSError:
                raise put_off(_NO_DISK, "disk") from None
        self._count(signal, checked, "", transport)

    def refused(self, refusal: Refusal, transport: str) -> None:
        """Counts it."""
        self.measures.refused["reason", refusal.reason, "transport", transport] += 1

    def _count(self, signal: Signal, checked: Checked, source: str, transport: str) -> None:
        measures = self.measures
        measures.accepted["signal", signal, "source", source, "transport", transport] += 1
        measures.items["signal", signal] += checked.kept
        for why, count in checked.rejected.items():
            measures.rejected["reason", why, "signal", signal] += count


def _arrival(signal: Signal, encoding: Encoding, checked: Checked) -> Arrival:
    return Arrival(signal=signal, encoding=encoding, received_at=datetime.now(UTC), body=checked.body)
