"""A user whose prices were wrong gives past calls the right ones, while calls go on coming in and whatever dies."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from claude_telemetry.cli import main
from claude_telemetry.pricing import charge_of, cost_columns, use_prices
from claude_telemetry_collector.queries import connect
from claude_telemetry_collector.settings import database_path
from claude_telemetry_collector.store import open_database
from tests.support.calls import NOON, a_call, land
from tests.support.collecting import Client, Collecting, needs_proc
from tests.support.waiting import wait_until

DAYS, A_DAY = 3, 200
USAGE = {"input_tokens": 1000, "output_tokens": 100, "inference_geo": "global"}
# Sonnet 5.5 at 2 / 10: 1000 * 2 + 100 * 10 = 3000 millionths; at 3 / 15 half as much again.
COST, RIGHT_COST = Decimal("0.003"), Decimal("0.0045")
RIGHT = '[[prices]]\nmodel = "claude-sonnet-5-5"\nfrom = "2026-11-01"\ninput = 3\noutput = 15\ncache = "standard"\n'


def fill(data: Path) -> None:
    """Puts in what was recorded on some days before today."""
    cost = cost_columns(charge_of(USAGE, model="claude-sonnet-5-5", at=NOON))
    assert cost["cost_usd"] == COST
    connection = open_database(database_path(data), memory_limit="256MB")
    for day in range(1, DAYS + 1):
        at = NOON - timedelta(days=day)
        usage = json.dumps(USAGE)
        land(connection, [a_call(started_at=at + timedelta(seconds=n), usage=usage, **cost) for n in range(A_DAY)])
    connection.close()


def run(data: Path, command: str, *arguments: str) -> int:
    until = NOON.date() - timedelta(days=1)
    return main([command, "--since=2026-11-01", f"--until={until}", f"--data={data}", *arguments])


def costs(data: Path) -> list[dict[str, Any]]:
    before_today = {"now": NOON - timedelta(hours=12)}
    return (
        connect(data)
        .ask("SELECT cost_usd, count(*) AS calls FROM calls WHERE started_at < $now GROUP BY cost_usd", before_today)
        .to_pylist()
    )


@pytest.fixture(autouse=True)
def _the_book_as_it_was() -> Iterator[None]:
    yield
    use_prices(None)


@needs_proc
def test_past_calls_get_the_right_price_though_the_store_dies_on_the_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text(RIGHT)
    data, at_these = tmp_path / "data", f"--prices={prices}"
    fill(data)
    with Collecting(data) as collecting:
        assert run(data, "reprice", at_these, "--dry-run", "--json") == 0
        looked_at = json.loads(capsys.readouterr().out)["all"]
        assert (looked_at["changed"], looked_at["list_after_usd"]) == (DAYS * A_DAY, "2.700000000000")
        assert costs(data) == [{"cost_usd": COST, "calls": DAYS * A_DAY}]

        client = Client(collecting.port, name=1)
        killing = threading.Thread(target=collecting.kill, args=("store",))
        killing.start()
        run(data, "reprice", at_these, "--yes")  # how far it comes is chance
        killing.join()
        wait_until(lambda: run(data, "reprice", at_these, "--yes") == 0, "it could be done")
        client.stop()

        assert costs(data) == [{"cost_usd": RIGHT_COST, "calls": DAYS * A_DAY}]
        former = connect(data).ask("SELECT cost_usd, count(*) AS calls FROM former_costs GROUP BY ALL").to_pylist()
        assert former == [{"cost_usd": COST, "calls": DAYS * A_DAY}]
        collecting.land_all()
        assert set(client.acknowledged) <= collecting.landed().keys()

        capsys.readouterr()
        assert run(data, "what-if", "--batch", at_these, "--json") == 0
        whole = json.loads(capsys.readouterr().out)["all"]
        assert (whole["list_now_usd"], whole["list_then_usd"]) == ("2.700000000000", "1.350000000000")
