"""Tables in which somebody has selected the first row: without a browser there is nobody to do it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pytest

from claude_telemetry_dashboard.panels import listing


def select_first_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the first row of every `listing` is selected, as it is drawn."""
    draw = listing.show

    def selected(rows: pa.Table, columns: Mapping[str, listing.Column], *, key: str) -> Mapping[str, Any] | None:
        draw(rows, columns, key=key)
        first: Mapping[str, Any] = rows.slice(0, 1).to_pylist()[0]
        return first

    monkeypatch.setattr(listing, "show", selected)
