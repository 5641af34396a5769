"""The clock: every rule, every so often.

A *look* reads every rule once, and opens, keeps or closes its incident. Looking and telling are two threads, so that a
slow Slack never delays a look. A rule that cannot be read stays as it is until it can.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from claude_telemetry_collector.alerts.bill import Bill
from claude_telemetry_collector.alerts.delivery import Delivery
from claude_telemetry_collector.alerts.incidents import CallKey, closed, continued, judged, looked_at, opening
from claude_telemetry_collector.alerts.notify import Notifier
from claude_telemetry_collector.alerts.rules import Rule
from claude_telemetry_collector.queries import (
    BILL_MEASURES,
    Reader,
    Reading,
    extreme_call,
    freshness,
    readings,
    readings_by,
)
from claude_telemetry_collector.store.incident_log import IncidentLog
from claude_telemetry_collector.store.incidents import Incident, RuleState

log = logging.getLogger("claude_telemetry_collector.alerts")

_MISSED_LOOKS = 10
"""After a pause of so many intervals (a suspended machine, a moved clock) nobody was there to take calls."""

MOST_TOLD_APART = 10
"""Open incidents of one rule that tells calls apart. Labels come from outside: a gateway that makes up a model id for
each call must not make an incident of each."""


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
        self._bill = Bill(reader)
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
        known: defaultdict[str, list[Incident]] = defaultdict(list)
        for incident in self._incidents.open_incidents():
            known[incident.rule].append(incident)
        self._end_orphans(known, now)
        self._incidents.looked([self._look_at(rule, known[rule.name], now) for rule in self._rules])

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

    def _look_at(self, rule: Rule, known: Sequence[Incident], now: datetime) -> RuleState:
        try:
            reading = self._read(rule, now)
            if rule.by is None:
                self._judge(rule, known[0] if known else None, reading, now)
            elif known or reading.value:
                # Where all of it comes to nothing, no part does, and a month need not be read twice.
                self._judge_each(rule, rule.by, known, now)
        except Exception as error:  # noqa: BLE001 - one rule that fails does not stop the others
            self._failed(rule.name, error)
            reading = None
        else:
            self._failing.discard(rule.name)
        return looked_at(rule, reading, now)

    def _read(self, rule: Rule, now: datetime) -> Reading:
        window = rule.window_at(now)
        if rule.metric in BILL_MEASURES:
            return self._bill.reading(rule.metric, window, now)
        reading = readings(self._reader, [rule.metric], window, rule.segment, clock=rule.clock)[rule.metric]
        if rule.silence and not reading.calls and not self._would_have_heard(window.start):
            return replace(reading, value=None)
        return reading

    def _would_have_heard(self, since: datetime) -> bool:
        """Whether silence since then says anything: somebody was listening, and there was something to hear before."""
        listening = self._watching_since is not None and self._watching_since <= since
        return listening and freshness(self._reader).calls > 0

    def _judge_each(self, rule: Rule, by: str, open_now: Sequence[Incident], now: datetime) -> None:
        known = {incident.segment.get(by, ""): incident for incident in open_now}
        found = readings_by(
            self._reader,
            rule.metric,
            rule.window_at(now),
            rule.segment,
            by,
            always=list(known),
            limit=MOST_TOLD_APART,
            clock=rule.clock,
        )
        for value, incident in known.items():
            reading = found.pop(value, None)
            if reading is None or not reading.calls:
                # A count over no calls would be zero, and that is within: here there is nothing left to count.
                reading = Reading(rule.metric, None, 0, 0)
            self._judge(rule.about(value), incident, reading, now)
        for value, reading in list(found.items())[: MOST_TOLD_APART - len(known)]:
            self._judge(rule.about(value), None, reading, now)

    def _judge(self, rule: Rule, incident: Incident | None, reading: Reading, now: datetime) -> None:
        value = judged(rule, reading)
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

    def _end_orphans(self, known: Mapping[str, Sequence[Incident]], now: datetime) -> None:
        """An incident of a rule that was turned off would never end by itself."""
        for name in known.keys() - {rule.name for rule in self._rules}:
            for incident in known[name]:
                self._keep(closed(incident, "rule_off", now))

    def _failed(self, what: str, error: Exception) -> None:
        self._failures[what] += 1
        # The type only: what DuckDB says may quote a label. Once until it works again, or the log is all that is seen.
        if what not in self._failing:
            self._failing.add(what)
            log.warning("alert rule %s could not be looked at (%s); it stays as it is", what, type(error).__name__)
