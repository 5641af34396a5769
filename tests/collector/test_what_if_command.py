"""`claude-telemetry what-if` against a running store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from claude_telemetry.pricing import price_version, use_prices
from claude_telemetry.settings import Address
from claude_telemetry_collector.commands.what_if import main
from claude_telemetry_collector.reprice import OwnPrices
from claude_telemetry_collector.store import ReaderServer, publish
from tests.collector.test_what_if import kept
from tests.support.calls import land


@pytest.fixture
def data(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> Iterator[Path]:
    """Of a store with three calls at Opus, one of them streamed and one without its usage, and one at Haiku."""
    calls = [kept(stream=False), kept(stream=True), kept(None), kept(model="claude-haiku-4-5", feature=None)]
    land(store, calls)
    server = ReaderServer(store, Address("127.0.0.1", 0), "t", jobs={"own_prices": OwnPrices(None)})
    server.start()
    publish(tmp_path, server.url, "t")
    yield tmp_path
    server.stop()
    use_prices(None)


def run(data: Path, *arguments: str) -> int:
    return main(["--since=2026-11-20", "--until=2026-11-20", f"--data={data}", *arguments])


def test_it_shows_now_then_and_the_difference_and_what_it_rests_on(
    capsys: pytest.CaptureFixture[str], data: Path
) -> None:
    assert run(data, "--batch") == 0

    first, *lines = capsys.readouterr().out.splitlines()
    prices = f"at the prices of each call's day (price book {price_version()})"
    assert first == f"4 calls from 2026-11-20 to 2026-11-20, {prices}"
    assert lines == [
        "",
        "model             calls      now      then  difference",
        "────────────────  ─────  ───────  ────────  ──────────  ───────",
        "claude-opus-5-5       2   $0.012    $0.009     -$0.003  -25.0 %",
        "claude-haiku-4-5      1  $0.0015  $0.00075   -$0.00075  -50.0 %",
        "all                   3  $0.0135  $0.00975   -$0.00375  -27.8 %",
        "",
        "stay as they are: 1 call (streamed: somebody waits for them)",
        "left out, without a cost now: 1 call (their usage was not kept)",
        "assumed: Calls that were not streamed can wait up to a day, and miss no more of the cache for it.",
    ]


def test_json_is_exact(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    discount = data / "prices.toml"
    discount.write_text('[[discounts]]\nmodel = "claude-opus-5-5"\npercent = 50\nfrom = "2026-01-01"\n')
    swap = "--model=claude-opus-5-5=claude-sonnet-5-5"
    assert run(data, swap, "--by=feature", "--json", f"--prices={discount}") == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)

    amounts = {
        "calls": 3,
        "compared": 2,
        "lower_bounds": 0,
        "list_now_usd": "0.012000000000",
        "list_then_usd": "0.006000000000",
        "list_difference_usd": "-0.006000000000",
        "net_now_usd": "0.006000000000",
        "net_then_usd": "0.006000000000",
        "net_difference_usd": "0.000000000000",
    }
    assert told["groups"] == [{"feature": "chat", **amounts}]
    assert told["all"] == amounts
    assert told["change"] == {"model": "claude-sonnet-5-5", "batch": False, "cache_ttl": None}
    assert told["prices_of"] == "each call's day"
    assert (told["unknown_now"], told["unknown_then"], told["stays"]) == ({"no_usage": 1}, {}, {})
    assert told["price_version"].startswith(price_version().partition("+")[0])
    assert len(told["assumptions"]) == 2

    assert run(data, swap, f"--prices={discount}") == 0
    shown = capsys.readouterr().out
    assert "with your discounts: $0.006 now, $0.006 then, $0.00\n" in shown


def test_only_the_calls_that_were_asked_for_are_in_it(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    assert run(data, "--to=claude-sonnet-5-5", "--feature=chat", "--today") == 0
    assert "\nall                  2  $0.012  $0.006     -$0.006  -50.0 %" in capsys.readouterr().out

    assert run(data, "--to=claude-sonnet-5-5", "--feature=unheard-of") == 0
    assert capsys.readouterr().out == "no such calls from 2026-11-20 to 2026-11-20\n"


def test_a_model_without_a_price_is_no_row_of_zeros(
    capsys: pytest.CaptureFixture[str], data: Path, store: duckdb.DuckDBPyConnection
) -> None:
    land(store, [kept(model="claude-opus-9")])
    assert run(data, "--batch") == 0
    assert "\nclaude-opus-9         0        —         —           —        —\n" in capsys.readouterr().out

    assert run(data, "--batch", "--json") == 0
    unpriced = json.loads(capsys.readouterr().out)["groups"][-1]
    assert (unpriced["model"], unpriced["calls"], unpriced["compared"]) == ("claude-opus-9", 1, 0)
    assert {amount for name, amount in unpriced.items() if name.endswith("_usd")} == {None}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "give a change: --to ID, --model A=B, --batch or --cache-ttl"),
        (["--model=claude-opus-5-5"], "give two models, such as claude-opus-5-5=claude-sonnet-5-5"),
        (["--to=claude-nope"], "does not hold 'claude-nope'"),
        (["--batch", "--until=2026-11-19"], "2026-11-19 is before --since 2026-11-20"),
        (["--cache-ttl=2h"], "invalid choice"),
    ],
)
def test_what_cannot_be_meant_is_not_understood(
    capsys: pytest.CaptureFixture[str], data: Path, arguments: list[str], told: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(data, *arguments)
    assert told in capsys.readouterr().err


def test_without_a_collector_it_says_so(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(tmp_path, "--batch") == 1
    assert "no collector is running" in capsys.readouterr().err


def test_without_a_file_the_own_prices_are_those_of_the_collector(
    capsys: pytest.CaptureFixture[str], store: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    land(store, [kept(stream=False)])
    own = tmp_path / "prices.toml"
    own.write_text('[[discounts]]\npercent = 50\nfrom = "2026-01-01"\n')
    server = ReaderServer(store, Address("127.0.0.1", 0), "t", jobs={"own_prices": OwnPrices(own)})
    server.start()
    publish(tmp_path, server.url, "t")
    try:
        assert run(tmp_path, "--batch") == 0
        of_the_collector = capsys.readouterr().out
        assert run(tmp_path, "--batch", f"--prices={own}") == 0
        assert capsys.readouterr().out == of_the_collector
        assert f"price book {price_version()})" in of_the_collector
        assert "+" in price_version()
        own.write_text("percent = 50")
        assert run(tmp_path, "--batch") == 2
        assert "the prices of the collector: " in capsys.readouterr().err
        own.unlink()
        assert run(tmp_path, "--batch") == 2
        assert "the collector cannot read its prices in " in capsys.readouterr().err
    finally:
        server.stop()
        use_prices(None)
