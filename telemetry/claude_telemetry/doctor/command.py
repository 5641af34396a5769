"""The command: its options, and the order of looking."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from claude_telemetry.doctor.environment import PARTS, environment, proxies, redirections
from claude_telemetry.doctor.finding import Finding
from claude_telemetry.doctor.folders import keeping, waiting
from claude_telemetry.doctor.installation import installation
from claude_telemetry.doctor.receiving import receiving
from claude_telemetry.emit.otlp import Endpoint
from claude_telemetry.errors import SettingsError
from claude_telemetry.settings import add_flags, settle, settled


def main(argv: Sequence[str]) -> int:
    """Prints every finding. 1 when something is wrong."""
    options = vars(_parser().parse_args(argv))
    if options["settings"]:
        print("\n".join(_table(options)))
        return 0
    wrong = False
    for finding in findings(options, os.environ):
        print(finding, flush=True)
        wrong = wrong or finding.sign == "✗"
    return 1 if wrong else 0


def findings(given: Mapping[str, Any], environ: Mapping[str, str]) -> Iterator[Finding]:
    """Looks at one thing after the other. `given` are settings of `doctor`."""
    yield from installation()
    yield from environment(given, environ)
    try:
        settings = settle("doctor", given, environ)
    except SettingsError:  # which was told with the others
        return
    target: Endpoint | None = None
    yield from redirections(settings["endpoint"], environ)
    try:
        target = Endpoint.resolve(
            settings["endpoint"],
            environ,
            use_otel_variables=True,
            token=settings["token"],
            certificate=settings["certificate"],
        )
    except SettingsError as error:
        yield Finding("✗", str(error))
    if target is not None:
        yield from proxies(target.url)
        yield from receiving(target)
    yield from waiting(settings["spool"], settings["spool_bytes"], target)
    yield from keeping(settings["data"], settings["min_free_bytes"])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="claude-telemetry doctor",
        usage="%(prog)s [OPTION ...]",
        description="Looks at this installation and at the collector, and says what to do. Run it where your "
        "application runs, in its environment. The exit code is 1 when something is wrong.",
    )
    parser.add_argument(
        "--settings", action="store_true", help="show every setting that holds here and who says so, and nothing else"
    )
    add_flags(parser, "doctor")
    return parser


def _table(given: Mapping[str, Any]) -> Iterator[str]:
    """Raises `SettingsError`. Of secrets it says that they are set."""
    one_each = {one.setting.name: one for part in PARTS for one in settled(part, given)}
    rows = [
        (
            one.setting.name,
            one.setting.shown(one.value),
            one.origin,
        )
        for one in one_each.values()
    ]
    widths = [max(len(row[place]) for row in rows) for place in (0, 1)]
    for name, value, origin in rows:
        yield f"{name.ljust(widths[0])}  {value.ljust(widths[1])}  {origin}"
