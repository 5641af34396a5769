"""`claude-telemetry doctor`: what is wrong here, and what to do about it.

A *finding* is one line: `✓` fine, `✗` wrong, `–` worth knowing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from claude_telemetry import probe
from claude_telemetry.emit.otlp import Endpoint
from claude_telemetry.errors import SettingsError
from claude_telemetry.settings import add_flags, settle
from claude_telemetry.shadow import DISTRIBUTION, location, shadow_problem, version
from claude_telemetry.spool import spooled

_NEEDED = ("anthropic", "opentelemetry-sdk")
_EXTRAS = (("duckdb", "collector"), ("streamlit", "dashboard"))


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    sign: Literal["✓", "✗", "–"]
    text: str
    advice: str | None = None

    def __str__(self) -> str:
        return f"{self.sign} {self.text}" + (f"\n    → {self.advice}" if self.advice else "")


def main(argv: Sequence[str]) -> int:
    """Prints every finding. 1 when something is wrong."""
    options = _parser().parse_args(argv)
    settings = settle("doctor", vars(options))
    wrong = False
    for finding in findings(settings["data"], settings["endpoint"], settings["spool"]):
        print(finding, flush=True)
        wrong = wrong or finding.sign == "✗"
    return 1 if wrong else 0


def findings(data: Path, endpoint: str | None, spool: Path) -> Iterator[Finding]:
    """Looks at one thing after the other."""
    yield Finding("✓", f"{DISTRIBUTION} {version()} in {location()}, Python {platform.python_version()}")
    yield from _versions()
    yield _shadow()
    yield from _hooks()
    yield from _collector(data, endpoint)
    yield _waiting(spool)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="claude-telemetry doctor",
        usage="%(prog)s [OPTION ...]",
        description="Looks at this installation and at the collector, and says what to do. Run it where your "
        "application runs, in its environment. The exit code is 1 when something is wrong.",
    )
    add_flags(parser, "doctor")
    return parser


def _versions() -> Iterator[Finding]:
    for package in _NEEDED:
        found = _version_of(package)
        if found is None:
            yield Finding("✗", f"{package} is missing", f"pip install {DISTRIBUTION}")
        else:
            yield Finding("✓", f"{package} {found}")
    for package, extra in _EXTRAS:
        found = _version_of(package)
        if found is None:
            advice = f'to run the {extra} from here: pip install "{DISTRIBUTION}[{extra}]"'
            yield Finding("–", f"{package} is not installed", advice)
        else:
            yield Finding("✓", f"{package} {found}")


def _version_of(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _shadow() -> Finding:
    problem = shadow_problem(Path.cwd())
    return Finding("✗", problem) if problem else Finding("✓", "nothing else answers to the name claude_telemetry")


def _hooks() -> Iterator[Finding]:
    if _version_of("anthropic") is None:
        return
    from claude_telemetry.capture import self_check

    problems = self_check()
    for problem in problems:
        yield Finding("✗", problem, f"update: pip install --upgrade {DISTRIBUTION} anthropic")
    if not problems:
        yield Finding("✓", "the hooks fit the installed SDK")


def _collector(data: Path, endpoint: str | None) -> Iterator[Finding]:
    yield _receives(endpoint)
    yield _answers_questions(data)


def _receives(endpoint: str | None) -> Finding:
    try:
        target = Endpoint.resolve(endpoint, os.environ, use_otel_variables=True).url
    except SettingsError as error:
        return Finding("✗", str(error))
    base = target.removesuffix("/v1/traces")
    if probe.answers(f"{base}/healthz"):
        return Finding("✓", f"a collector answers at {base}")
    advice = "start one with `claude-telemetry up`, or say where it is: --endpoint, CLAUDE_TELEMETRY_ENDPOINT"
    return Finding("✗", f"no collector of ours answers at {base}", advice)


def _waiting(spool: Path) -> Finding:
    try:
        found = spooled(spool)
    except OSError as error:
        return Finding("✗", f"{spool} cannot be read ({error.strerror}): calls made without a collector wait there")
    lost = f"; {found.dropped} found no room since the folder was made" if found.dropped else ""
    if not found.calls:
        return Finding("✗" if lost else "✓", f"no calls wait on disk{lost}")
    since = f", since {found.oldest_at:%Y-%m-%d %H:%M} UTC" if found.oldest_at is not None else ""
    advice = "a collector on this machine picks them up when their application is gone: `claude-telemetry up`"
    return Finding("–", f"{found.calls} calls wait in {spool}{since}{lost}", advice)


def _answers_questions(data: Path) -> Finding:
    try:
        url = str(json.loads((data / "reader.json").read_text(encoding="utf-8"))["url"])
    except (FileNotFoundError, NotADirectoryError):
        advice = "`query` and `dashboard` need the collector's --data on this machine"
        return Finding("–", f"no collector keeps its data in {data}", advice)
    except PermissionError:
        return Finding("✗", f"{data} is another user's: only that one can ask its collector")
    except (OSError, ValueError, KeyError, TypeError):
        url = ""
    if probe.listens(url):
        return Finding("✓", f"{data} belongs to a collector that can be asked")
    advice = f"start it again, such as with `claude-telemetry up --data {data}`"
    return Finding("✗", f"{data} belongs to a collector that does not run any more", advice)
