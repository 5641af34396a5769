"""What the health page asks, of a collector that really runs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from claude_telemetry_collector.queries import Window
from claude_telemetry_collector.queries.health import Lost, Source, health, sources
from claude_telemetry_collector.store import LocalReader, open_database
from tests.support.calls import NOON, a_call, land
from tests.support.collecting import Collecting
from tests.support.receiving import JSON, ask
from tests.support.spans import a_body, our_span
from tests.support.waiting import wait_until

DAY = Window(NOON - timedelta(hours=12), NOON + timedelta(hours=12))


@pytest.fixture(scope="module")
def collecting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collecting]:
    with Collecting(tmp_path_factory.mktemp("health") / "data", CLAUDE_TELEMETRY_FORWARD_HEADERS="x-key=hush") as runs:
        yield runs


def test_what_was_turned_away_is_told_by_reason(collecting: Collecting, tmp_path: Path) -> None:
    for body in (b"no JSON", b"neither"):
        assert ask(collecting.port, "POST", "/v1/traces", body, JSON).status == 400
    assert ask(collecting.port, "POST", "/elsewhere", b"{}", JSON).status == 404
    assert ask(collecting.port, "POST", "/v1/traces", a_body([our_span(a_call().record)]), JSON).status == 200
    # The time that landing took is noted after the calls are there.
    wait_until(lambda: health(collecting.data, None, datetime.now(UTC)).landing_lag_ms is not None, "all is landed")

    found = health(collecting.data, tmp_path, datetime.now(UTC))

    assert found.lost == (
        Lost(what="requests", why="invalid", count=2),
        Lost(what="requests", why="path", count=1),
    )
    assert found.receiver_tells
    assert (found.landed, found.landing_troubles) == (1, 0)
    assert (found.status.running, found.status.problems, found.status.spool_calls) == (True, (), 0)
    assert [file.name for file in found.files] == ["calls.duckdb", "calls.duckdb.wal", "segments"]
    assert all(file.size_bytes > 0 for file in found.files[:2])


def test_the_settings_in_force_are_told_and_no_secret_is(collecting: Collecting) -> None:
    settings = health(collecting.data, None, datetime.now(UTC)).settings

    assert settings["data"] == str(collecting.data)
    assert settings["alert_daily_cost_usd"] == "100"
    assert "forward_headers" not in settings
    assert "hush" not in str(settings)


def test_of_a_collector_that_does_not_run_nothing_is_made_up(tmp_path: Path) -> None:
    found = health(tmp_path / "nothing", None, datetime.now(UTC))

    assert not found.status.running
    assert (found.files, found.lost, found.receiver_tells, found.landed, found.settings) == ((), None, False, None, {})


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    opened = open_database(tmp_path / "calls.duckdb", memory_limit="256MB")
    yield opened
    opened.close()


def test_who_tells_of_calls_is_told_with_versions_and_the_last_time(connection: duckdb.DuckDBPyConnection) -> None:
    later = NOON + timedelta(hours=1)
    ours = {"claude.telemetry.version": "0.1.0"}
    land(
        connection,
        [
            a_call(attributes=ours, received_at=NOON),
            a_call(attributes={"claude.telemetry.version": "0.2.0"}, received_at=later),
            a_call(attributes=ours, received_at=NOON),
            a_call(source="anthropic_sdk", received_at=NOON),
            a_call(source="too_early", started_at=NOON - timedelta(days=1)),
        ],
    )

    assert sources(LocalReader(connection), DAY) == (
        Source(name="claude_telemetry", told=3, last_at=later, versions=("0.1.0", "0.2.0")),
        Source(name="anthropic_sdk", told=1, last_at=NOON, versions=()),
    )


def test_nobody_has_told_of_anything(connection: duckdb.DuckDBPyConnection) -> None:
    assert sources(LocalReader(connection), DAY) == ()
