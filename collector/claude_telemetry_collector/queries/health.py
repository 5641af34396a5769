"""How the collector does, and what comes in: for the health page.

What `status` knows, what the receiver and the store process tell of themselves since they started, and who has told of
calls. What cannot be found out is `None`, and never a zero.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from claude_telemetry import probe
from claude_telemetry.errors import CollectorError
from claude_telemetry.record.attributes import RECORDER_VERSION
from claude_telemetry_collector.queries.status import Status, status_of
from claude_telemetry_collector.queries.window import Window
from claude_telemetry_collector.running import announced
from claude_telemetry_collector.settings import database_path, segments_folder
from claude_telemetry_collector.store import Reader, connect

_NEWEST = 10_000
"""Calls whose emitters' versions are looked at: they lie among the attributes, which take long to read."""

_MEASURED = re.compile(r"^claude_telemetry_receiver_([a-z_]+?)(?:_total)?(?:\{(.*)\})? ([0-9.e+-]+)$", re.MULTILINE)
_LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Something that came and was not kept, or was turned away, since the process that counts it started."""

    what: str
    why: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A part of the data folder, with what is in it."""

    name: str
    meaning: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Of one collector, as of now."""

    status: Status
    files: tuple[StoredFile, ...]
    lost: tuple[Lost, ...] | None
    """Largest first. `None` when neither receiver nor store could be asked; empty when nothing was lost."""
    receiver_tells: bool
    """Whether the receiver has told its part of `lost`: one that wants a token tells only who has one."""
    landed: int | None
    """Calls, since the store process started."""
    landing_lag_ms: int | None
    """From receiving the last portion to its calls being there."""
    landing_troubles: int | None
    """How often landing had to wait for the disk or the database."""
    settings: Mapping[str, str]
    """What the collector goes by, secrets left out. Empty when it does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Who tells of calls."""

    name: str
    """As in the column `source`."""
    told: int
    """How often it has told of a call, alone or with others."""
    last_at: datetime
    """When it did so last, UTC."""
    versions: tuple[str, ...]
    """Of ours only, and of the newest calls; others say theirs nowhere that is kept."""


def health(data: Path, spool: Path | None, now: datetime) -> Health:
    """What can be found out about the collector of `data`. Never raises for what is wrong with it."""
    told = _store_tells(data)
    landing = cast("Mapping[str, int | None]", told.get("landing", {}))
    measured = _receiver_tells(data)
    lost = None
    if landing or measured is not None:
        lost = tuple(sorted((*_refused(measured or ()), *_not_landed(landing)), key=lambda one: -one.count))
    return Health(
        status=status_of(data, spool, now),
        files=tuple(_files(data)),
        lost=lost,
        receiver_tells=measured is not None,
        landed=landing.get("landed"),
        landing_lag_ms=landing.get("lag_ms"),
        landing_troubles=landing.get("troubles"),
        settings=cast("Mapping[str, str]", told.get("settings", {})),
    )


def sources(reader: Reader, window: Window) -> tuple[Source, ...]:
    """Who has told of calls that started in `window`, most often first."""
    where, parameters = window.where()
    told = reader.ask(
        f"SELECT source, count(*) AS told, max(received_at) AS last_at FROM call_sources WHERE {where}"  # noqa: S608
        " GROUP BY source ORDER BY told DESC, source",
        parameters,
    ).to_pylist()
    newest = reader.ask(
        "SELECT source, list(DISTINCT version ORDER BY version) AS versions"  # noqa: S608
        " FROM (SELECT source, variant_extract(attributes, $version)::VARCHAR AS version"
        f" FROM calls WHERE {where} ORDER BY started_at DESC LIMIT {_NEWEST})"
        " WHERE version IS NOT NULL GROUP BY source",
        {**parameters, "version": RECORDER_VERSION},
    ).to_pylist()
    versions = {row["source"]: tuple(row["versions"]) for row in newest}
    return tuple(
        Source(
            name=row["source"],
            told=row["told"],
            last_at=row["last_at"].replace(tzinfo=UTC),
            versions=versions.get(row["source"], ()),
        )
        for row in told
    )


def _store_tells(data: Path) -> Mapping[str, Any]:
    try:
        return connect(data).about()
    except CollectorError:
        return {}


def _receiver_tells(data: Path) -> tuple[tuple[str, Mapping[str, str], int], ...] | None:
    """Name, labels and value of each thing that it counts."""
    try:
        running = announced(data)
    except CollectorError:
        return None
    answered = None if running is None else probe.asked(f"{running.nearby_url}/metrics")
    if answered is None or answered.status != 200:
        return None
    return tuple(
        (name, dict(_LABEL.findall(labels or "")), int(float(value)))
        for name, labels, value in _MEASURED.findall(answered.body)
    )


_COUNTED: Mapping[str, tuple[str, str]] = {
    "connections_refused": ("connections", "too many at once"),
    "connections_slow": ("connections", "a request's head took too long"),
    "forward_refused": ("forwarded bodies", "the other endpoint refused them for good"),
    "forward_dropped": ("forwarded bodies", "more waited than may"),
}
_NOT_LANDED: Mapping[str, tuple[str, str]] = {
    "refused": ("spans and records", "without an identity or a time that can be used"),
    "quarantined": ("bodies", "could not be landed, and are kept in segments/quarantine"),
}


def _refused(measured: tuple[tuple[str, Mapping[str, str], int], ...]) -> Iterator[Lost]:
    for name, labels, count in measured:
        if not count:
            continue
        if name == "refused_requests":
            yield Lost(what="requests", why=labels.get("reason", "").replace("_", " "), count=count)
        elif name == "rejected_items":
            yield Lost(what=f"items of {labels.get('signal', '')}", why=labels.get("reason", ""), count=count)
        elif name in _COUNTED:
            what, why = _COUNTED[name]
            yield Lost(what=what, why=why, count=count)


def _not_landed(landing: Mapping[str, int | None]) -> Iterator[Lost]:
    for name, (what, why) in _NOT_LANDED.items():
        count = landing.get(name)
        if count:
            yield Lost(what=what, why=why, count=count)


def _files(data: Path) -> Iterator[StoredFile]:
    database, segments = database_path(data), segments_folder(data)
    wal = database.with_name(f"{database.name}.wal")
    for path, meaning in (
        (database, "calls that have landed"),
        (wal, "what has landed last, before it is folded in"),
        (segments, "what was received, and waits to be landed or forwarded"),
        (segments / "quarantine", "bodies that could not be landed"),
    ):
        if path.exists():
            yield StoredFile(name=str(path.relative_to(data)), meaning=meaning, size_bytes=_size_of(path))


def _size_of(path: Path) -> int:
    """What a file holds, or the files right in a folder. What goes away meanwhile counts as nothing."""
    total = 0
    for one in path.iterdir() if path.is_dir() else (path,):
        try:
            total += one.stat().st_size if one.is_file() else 0
        except FileNotFoundError:
            continue
    return total
