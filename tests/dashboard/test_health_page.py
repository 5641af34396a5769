"""The health page: a collector that is away, one that does not keep up, who tells of calls."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from claude_telemetry_collector.running import Running, announce
from tests.dashboard.conftest import Store
from tests.support.calls import a_call
from tests.support.pages import Pages

OpenPage = Callable[..., Pages]


def running(store: Store) -> None:
    """This process says that it is a collector, whose receiver does not answer."""
    announce(
        store.folder,
        Running(
            pid=os.getpid(),
            version="0.1.0",
            started_at=(datetime.now(UTC) - timedelta(hours=3)).isoformat(),
            otlp_http="http://127.0.0.1:9",
            nearby_url="http://127.0.0.1:9",
            otlp_grpc=None,
            token_required=False,
            price_version="2026-11-20.aa3475b2",
        ),
    )


def test_without_a_collector_the_page_says_how_to_start_one(store: Store, open_page: OpenPage) -> None:
    page = open_page("health")

    assert [error.value for error in page.test.error] == ["No collector runs on this data folder."]
    assert page.test.code[0].value == f"claude-telemetry collect --data {store.folder}"
    assert page.tile("Not kept") == "—"


def test_what_is_wrong_is_said_in_sentences(store: Store, open_page: OpenPage) -> None:
    running(store)
    store.land(a_call(started_at=datetime.now(UTC) - timedelta(minutes=2)))

    page = open_page("health")

    assert page.texts[:2] == [
        "Version 0.1.0 has been listening on http://127.0.0.1:9 for 3 h.",
        "✗ the receiver does not answer at http://127.0.0.1:9",
    ]
    assert page.tile("Price book") == "2026-11-20"
    assert page.tile("Waits to land") == "0 bytes"
    assert page.tile("In the spool") == "—"


def test_who_tells_of_calls_is_listed_for_the_range(store: Store, open_page: OpenPage) -> None:
    running(store)
    now = datetime.now(UTC)
    store.land(
        a_call(started_at=now - timedelta(minutes=2), received_at=now - timedelta(minutes=1, seconds=30)),
        a_call(started_at=now - timedelta(days=3), source="claude_code", received_at=now - timedelta(days=3)),
    )

    def told(page: Pages) -> list[dict[str, list[str]]]:
        return [table for table in page.tables if "Source" in table]

    assert told(open_page("health", range="1h")) == [
        {"Source": ["claude_telemetry"], "Told": ["1"], "Last": ["1 min ago"], "Versions": ["—"]}
    ]
    assert told(open_page("health", range="7d"))[0]["Source"] == ["claude_code", "claude_telemetry"]


def test_a_test_call_can_be_sent_from_here(open_page: OpenPage) -> None:
    page = open_page("health")

    page.click("Send a test call")

    assert "The test call did not arrive." in [error.value for error in page.test.error]
