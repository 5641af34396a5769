"""Where the collector keeps what, below its data folder."""

from __future__ import annotations

from pathlib import Path


def database_path(data: Path) -> Path:
    """The DuckDB file. Only the store process opens it."""
    return data / "calls.duckdb"


def segments_folder(data: Path) -> Path:
    """What was received and is yet to be landed."""
    return data / "segments"


def forward_folder(data: Path) -> Path:
    """The same, as far as it is yet to be forwarded."""
    return data / "forward"
