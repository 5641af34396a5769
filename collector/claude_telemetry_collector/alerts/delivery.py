"""Notices on their way out: tried, tried again, and taken off once somebody has them.

Each incident's notices go out in order on each channel: nobody hears that something is over before they heard that it
began. A channel in trouble is left alone until its next try is due; other channels go on.

A notice that was told and not yet marked when the process died is told again: at least once, and nearly always once.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from claude_telemetry_collector.alerts.notify import Notifier, NotToldError
from claude_telemetry_collector.store.incident_log import IncidentLog
from claude_telemetry_collector.store.incidents import Notice

log = logging.getLogger("claude_telemetry_collector.alerts")

FIRST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(minutes=5)
LONGEST_ASKED_PAUSE = timedelta(hours=1)
"""The most that a channel's Retry-After is believed."""
GIVE_UP_AFTER = timedelta(hours=24)
"""News of yesterday helps nobody, and the incident is on the page."""

_IDLE_S = 1.0
"""Between two looks at the outbox for what has become due; a new notice wakes it at once."""


class Delivery:
    """Takes notices from the incident log to `notifiers`, in a thread of its own."""

    def __init__(self, incidents: IncidentLog, notifiers: Sequence[Notifier], clock: Callable[[], datetime]) -> None:
        self._incidents = incidents
        self._notifiers = {notifier.name: notifier for notifier in notifiers}
        self._clock = clock
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="alert-notices", daemon=True)
        self._in_trouble_until: dict[str, datetime] = {}
        self._told: set[str] = set()
        self._ailing: set[str] = set()

    def start(self) -> None:
        """Starts telling, first what was left over from before. Called once; does nothing without notifiers."""
        if self._notifiers:
            self._thread.start()

    def stop(self) -> None:
        """Ends the thread after the notice that it is at; the rest stays in the outbox."""
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def wake(self) -> None:
        """There may be something to tell."""
        self._wake.set()

    def deliver(self) -> None:
        """Tells what is due. Raises what the incident log raises."""
        while not self._stop.is_set():
            due = [notice for notice in self._incidents.pending() if self._is_due(notice)]
            if not due:
                return
            # One at a time: telling it brings up the incident's next notice, or puts the channel in trouble.
            self._try(due[0])

    def _run(self) -> None:
        started = False
        while not self._stop.is_set():
            self._wake.clear()
            try:
                if not started:
                    self._incidents.retry_now(self._clock())
                    started = True
                self.deliver()
            except Exception as error:  # noqa: BLE001 - the loop must go on: the outbox may answer next time
                self._ail("the outbox", type(error).__name__)
            else:
                self._ailing.discard("the outbox")
            self._wake.wait(_IDLE_S)

    def _is_due(self, notice: Notice) -> bool:
        now = self._clock()
        trouble = self._in_trouble_until.get(notice.channel)
        # What has not been tried is due, even if the clock was put back since.
        due = notice.tries == 0 or notice.next_try_at <= now
        return notice.channel in self._notifiers and due and (trouble is None or trouble <= now)

    def _try(self, notice: Notice) -> None:
        # Marking can fail where telling did not (a full disk). Then it is marked later, and not told over and over.
        if notice.notice_id not in self._told:
            try:
                self._notifiers[notice.channel].tell(notice)
            except NotToldError as trouble:
                self._put_off(notice, trouble)
                return
            except Exception as error:  # noqa: BLE001 - a notice that cannot be put in words must not hold up the others
                self._put_off(notice, NotToldError(type(error).__name__, only_this=True))
                return
            self._told.add(notice.notice_id)
            self._ailing.discard(notice.channel)
            self._in_trouble_until.pop(notice.channel, None)
        self._incidents.sent(notice, self._clock())
        self._told.discard(notice.notice_id)

    def _put_off(self, notice: Notice, trouble: NotToldError) -> None:
        now = self._clock()
        self._ail(notice.channel, trouble.why)
        if now - notice.created_at > GIVE_UP_AFTER:
            log.error("%s was not told of incident %s", notice.channel, notice.incident.incident_id)
            self._incidents.given_up(notice, now, trouble.why)
            return
        next_try_at = now + _pause(notice.tries, trouble.retry_after)
        if not trouble.only_this:
            self._in_trouble_until[notice.channel] = next_try_at
        self._incidents.failed(notice, next_try_at=next_try_at, trouble=trouble.why)

    def _ail(self, what: str, why: str) -> None:
        if what not in self._ailing:
            self._ailing.add(what)
            log.warning("%s did not take a notice (%s); it is tried again", what, why)


def _pause(tries: int, asked: timedelta | None) -> timedelta:
    """How long to leave a channel alone after `tries` failures before this one."""
    doubled = min(FIRST_PAUSE * (1 << min(tries, 20)), LONGEST_PAUSE)
    return max(doubled, min(asked or timedelta(0), LONGEST_ASKED_PAUSE))
