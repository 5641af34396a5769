"""What is installed, and whether it fits together."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from claude_telemetry.doctor.finding import Finding
from claude_telemetry.shadow import DISTRIBUTION, location, shadow_problem, version

NEEDED = ("anthropic", "opentelemetry-sdk")
EXTRAS = (("duckdb", "collector"), ("streamlit", "dashboard"))


def installation() -> Iterator[Finding]:
    """Looks at this installation, and at what a program started in this folder would import."""
    yield Finding("✓", f"{DISTRIBUTION} {version()} in {location()}, Python {platform.python_version()}")
    yield from _versions()
    problem = shadow_problem(Path.cwd())
    yield Finding("✗", problem) if problem else Finding("✓", "nothing else answers to the name claude_telemetry")
    yield from _hooks()


def _versions() -> Iterator[Finding]:
    for package in NEEDED:
        found = _version_of(package)
        if found is None:
            yield Finding("✗", f"{package} is missing", f"pip install {DISTRIBUTION}")
        else:
            yield Finding("✓", f"{package} {found}")
    for package, extra in EXTRAS:
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


def _hooks() -> Iterator[Finding]:
    if _version_of("anthropic") is None:
        return
    from claude_telemetry.capture import self_check

    problems = self_check()
    for problem in problems:
        yield Finding("✗", problem, f"update: pip install --upgrade {DISTRIBUTION} anthropic")
    if not problems:
        yield Finding("✓", "the hooks fit the installed SDK")
