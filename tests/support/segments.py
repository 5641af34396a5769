"""Segments to read: written as the receiver writes them, then damaged on purpose."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from claude_telemetry_collector.segments import Arrival, Frame, SegmentWriter

NOON = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)
MUCH = 1 << 30


def arrival(body: bytes) -> Arrival:
    return Arrival(signal="traces", encoding="protobuf", received_at=NOON, body=body)


def written(folder: Path, *bodies: bytes) -> Path:
    """The file of a segment with a frame for each of `bodies`, by a writer that was closed."""
    before = set(folder.glob("*.segment"))
    writer = SegmentWriter(folder)
    writer.append(arrival(body) for body in bodies)
    writer.close()
    (path,) = set(folder.glob("*.segment")) - before
    return path


def bodies(frames: list[Frame]) -> list[bytes]:
    return [frame.body for frame in frames]


def flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 0xFF
    path.write_bytes(data)
