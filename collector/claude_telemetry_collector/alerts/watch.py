"""The clock: every rule, every so often.

A *look* reads every rule once, and opens, keeps or closes its incident. Looking and telling are two threads, so that a
slow Slack never delays a look. A rule that cannot be read stays as it is until it can.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from claude_telemetry_collector.alerts.delivery import Delivery
from claude_telemetry_collector.alerts.incidents import CallKey, closed, continued, exact, looked_at, opening
from claude_telemetry_collector.alerts.notify import Notifier
from claude_telemetry_collector.alerts.rules import Rule
from claude_telemetry_collector.queries import Reader, Reading, extreme_call, freshness, readings
from claude_telemetry_collector.store.incident_log import IncidentLog
from claude_telemetry_collector.store.incidents import Incident, RuleState

log = logging.getLogger("claude_telemetry_collector.alerts")

_MISSED_LOOKS = 10
"""After a pause of so many intervals (a suspended machine, a moved clock) nobody was there to take calls."""


def utc_now() -> datetime:
    return datetime.now(UTC)


class Watch:
    """Looks at `rules` every `interval_s`, and tells `notifiers` what opens and closes.

    Without notifiers incidents are kept all the same, for the Alerts page.
    """

    def __init__(
        self,
        reader: Reader,
        incidents: IncidentLog,
        rules: Sequence[Rule],
        notifiers: Sequence[Notifier] = (),
        interval_s: float = 15.0,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._reader = reader
        self._incidents = incidents
        self._rules = tuple(rules)
        self._channels = tuple(notifier.name for notifier in notifiers)
        self._interval = timedelta(seconds=interval_s)
        self._clock = clock
        self._delivery = Delivery(incidents, notifiers, clock)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="alert-rules", daemon=True)
        self._watching_since: datetime | None = None
        self._looked_at: datetime | None = None
        self._failures: Counter[str] = Counter()
        self._failing: set[str] = set()

    def start(self) -> None:
        """Starts looking and telling, each in a thread of its own. Called once."""
        if not self._channels:
            log.info("no Slack webhook is set: incidents are kept and shown, and nobody is told")
        self._delivery.start()
        self._thread.start()

    def stop(self) -> None:
        """Ends both threads, after what they are at. The incident log may be closed after that."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._delivery.stop()

    @property
    def failures(self) -> dict[str, int]:
        """How often each rule could not be looked at, by name. Empty when all is well."""
        return dict(self._failures)

    def look(self) -> None:
        """One look at every rule. Raises what the incident log raises; a rule that fails does not stop the others."""
        now = self._clock()
        if self._looked_at is None or now - self._looked_at > self._interval * _MISSED_LOOKS:
            self._watching_since = now
        self._looked_at = now
        known = self._incidents.open_incidents()
        self._end_orphans(known, now)
        self._incidents.looked([self._look_at(rule, known.get(rule.name), now) for rule in self._rules])

    def deliver(self) -> None:
        """Tells what is due, in this thread. For tests; `start` does it in the background."""
        self._delivery.deliver()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.look()
            except Exception as error:  # noqa: BLE001 - the loop must go on: the next look may work
                self._failed("look", error)
            else:
                self._failing.discard("look")
            self._stop.wait(self._interval.total_seconds())

    def _look_at(self, rule: Rule, incident: Incident | None, now: datetime) -> RuleState:
        try:
            reading = self._read(rule, now)
            self._judge(rule, incident, reading, now)
        except Exception as error:  # noqa: BLE001 - one rule that fails does not stop the others
            self._failed(rule.name, error)
            reading = None
        else:
            self._failing.discard(rule.name)
        return looked_at(rule, reading, now)

    def _read(self, rule: Rule, now: datetime) -> Reading:
        window = rule.window_at(now)
        reading = readings(self._reader, [rule.metric], window, rule.segment, clock=rule.clock)[rule.metric]
        if rule.silence and not reading.calls and not self._would_have_heard(window.start):
            return replace(reading, value=None)
        return reading

    def _would_have_heard(self, since: datetime) -> bool:
        """Whether silence since then says anything: somebody was listening, and there was something to hear before."""
        listening = self._watching_since is not None and self._watching_since <= since
        return listening and freshness(self._reader).calls > 0

    def _judge(self, rule: Rule, incident: Incident | None, reading: Reading, now: datetime) -> None:
        value = exact(reading.value)
        beyond = value is not None and rule.is_beyond(value)
        call = self._worst_call(rule, now) if beyond and rule.is_about_one_call else None
        if incident is not None:
            self._keep(continued(incident, rule, reading, now, call))
        elif beyond and reading.calls >= rule.min_calls:
            opened = opening(rule, reading, now, call)
            self._incidents.opened(opened, self._channels)
            log.warning("%s: incident %s has opened", rule.name, opened.incident_id)
            self._delivery.wake()

    def _keep(self, incident: Incident) -> None:
        if incident.closed_at is None:
            self._incidents.kept(incident)
            return
        self._incidents.closed(incident, self._channels)
        log.warning("%s: incident %s has closed", incident.rule, incident.incident_id)
        self._delivery.wake()

    def _worst_call(self, rule: Rule, now: datetime) -> CallKey | None:
        return extreme_call(self._reader, rule.metric, rule.window_at(now), rule.segment, clock=rule.clock)

    def _end_orphans(self, known: dict[str, Incident], now: datetime) -> None:
        """An incident of a rule that was turned off would never end by itself."""
        for name in known.keys() - {rule.name for rule in self._rules}:
            self._keep(closed(known[name], "rule_off", now))

    def _failed(self, what: str, error: Exception) -> None:
        self._failures[what] += 1
        # The type only: what DuckDB says may quote a label. Once until it works again, or the log is all that is seen.
        if what not in self._failing:
            self._failing.add(what)
            log.warning("alert rule %s could not be looked at (%s); it stays as it is", what, type(error).__name__)
