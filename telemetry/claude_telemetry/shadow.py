"""Whether something else stands where this package should.

The PyPI project `claude-telemetry` has the same import name as ours. Installed together, the one that came last has
overwritten files of the other, and uninstalling either takes files of both.
"""

from __future__ import annotations

from functools import cache
from importlib import metadata
from importlib.machinery import PathFinder
from pathlib import Path

DISTRIBUTION = "claude-telemetry-sidecar"
OTHER = "claude-telemetry"


def shadow_problem(folder: Path | None = None) -> str | None:
    """A sentence that says what stands in the way and what to do, or `None` when nothing does.

    With `folder`, whether a program started there would import something else is looked at too.
    """
    try:
        other = metadata.version(OTHER)
    except metadata.PackageNotFoundError:
        return _elsewhere(folder) if folder is not None else None
    return (
        f"the package {OTHER} {other} is installed too and has the same import name, claude_telemetry: run "
        f"`pip uninstall {OTHER}`, then `pip install --force-reinstall {DISTRIBUTION}`"
    )


@cache
def version() -> str:
    """The version of the installed distribution, or `unknown` when this copy runs without being installed."""
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "unknown"


def location() -> Path:
    """The folder that this copy was imported from."""
    return Path(__file__).resolve().parent


def _elsewhere(folder: Path) -> str | None:
    found = PathFinder.find_spec("claude_telemetry", [str(folder)])
    origin = None if found is None or found.origin is None else Path(found.origin).resolve()
    if origin is None or location() in origin.parents:
        return None
    return f"a program started in {folder} imports {origin} as claude_telemetry instead of {location()}: rename it"
