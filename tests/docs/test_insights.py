"""The page about findings and readiness tells of all that there are."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from claude_telemetry_collector.queries import Segment, Window
from claude_telemetry_collector.queries.insights import RULES, all_of
from claude_telemetry_collector.queries.readiness import BY_HAND, observed, scorecard
from claude_telemetry_collector.store import LocalReader, open_database

PAGE = (Path(__file__).parents[2] / "docs" / "insights.md").read_text(encoding="utf-8")
NOW = datetime(2026, 11, 20, tzinfo=UTC)
DAY = Window(NOW - timedelta(days=1), NOW)


def test_every_finding_has_its_row(tmp_path: Path) -> None:
    store = open_database(tmp_path / "calls.duckdb", memory_limit="256MB")
    try:
        titles = [finding.title for finding in all_of(rule(LocalReader(store), DAY, Segment()) for rule in RULES)]
        items = scorecard(dict(observed(LocalReader(store), DAY, Segment())), (), None, None, sees_people=True)
    finally:
        store.close()
    rows = re.findall(r"^\| ([^|]+) \|", PAGE, re.MULTILINE)
    missing = [title for title in titles if not any(title.startswith(row) for row in rows)]
    assert missing == []
    assert f"{len(items) + sum(map(len, BY_HAND.values()))} items in five dimensions" in PAGE
