"""What the rules about the bill read: the numbers of `claude-telemetry reconcile`, over the days that are complete.

Holding a week of calls against the bill takes seconds, and the bill changes when somebody pulls it. So it is done anew
after a pull, and else once in a while, for calls that came late.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from claude_telemetry_collector.queries import Reader, Reading, Window, bill_readings, pulled
from claude_telemetry_collector.queries.bill import days_in

KEPT_FOR = timedelta(minutes=30)


class Bill:
    """Remembers what it came to. For one thread at a time."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._readings: Mapping[str, Reading] = {}
        self._about: object = None
        self._read_at: datetime | None = None

    def reading(self, measure: str, window: Window, now: datetime) -> Reading:
        """See `queries.bill_readings`. Raises what `Reader.ask` raises."""
        days, at = pulled(self._reader)
        if not days:
            return Reading(measure, None, 0, 0)
        about = (days, at, days_in(window))
        if about != self._about or self._read_at is None or not timedelta() <= now - self._read_at < KEPT_FOR:
            self._readings = bill_readings(self._reader, window)
            self._about, self._read_at = about, now
        return self._readings[measure]
