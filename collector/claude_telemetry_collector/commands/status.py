"""`claude-telemetry status`: is a collector running on this data folder, and is it keeping up?"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from claude_telemetry.settings import add_flags, settle
from claude_telemetry_collector.queries.status import HEALTHY, Status, length_in_words, size_in_words, status_of
from claude_telemetry_collector.terminal import dollars


def main(argv: Sequence[str]) -> int:
    """Raises `SettingsError`."""
    parser = argparse.ArgumentParser(
        prog="claude-telemetry status",
        usage="%(prog)s [OPTION ...]",
        description="Whether a collector runs on --data, and how it is.",
        epilog="The exit code: 0 it runs and is well, 1 none runs, 3 something is wrong with it.",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object; what is not known is null")
    add_flags(parser, "status")
    options = vars(parser.parse_args(argv))
    settings = settle("status", options)
    status = status_of(settings["data"], settings["spool"], datetime.now(UTC))
    print(as_json(status) if options["json"] else "\n".join(lines(status, datetime.now(UTC))))
    return status.exit_code


def as_json(status: Status) -> str:
    """Money as text, since a JSON number would become a float in most readers."""
    cost = status.cost_today_usd
    told = asdict(status) | {
        "healthy": status.exit_code == HEALTHY,
        "cost_today_usd": None if cost is None else format(cost, "f"),
    }
    return json.dumps(told, ensure_ascii=False, indent=1)


def lines(status: Status, now: datetime) -> Iterator[str]:
    """For people."""
    if status.running:
        yield f"{'✗' if status.problems else '✓'} a collector runs on {status.data}"
    else:
        yield f"✗ no collector runs on {status.data}"
        yield "    → start one with `claude-telemetry up`, or give the --data of the one that runs"
    for problem in status.problems:
        yield f"✗ {problem}"
    yield from (f"  {name.ljust(14)}{text}" for name, text in _rows(status, now) if text is not None)


def _rows(status: Status, now: datetime) -> Iterator[tuple[str, str | None]]:
    if status.running:
        yield "since", f"{_since(status.started_at, now)}, process {status.pid}, version {status.version}"
        grpc = f", gRPC on {status.otlp_grpc}" if status.otlp_grpc else ""
        token = ", with a token" if status.token_required else ""
        yield "listens on", f"{status.otlp_http}{grpc}{token}"
        yield "last call", _since(status.last_call_received_at, now) if status.last_call_received_at else "none yet"
        yield "today (UTC)", _today(status)
        opened = status.incidents_open
        yield "incidents", None if opened is None else ", ".join(opened) or "none open"
        yield "price book", status.price_version
        yield "schema", None if status.schema is None else str(status.schema)
    if status.backlog_bytes is not None and status.landing_lag_s is not None:
        behind = f", the oldest for {length_in_words(status.landing_lag_s)}" if status.backlog_bytes else ""
        yield "waits to land", size_in_words(status.backlog_bytes) + behind
    if status.disk_used_bytes is not None and status.disk_free_bytes is not None:
        yield "disk", f"{size_in_words(status.disk_used_bytes)} used, {size_in_words(status.disk_free_bytes)} free"
    yield "in the spool", None if status.spool_calls is None else f"{status.spool_calls:,} calls"


def _today(status: Status) -> str | None:
    if status.calls_today is None or status.cost_today_usd is None:
        return None
    least = "at least " if status.cost_today_is_lower_bound else ""
    unpriced = f", {status.unpriced_today:,} unpriced" if status.unpriced_today else ""
    return f"{status.calls_today:,} calls, {least}{dollars(status.cost_today_usd)}{unpriced}"


def _since(then: str | None, now: datetime) -> str:
    if then is None:
        return "—"
    at = datetime.fromisoformat(then).astimezone(UTC)
    return f"{at:%Y-%m-%d %H:%M:%S} UTC ({length_in_words((now - at).total_seconds())} ago)"
