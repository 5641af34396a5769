"""`claude-telemetry reconcile`: pulls the bill, keeps it beside the calls, and says what does not fit.

The Admin key stays in this process and in its environment. What it fetches is handed to the running collector.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from claude_telemetry.errors import ClaudeTelemetryError, PriceBookError, QuestionRefusedError
from claude_telemetry.settings import add_flags, settle
from claude_telemetry_collector import queries
from claude_telemetry_collector.queries import Reconciliation, Tolerance
from claude_telemetry_collector.reconcile import admin_key, pull, store_pulled
from claude_telemetry_collector.reconcile.key import KEY_VARIABLES
from claude_telemetry_collector.reconcile.report import as_json, lines_of
from claude_telemetry_collector.reprice import price_as
from claude_telemetry_collector.store import Store
from claude_telemetry_collector.terminal import day_given

DRIFT = 3
"""The exit code when more is missing, surplus or mispriced than the tolerance allows."""
DAYS = 30


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code: 0 when it fits, 1 when it could not be done, 2 when it was not understood, 3 for drift beyond the
    tolerance."""
    parser = _parser()
    given = vars(parser.parse_args(argv))
    if given["until"] < given["since"]:
        parser.error(f"argument --until: {given['until']} is before --since {given['since']}")
    try:
        settings = settle("reconcile", given)
        store = queries.connect(settings["data"])
        price_as(store, settings["prices"])
        since, until = given["since"], given["until"] + timedelta(days=1)
        _pull(store, since, until, given["pull"])
        found = queries.reconciliation(store, since, until)
    except ClaudeTelemetryError as error:
        print(f"claude-telemetry reconcile: {error}", file=sys.stderr)
        return 2 if isinstance(error, QuestionRefusedError | PriceBookError) else 1
    return _told(found, queries.tolerance_from(settings), given)


def _told(found: Reconciliation, tolerance: Tolerance, given: Mapping[str, Any]) -> int:
    if given["json"]:
        print(json.dumps(as_json(found, tolerance), ensure_ascii=False, indent=1))
    else:
        for line in lines_of(found, tolerance):
            print(line)
    if not found.is_pulled:
        print(
            "claude-telemetry reconcile: there is nothing to hold the calls against: set ANTHROPIC_ADMIN_KEY to an "
            "Admin API key (sk-ant-admin01-…) and run it again without --no-pull",
            file=sys.stderr,
        )
        return 1
    return DRIFT if found.is_drift(tolerance) else 0


def _pull(store: Store, since: date, until: date, wanted: bool | None) -> None:
    """Pulls if it is wanted; if that is not said, if there is a key. Raises what pulling and keeping raise."""
    if wanted is None:
        wanted = any(os.environ.get(name, "").strip() for name in KEY_VARIABLES)
        if not wanted:
            print("no Admin key in ANTHROPIC_ADMIN_KEY: this is about what was pulled before", file=sys.stderr)
    if not wanted:
        return
    key = admin_key(os.environ)
    print(f"pulling the bill from {since} to {until - timedelta(days=1)} …", file=sys.stderr)
    pulled = pull(since, until, key=key, base_url=None)
    store_pulled(store, pulled)
    if pulled.fallback_reason is not None:
        print(f"the older report was taken: {pulled.fallback_reason}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="claude-telemetry reconcile",
        description="Hold the recorded calls against Anthropic's own usage and cost report: what telemetry never saw, "
        "which prices are off, which discount is really paid. Pulls the report first if ANTHROPIC_ADMIN_KEY is set.",
        epilog="Exit codes: 0 it fits, 1 it could not be done, 2 not understood, 3 drift beyond the tolerance.",
    )
    today = datetime.now(UTC).date()
    parser.add_argument(
        "--since",
        type=day_given,
        default=today - timedelta(days=DAYS),
        metavar="DAY",
        help=f"the first UTC day (default {DAYS} days ago)",
    )
    parser.add_argument(
        "--until", type=day_given, default=today, metavar="DAY", help="the last UTC day (default today)"
    )
    parser.add_argument(
        "--pull",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="fetch the report anew, or use what was fetched before (default: fetch if there is a key)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object; amounts are exact, as text")
    add_flags(parser, "reconcile")
    return parser
