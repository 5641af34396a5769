"""Is a collector running on a data folder, and is it keeping up? For `claude-telemetry status` and the health page.

Whoever is there to ask is asked, the store for calls and incidents, the receiver whether it takes more, and the folder
itself is looked into. What cannot be found out is not known.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from claude_telemetry import probe
from claude_telemetry.errors import ClaudeTelemetryError, CollectorError
from claude_telemetry.spool import spooled
from claude_telemetry_collector.queries.calls import freshness
from claude_telemetry_collector.queries.incidents import incidents
from claude_telemetry_collector.queries.metrics import readings
from claude_telemetry_collector.queries.window import Segment, Window
from claude_telemetry_collector.running import Running, announced
from claude_telemetry_collector.segments import backlog
from claude_telemetry_collector.settings import segments_folder
from claude_telemetry_collector.store import connect

HEALTHY, NOT_RUNNING, UNHEALTHY = 0, 1, 3
"""The exit codes. 2 is for what was not understood, as with every command."""

LANDING_LATE_S = 60.0
"""A call that waits for longer is late: it is there within a second while all is well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What is known. `None` for what is not."""

    data: str
    running: bool
    problems: tuple[str, ...] = ()
    """What is wrong, one sentence each."""
    pid: int | None = None
    version: str | None = None
    started_at: str | None = None
    otlp_http: str | None = None
    otlp_grpc: str | None = None
    token_required: bool | None = None
    price_version: str | None = None
    backlog_bytes: int | None = None
    """What is received and durable, and not landed yet."""
    landing_lag_s: float | None = None
    """How long the oldest of it has waited."""
    last_call_received_at: str | None = None
    calls_today: int | None = None
    """Of the UTC day."""
    cost_today_usd: Decimal | None = None
    cost_today_is_lower_bound: bool | None = None
    unpriced_today: int | None = None
    incidents_open: tuple[str, ...] | None = None
    """Their titles."""
    schema: int | None = None
    disk_used_bytes: int | None = None
    disk_free_bytes: int | None = None
    spool_calls: int | None = None
    """Calls that wait on this machine for a collector."""

    @property
    def exit_code(self) -> int:
        if not self.running:
            return NOT_RUNNING
        return UNHEALTHY if self.problems else HEALTHY


def status_of(data: Path, spool: Path | None, now: datetime) -> Status:
    """What can be found out about the collector of `data`, and about `spool` if one is given. Never raises for what is
    wrong with it."""
    inquiry = _Inquiry(Status(data=str(data), running=False))
    inquiry.try_to("look at the data folder", lambda: _disk(data))
    inquiry.try_to("look at what waits to be landed", lambda: _waiting(data, now))
    if spool is not None:
        inquiry.try_to("look at the calls that wait for a collector", lambda: {"spool_calls": spooled(spool).calls})
    running = inquiry.whoever_runs(data)
    if running is None:
        return inquiry.found
    inquiry.try_to("ask the store", lambda: _stored(data, now))
    inquiry.ask_receiver(running)
    lag_s = inquiry.found.landing_lag_s
    if lag_s is not None and lag_s > LANDING_LATE_S:
        inquiry.problem(f"landing is {length_in_words(lag_s)} behind: the collector's log says why")
    return inquiry.found


@dataclass(slots=True)
class _Inquiry:
    """What is found out, question by question."""

    found: Status

    def problem(self, sentence: str) -> None:
        self.found = replace(self.found, problems=(*self.found.problems, sentence))

    def try_to(self, what: str, find: Callable[[], Mapping[str, Any]]) -> None:
        """Adds what `find` finds; that it cannot is a problem."""
        try:
            self.found = replace(self.found, **find())
        except (ClaudeTelemetryError, OSError, LookupError, ValueError, RuntimeError) as error:
            self.problem(f"cannot {what}: {error}")

    def whoever_runs(self, data: Path) -> Running | None:
        try:
            running = announced(data)
        except CollectorError as error:
            self.problem(str(error))
            return None
        if running is None or not running.is_alive():
            return None
        told = {name: value for name, value in asdict(running).items() if name != "nearby_url"}
        self.found = replace(self.found, running=True, **told)
        return running

    def ask_receiver(self, running: Running) -> None:
        ready = probe.asked(f"{running.nearby_url}/readyz")
        if ready is None:
            self.problem(f"the receiver does not answer at {running.otlp_http}")
        elif ready.status != 200:
            self.problem(f"the receiver takes nothing new: {ready.sentence}")


def _disk(data: Path) -> Mapping[str, Any]:
    if not data.is_dir():
        return {}
    used = 512 * sum(path.lstat().st_blocks for path in data.rglob("*"))
    return {"disk_used_bytes": used, "disk_free_bytes": shutil.disk_usage(data).free}


def _stored(data: Path, now: datetime) -> Mapping[str, Any]:
    store = connect(data)
    today = readings(store, ("requests", "cost_usd", "unpriced_calls"), Window.day_so_far(now), Segment())
    newest = freshness(store).received_at
    cost = today["cost_usd"]
    return {
        "calls_today": int(today["requests"].value or 0),
        "cost_today_usd": Decimal(cost.value or 0),
        "cost_today_is_lower_bound": cost.unknown > 0,
        "unpriced_today": int(today["unpriced_calls"].value or 0),
        "last_call_received_at": None if newest is None else newest.isoformat(),
        "incidents_open": tuple(one.title for one in incidents(store) if one.closed_at is None),
        "schema": store.ask("SELECT schema FROM schema_version").to_pylist()[0]["schema"],
    }


def _waiting(data: Path, now: datetime) -> Mapping[str, Any]:
    waiting = backlog(segments_folder(data))
    oldest_at = waiting.oldest_at
    return {
        "backlog_bytes": waiting.size_bytes,
        "landing_lag_s": 0.0 if oldest_at is None else max(0.0, (now - oldest_at).total_seconds()),
    }


def length_in_words(seconds: float) -> str:
    """Two units at most: `2 h 47 min`."""
    if seconds < 60:
        return f"{max(0, math.floor(seconds))} s"
    days, rest = divmod(timedelta(seconds=math.floor(seconds)), timedelta(days=1))
    hours, minutes = divmod(rest // timedelta(minutes=1), 60)
    parts = ((days, "d"), (hours, "h"), (minutes, "min"))
    return " ".join([f"{count} {unit}" for count, unit in parts if count][:2])


def size_in_words(count: int) -> str:
    """Bytes by the thousand: `81.3 MB`."""
    size = float(count)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
