"""The folders on this machine: where calls wait, and where a collector keeps them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from claude_telemetry import probe
from claude_telemetry.doctor.finding import Finding
from claude_telemetry.emit.otlp import Endpoint
from claude_telemetry.shadow import version
from claude_telemetry.spool import Waiting, spooled, target_of


def waiting(spool: Path, most_bytes: int, target: Endpoint | None) -> Iterator[Finding]:
    """What waits on disk, and whether more could."""
    try:
        spool = spool.expanduser()
        found = spooled(spool)
    except (OSError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "this user has no home"
        yield Finding("✗", f"{spool} cannot be read ({reason}): calls made without a collector wait there")
        return
    if found.dropped:
        yield Finding(
            "✗",
            f"{found.dropped} calls went from {spool} undelivered since it was made",
            "they were refused, or found no room: more room is CLAUDE_TELEMETRY_SPOOL_BYTES; a count from long ago "
            f"goes with the file {spool / 'dropped'}",
        )
    if most_bytes and found.size_bytes > 0.9 * most_bytes:
        yield Finding("✗", f"{spool} is full: the oldest calls go", "start a collector, and the calls are delivered")
    if not found.calls:
        yield Finding("✓", "no calls wait on disk")
    else:
        since = f", since {found.oldest_at:%Y-%m-%d %H:%M} UTC" if found.oldest_at is not None else ""
        advice = "a collector on this machine picks them up when their application is gone: `claude-telemetry up`"
        yield Finding("–", f"{found.calls} calls wait in {spool}{since}", advice)
        elsewhere = 0 if target is None else _for_others(found, target)
        if elsewhere:
            yield Finding(
                "–",
                f"{elsewhere} of them were to go to another address than now, and wait for somebody who sends there",
            )
    yield from _writable(spool, "calls made without a collector are lost")


def keeping(data: Path, min_free_bytes: int) -> Iterator[Finding]:
    """The collector of `data`, and the disk under it."""
    yield from _asked(data)
    if data.is_dir():
        yield from _writable(data, "nothing can be kept there")
        free = shutil.disk_usage(data).free
        if free < min_free_bytes:
            yield Finding(
                "✗",
                f"{free:,} bytes are free on the disk of {data}: below {min_free_bytes:,} new calls are put off",
                "make room, or give another --data",
            )
        yield from _version(data)


def _for_others(found: Waiting, target: Endpoint) -> int:
    ours = {target_of(target.of("traces").url), target_of(target.of("logs").url)}
    return sum(calls for place, calls in found.targets.items() if place not in ours)


def _asked(data: Path) -> Iterator[Finding]:
    try:
        url = str(_read(data / "reader.json")["url"])
    except (FileNotFoundError, NotADirectoryError):
        advice = "`query` and `dashboard` need the collector's --data on this machine"
        yield Finding("–", f"no collector keeps its data in {data}", advice)
        return
    except PermissionError:
        yield Finding("✗", f"{data} is another user's: only that one can ask its collector")
        return
    except (OSError, ValueError, KeyError, TypeError):
        url = ""
    if probe.listens(url):
        yield Finding("✓", f"{data} belongs to a collector that can be asked")
        return
    advice = f"start it again, such as with `claude-telemetry up --data {data}`"
    yield Finding("✗", f"{data} belongs to a collector that does not run any more", advice)


def _version(data: Path) -> Iterator[Finding]:
    try:
        theirs = str(_read(data / "running.json")["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return
    if theirs != version():
        yield Finding(
            "–",
            f"the collector of {data} is version {theirs}, and this is {version()}",
            "update the collector first: it reads what older versions send",
        )


def _writable(folder: Path, otherwise: str) -> Iterator[Finding]:
    """The folder, or the first above it that is there."""
    there = next((one for one in (folder, *folder.parents) if one.exists()), folder)
    if not os.access(there, os.W_OK | os.X_OK):
        yield Finding(
            "✗", f"{there} cannot be written by this user: {otherwise}", "give another folder, or mend its rights"
        )


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
