"""Starts the children in order, starts again what dies, stops them in the reverse order."""

from __future__ import annotations

import logging
import queue
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from claude_telemetry.errors import CollectorError
from claude_telemetry_collector.service.child import Child, Ended, Part, Said

log = logging.getLogger(__name__)

_START_S = 60.0
"""How long a child may take to become ready; opening a database after a crash replays its log."""
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 10.0
_STEADY_S = 60.0
"""A child that lived for this long was well: its next pause is a short one again."""


@dataclass(frozen=True, slots=True)
class _Wish:
    """Somebody wants the collector to stop."""


@dataclass(slots=True)
class _Post:
    """A part's place: who fills it, or when it is to be filled again."""

    part: Part
    child: Child | None = None
    started_at: float = 0.0
    pause_s: float = _FIRST_PAUSE_S
    due_at: float | None = None


class Supervisor:
    """Runs once, in the main thread."""

    def __init__(self, parts: Sequence[Part]) -> None:
        """`parts` in the order of starting."""
        self._posts = [_Post(part) for part in parts]
        # A `SimpleQueue`, since its `put` may be called from a signal handler.
        self._events: queue.SimpleQueue[Said | Ended | _Wish] = queue.SimpleQueue()

    def run(self, when_ready: Callable[[], None], before_stop: Callable[[], None]) -> None:
        """Returns when SIGTERM or SIGINT came and every child has ended.

        `when_ready` is called once all are ready, `before_stop` before the first is told to stop.
        Raises `CollectorError` when a child cannot start.
        """
        before = {signum: signal.signal(signum, self._wished) for signum in (signal.SIGTERM, signal.SIGINT)}
        try:
            if all(self._started(post) for post in self._posts):
                when_ready()
                self._keep_going()
        finally:
            before_stop()
            for post in reversed(self._posts):
                self._end(post)
            for signum, handler in before.items():
                signal.signal(signum, handler)

    def _wished(self, _signum: int, _frame: object) -> None:
        self._events.put(_Wish())

    def _fill(self, post: _Post) -> None:
        post.started_at, post.due_at = time.monotonic(), None
        post.child = Child(post.part, self._events.put)

    def _started(self, post: _Post) -> bool:
        """Whether it became ready; `False` when a stop was wished for first."""
        name = post.part.name
        self._fill(post)
        deadline = time.monotonic() + _START_S
        while True:
            event = self._next(deadline)
            match event:
                case _Wish():
                    return False
                case None:
                    raise CollectorError(f"the {name} process was not ready within {_START_S:.0f} s")
                case Said() if event.report.failed is not None:
                    raise CollectorError(event.report.failed)
                case Said():
                    return True
                case Ended():
                    self._vacate(event)
                    ended = event.child.part.name
                    raise CollectorError(f"the {ended} process {_how(event)} while starting; its log says why")

    def _keep_going(self) -> None:
        while True:
            due = [post.due_at for post in self._posts if post.due_at is not None]
            event = self._next(min(due, default=None))
            match event:
                case _Wish():
                    return
                case Said():
                    if event.report.failed is not None:
                        log.warning("%s: %s", event.child.part.name, event.report.failed)
                case Ended():
                    self._plan_restart(self._vacate(event), event)
                case None:
                    for post in self._posts:
                        if post.due_at is not None and post.due_at <= time.monotonic():
                            self._fill(post)

    def _plan_restart(self, post: _Post, event: Ended) -> None:
        if time.monotonic() - post.started_at >= _STEADY_S:
            post.pause_s = _FIRST_PAUSE_S
        log.warning("the %s process %s; starting it again in %.1f s", post.part.name, _how(event), post.pause_s)
        post.due_at = time.monotonic() + post.pause_s
        post.pause_s = min(2 * post.pause_s, _LONGEST_PAUSE_S)

    def _end(self, post: _Post) -> None:
        """Stops a child and waits. One that takes too long is killed, and so is one when a stop is wished for again."""
        child = post.child
        if child is None:
            return
        child.stop()
        deadline: float | None = time.monotonic() + post.part.patience_s
        while post.child is child:
            match self._next(deadline):
                case Ended() as event:
                    self._vacate(event)
                case Said():
                    pass
                case _Wish() | None:
                    log.warning("the %s process is killed before it was done", post.part.name)
                    child.kill()
                    deadline = None

    def _vacate(self, event: Ended) -> _Post:
        post = next(post for post in self._posts if post.child is event.child)
        post.child = None
        return post

    def _next(self, deadline: float | None) -> Said | Ended | _Wish | None:
        """What happens next, or `None` when nothing has by `deadline`."""
        try:
            return self._events.get(timeout=None if deadline is None else max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return None


def _how(event: Ended) -> str:
    if event.exit_code < 0:
        return f"was killed by {signal.Signals(-event.exit_code).name}"
    return f"ended with exit code {event.exit_code}"
