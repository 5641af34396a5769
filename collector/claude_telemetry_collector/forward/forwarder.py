"""The loop that reads the forward folder and sends what is there."""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from claude_telemetry_collector.forward.destination import Destination, Outcome, Sender
from claude_telemetry_collector.segments import Frame, Position, SegmentReader

log = logging.getLogger(__name__)

_TOGETHER_BYTES = 2 * 1024 * 1024
"""Bodies are joined up to this size: protobuf messages of one kind, one after the other, are one."""
_LOOK_S = 0.2
_REST_S = 2.0
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Forwarding:
    """What forwarding has done since its process began."""

    forwarded: int = 0
    """Bodies that the other end has taken."""
    forwarded_bytes: int = 0
    refused: int = 0
    """Bodies that it will never take: it says that they are no good."""
    dropped: int = 0
    """Bodies that waited for too long, since more waited than may."""
    waiting_bytes: int = 0
    failing: bool = False
    """Whether the other end does not take anything at the moment."""


class Forwarder:
    """For one thread."""

    def __init__(self, folder: Path, destination: Destination, *, most_bytes: int) -> None:
        """`most_bytes`: how much may wait, besides the segment that is being written."""
        self._folder = folder
        self._most_bytes = most_bytes
        self._reader = SegmentReader(folder)
        self._sender = Sender(destination)
        self._position = self._reader.noted()
        self._pause_s = _FIRST_PAUSE_S
        self.state = Forwarding()

    def run(self, stop: threading.Event) -> None:
        """Forwards until `stop` is set, and then what is there, for as long as it is taken. What is left after some
        seconds is forwarded at the next start."""
        while not stop.is_set():
            try:
                pause_s = self.forward()
            except OSError as error:
                log.warning("cannot read what is to be forwarded: %s", error.strerror or error)
                pause_s = _LONGEST_PAUSE_S
            self._tell()
            stop.wait(pause_s)
        deadline = time.monotonic() + _REST_S
        while not self.state.failing and time.monotonic() < deadline and self.forward() == 0.0:
            pass
        self._tell()
        self.close()

    def close(self) -> None:
        """Lets go of the connection."""
        self._sender.close()

    def forward(self) -> float:
        """Sends the next bodies; the seconds to wait before the next ones. Raises `OSError`."""
        self._bound()
        frames = self._reader.frames(self._position, _TOGETHER_BYTES)
        if not frames:
            return _LOOK_S
        together = _together(frames)
        outcome = self._sent(together)
        if outcome.kind == "refused" and len(together) > 1:
            for frame in together:  # one of them is no good, and must not cost the others
                outcome = self._sent([frame])
                if outcome.kind == "later":
                    break
                self._done([frame], outcome)
        else:
            self._done(together, outcome)
        return self._pause_after(outcome)

    def _sent(self, frames: Sequence[Frame]) -> Outcome:
        first = frames[0]
        body = first.body if len(frames) == 1 else b"".join(frame.body for frame in frames)
        return self._sender.send(first.signal, first.encoding, body)

    def _done(self, frames: Sequence[Frame], outcome: Outcome) -> None:
        if outcome.kind == "later":
            return
        taken = len(frames) if outcome.kind == "taken" else 0
        if not taken:
            log.warning("the endpoint refused a body of %d bytes for good: %s", len(frames[0].body), outcome.said)
        self._count(
            forwarded=taken,
            forwarded_bytes=sum(len(frame.body) for frame in frames) if taken else 0,
            refused=len(frames) - taken,
        )
        self._move_to(frames[-1].next_position)

    def _pause_after(self, outcome: Outcome) -> float:
        failing = outcome.kind == "later"
        if failing and not self.state.failing:
            log.warning("forwarding waits: the endpoint says %s", outcome.said)
        elif not failing and self.state.failing:
            log.info("forwarding goes on")
        self.state = replace(self.state, failing=failing)
        if not failing:
            self._pause_s = _FIRST_PAUSE_S
            return 0.0
        # Spread, so that many collectors do not come back at the same moment.
        pause_s = outcome.after_s if outcome.after_s is not None else self._pause_s * random.uniform(0.5, 1)  # noqa: S311
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
        return max(pause_s, _LOOK_S)

    def _bound(self) -> None:
        """Drops the oldest segments while more waits than may."""
        segments = self._reader.finished(self._position)
        waiting_bytes = sum(size for _, _, size in segments)
        for start, following, size in segments:
            if waiting_bytes <= self._most_bytes:
                break
            lost = self._bodies_between(start, following)
            log.warning("%d bodies are dropped: more than %d bytes wait to be forwarded", lost, self._most_bytes)
            self._count(dropped=lost)
            self._move_to(following)
            waiting_bytes -= size
        self.state = replace(self.state, waiting_bytes=waiting_bytes)

    def _bodies_between(self, position: Position, end: Position) -> int:
        bodies = 0
        while frames := self._reader.frames(position, _TOGETHER_BYTES):
            within = sum(frame.position < end for frame in frames)
            bodies += within
            if within < len(frames):
                break
            position = frames[-1].next_position
        return bodies

    def _move_to(self, position: Position) -> None:
        self._position = position
        self._reader.trim(position)

    def _count(self, **more: int) -> None:
        self.state = replace(self.state, **{name: getattr(self.state, name) + count for name, count in more.items()})

    def _tell(self) -> None:
        """For `/metrics`, which another process answers."""
        half_made = _state_path(self._folder).with_suffix(".new")
        try:
            half_made.write_text(json.dumps(asdict(self.state)))
            half_made.replace(_state_path(self._folder))
        except OSError as error:
            log.debug("cannot tell what is forwarded: %s", error.strerror)


def forwarding(folder: Path) -> Forwarding | None:
    """What the forwarder of `folder` last told, `None` when there is nothing of it."""
    try:
        told: dict[str, Any] = json.loads(_state_path(folder).read_bytes())
        return Forwarding(**told)
    except (OSError, ValueError, TypeError):
        return None


def _state_path(folder: Path) -> Path:
    return folder / "state.json"


def _together(frames: Sequence[Frame]) -> list[Frame]:
    """The first frames that can be sent as one body."""
    first = frames[0]
    together = [first]
    size = len(first.body)
    for frame in frames[1:]:
        size += len(frame.body)
        if first.encoding != "protobuf" or size > _TOGETHER_BYTES:
            break
        if (frame.signal, frame.encoding) != (first.signal, first.encoding):
            break
        together.append(frame)
    return together
