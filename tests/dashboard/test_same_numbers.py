"""The number in the terminal is the number on the page."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from claude_telemetry_collector.commands.report import main
from claude_telemetry_collector.queries import METRICS
from claude_telemetry_dashboard import formats
from claude_telemetry_dashboard.panels import numbers
from tests.dashboard.conftest import Store
from tests.support.calls import a_call
from tests.support.pages import Pages


def test_a_report_and_the_overview_say_the_same(
    store: Store, open_page: Callable[..., Pages], capsys: pytest.CaptureFixture[str]
) -> None:
    at = datetime.now(UTC) - timedelta(minutes=5)
    store.land(
        *(a_call(started_at=at, duration_ms=137 * n, cache_read_tokens=31 * n, ttft_ms=20 * n) for n in range(1, 40)),
        a_call(started_at=at, cost_usd=None, status="error", error_type="api_error"),
        a_call(started_at=at, cost_usd=Decimal("1.23456789"), duration_ms=None),
    )

    page = open_page("overview", range="1h")
    assert main(["--since", "1h", "--json", "--data", str(store.folder)]) == 0
    told = json.loads(capsys.readouterr().out)["metrics"]

    for name in (
        "requests",
        "cost_usd",
        "error_ratio",
        "duration_p50_ms",
        "duration_p95_ms",
        "ttft_p95_ms",
        "cache_hit_ratio",
    ):
        value = Decimal(told[name]["value"]) if isinstance(told[name]["value"], str) else told[name]["value"]
        shown = formats.number(value, METRICS[name].unit)
        assert page.tile(METRICS[name].title).removeprefix("≥ ") == numbers.plain(shown), name
