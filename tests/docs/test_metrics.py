"""Every metric is documented, and what is documented is so."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

from claude_telemetry_collector.queries import MEASURES, METRICS, Segment, Window, readings
from claude_telemetry_collector.store import LocalReader, open_database
from tests.support.calls import NOON, a_call, land

PAGE = (Path(__file__).parents[2] / "docs/reference/metrics.md").read_text(encoding="utf-8")


def test_every_metric_is_a_row_of_the_page() -> None:
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE) == list(MEASURES)


def test_the_sql_on_the_page_gives_what_the_pages_show(tmp_path: Path) -> None:
    with open_database(tmp_path / "calls.duckdb", memory_limit="256MB") as store:
        land(store, [a_call(duration_ms=ms, stream=True, ttft_ms=ms // 2) for ms in (100, 200, 400)])
        land(store, [a_call(operation="count_tokens")])
        reader = LocalReader(store)
        block = PAGE.split("```sql\n")[1].split("```")[0]
        lines = ", ".join(block.splitlines())
        asked = reader.ask(f"SELECT {lines} FROM calls WHERE operation IS DISTINCT FROM 'count_tokens'").to_pylist()
        shown = readings(reader, list(METRICS), Window(NOON, NOON + timedelta(hours=1)), Segment())
        assert asked == [{name: reading.value for name, reading in shown.items()}]
