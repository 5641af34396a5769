"""`claude-telemetry reconcile`, against a running store and a stand-in for Anthropic's reports."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from claude_telemetry.errors import QuestionRefusedError
from claude_telemetry.fake import FakeClaude
from claude_telemetry.settings import Address
from claude_telemetry_collector.commands import reconcile
from claude_telemetry_collector.reconcile import BilledJob
from claude_telemetry_collector.reprice import OwnPrices
from claude_telemetry_collector.settings import database_path
from claude_telemetry_collector.store import Job, ReaderServer, open_database, publish
from claude_telemetry_collector.store.billed import BilledLog
from tests.support.billing import ADMIN_KEY, DAY, HAIKU, LAB, OPUS, SHOP, at, traffic
from tests.support.calls import a_call, land

ONE_DAY = [f"--since={DAY}", f"--until={DAY}"]


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """The data folder of a collector that runs, with the calls that the bill is for."""
    connection = open_database(database_path(tmp_path), memory_limit="256MB")
    jobs: dict[str, Job] = {"billed": BilledJob(BilledLog(connection)), "own_prices": OwnPrices(None)}
    server = ReaderServer(connection, Address("127.0.0.1", 0), "t", jobs=jobs)
    server.start()
    publish(tmp_path, server.url, "t")
    _land_all(connection)
    yield tmp_path
    server.stop()
    connection.close()


def _land_all(connection: duckdb.DuckDBPyConnection) -> None:
    """All calls of `tests.support.billing.traffic`: two of the lab, a batch of the shop, one of the Console."""
    lab: dict[str, Any] = {"started_at": at(DAY), "model": OPUS, "workspace_id": LAB, "inference_geo": "global"}
    shop: dict[str, Any] = lab | {"workspace_id": SHOP, "inference_geo": "us"}
    console: dict[str, Any] = lab | {"model": HAIKU, "inference_geo": "not_available"}
    land(
        connection,
        [
            a_call(
                **lab,
                input_tokens=1_000_000,
                output_tokens=250_000,
                cache_read_tokens=2000,
                cache_write_tokens=4000,
                cache_write_5m_tokens=4000,
                cache_write_1h_tokens=0,
                web_search_requests=3,
            ),
            a_call(**lab, input_tokens=1000, output_tokens=0),
            a_call(**shop, input_tokens=10_000, output_tokens=0, service_tier="batch"),
            a_call(**console, input_tokens=7, output_tokens=3),
        ],
    )


@pytest.fixture
def claude(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeClaude]:
    """Anthropic, whose bill is that of `tests.support.billing.traffic`; this environment has a key to it."""
    with FakeClaude() as fake:
        fake.billing.add(*traffic())
        monkeypatch.setenv("ANTHROPIC_BASE_URL", fake.url)
        monkeypatch.setenv("ANTHROPIC_ADMIN_KEY", ADMIN_KEY)
        yield fake


@pytest.fixture
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_ADMIN_KEY", "ANTHROPIC_ADMIN_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def run(data: Path, *arguments: str) -> int:
    return reconcile.main([f"--data={data}", *ONE_DAY, *arguments])


def test_what_fits_is_said_in_the_first_line(
    data: Path, claude: FakeClaude, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(data) == 0

    told = capsys.readouterr()
    assert told.out.splitlines()[0] == (
        "Telemetry has seen all 1,267,010 tokens that were billed in 1 day. Prices are as billed."
    )
    assert told.err == f"pulling the bill from {DAY} to {DAY} …\n"


def test_both_families_fit(data: Path, claude: FakeClaude, capsys: pytest.CaptureFixture[str]) -> None:
    claude.billing.analytics = False

    assert run(data) == 0

    told = capsys.readouterr()
    assert "The older report has no list prices" in told.out
    assert "the older report was taken: " in told.err


def test_drift_has_an_exit_code_of_its_own(data: Path, claude: FakeClaude, capsys: pytest.CaptureFixture[str]) -> None:
    claude.billing.add(*traffic())  # the same again, by somebody who has no telemetry

    assert run(data) == 3

    told = capsys.readouterr().out
    assert told.startswith("It does not fit: telemetry has seen 50 % of the 2,534,020 tokens")
    assert "claude-opus-5-5   50 %  2,534,000  1,267,000        0" in told


def test_json_has_the_same_numbers(data: Path, claude: FakeClaude, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(data, "--json") == 0

    told = json.loads(capsys.readouterr().out)
    assert told["coverage"]["of_tokens"] == "1"
    # 4 + 5 + 0.0004 + 0.02 + 0.03 + 0.004 + 0.022 + 0.0000007 + 0.0000015
    assert told["coverage"]["billed_usd"] == "9.0764022"
    assert told["drift"] is False
    assert told["by"]["day"][0]["day"] == str(DAY)


def test_without_a_key_what_was_pulled_before_is_told(
    data: Path, claude: FakeClaude, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(data) == 0
    capsys.readouterr()
    monkeypatch.delenv("ANTHROPIC_ADMIN_KEY")

    assert run(data) == 0

    told = capsys.readouterr()
    assert told.out.startswith("Telemetry has seen all 1,267,010 tokens")
    assert told.err == "no Admin key in ANTHROPIC_ADMIN_KEY: this is about what was pulled before\n"


@pytest.mark.usefixtures("no_key")
def test_without_a_key_and_a_bill_it_says_what_to_do(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(data) == 1

    told = capsys.readouterr()
    assert told.out.startswith("Nothing of the bill has been pulled for these days.\n")
    assert "set ANTHROPIC_ADMIN_KEY to an Admin API key" in told.err


@pytest.mark.usefixtures("no_key")
def test_asking_for_a_pull_without_a_key_is_an_error(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(data, "--pull") == 1
    assert "ANTHROPIC_ADMIN_KEY is not set" in capsys.readouterr().err


def test_a_key_that_may_not_read_the_bill_changes_nothing_and_is_not_shown(
    data: Path, claude: FakeClaude, capsys: pytest.CaptureFixture[str]
) -> None:
    claude.billing.permitted = False

    assert run(data) == 1

    told = capsys.readouterr()
    assert told.err.splitlines()[-1].startswith("claude-telemetry reconcile: ")
    assert ADMIN_KEY not in told.err + told.out


def test_no_pull_asks_nobody(data: Path, claude: FakeClaude, capsys: pytest.CaptureFixture[str]) -> None:
    claude.billing.fail(500)

    assert run(data, "--no-pull") == 1
    assert claude.billing.next_failure() is not None


def test_without_a_collector_it_says_how_to_start_one(
    tmp_path: Path, claude: FakeClaude, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reconcile.main([f"--data={tmp_path}", *ONE_DAY, "--no-pull"]) == 1
    assert "start one with `claude-telemetry collect" in capsys.readouterr().err


def test_days_that_end_before_they_start_are_not_understood(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="2"):
        reconcile.main([f"--since={DAY}", f"--until={DAY - timedelta(days=1)}"])


def test_a_question_that_the_store_refuses_is_not_understood(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise QuestionRefusedError("Catalog Error: no such table")

    monkeypatch.setattr("claude_telemetry_collector.queries.reconciliation", refuse)

    assert run(data, "--no-pull") == 2
    assert "no such table" in capsys.readouterr().err
