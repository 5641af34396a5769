"""`claude-telemetry reprice` against a running store."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from claude_telemetry.errors import CollectorError
from claude_telemetry.pricing import price_version
from claude_telemetry.settings import Address
from claude_telemetry_collector.commands.reprice import LEFT, main
from claude_telemetry_collector.reprice import Repricing, job
from claude_telemetry_collector.store import ReaderServer, publish
from tests.collector.test_reprice import DEARER, kept
from tests.support.calls import NOON, land


class Terminal(io.StringIO):
    """Somebody who can be asked."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def data(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> Iterator[Path]:
    """Of a store with a call yesterday and three today, one of which has no usage."""
    calls = [kept(started_at=NOON - timedelta(days=1)), kept(), kept(model="claude-opus-5-5"), kept(None)]
    land(store, calls)
    server = ReaderServer(store, Address("127.0.0.1", 0), "t", jobs={"reprice": Repricing(store, None).do})
    server.start()
    publish(tmp_path, server.url, "t")
    (tmp_path / "prices.toml").write_text(DEARER)
    yield tmp_path
    server.stop()


def run(data: Path, *arguments: str) -> int:
    since = ["--since", "2026-11-19", "--until", "2026-11-20"]
    return main([*since, f"--data={data}", f"--prices={data / 'prices.toml'}", *arguments])


def changed(store: duckdb.DuckDBPyConnection) -> int:
    return int(store.execute("SELECT count(*) FROM former_costs").fetchall()[0][0])


def test_a_dry_run_shows_what_would_change(
    capsys: pytest.CaptureFixture[str], store: duckdb.DuckDBPyConnection, data: Path
) -> None:
    assert run(data, "--dry-run") == 0

    version, *lines = capsys.readouterr().out.splitlines()
    assert version.startswith(f"price book {price_version()}+")
    assert version.endswith(", 4 calls from 2026-11-19 to 2026-11-20")
    assert lines == [
        "",
        "day         model              calls  changed  list before  list after  net before  net after",
        "──────────  ─────────────────  ─────  ───────  ───────────  ──────────  ──────────  ─────────",
        "2026-11-20  claude-sonnet-5-5      2        1     ≥ $0.003    ≥ $0.005    ≥ $0.003   ≥ $0.005",
        "all                                4        1     ≥ $0.012    ≥ $0.014    ≥ $0.012   ≥ $0.014",
        "(and 2 more, which stay as they are)",
        "",
        "cost another amount: 1 call",
        "come out the same, and get the version only: 2 calls",
        "cannot be priced again: 1 call (their usage was not kept)",
    ]
    assert changed(store) == 0


def test_it_is_written_when_that_is_agreed_to(
    capsys: pytest.CaptureFixture[str],
    store: duckdb.DuckDBPyConnection,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("no\n"))
    assert run(data) == 1
    assert changed(store) == 0

    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert run(data) == 0

    assert changed(store) == 1
    printed = capsys.readouterr()
    ((repricing_id, calls, ended),) = store.execute(
        "SELECT repricing_id, calls_changed, ended_at IS NOT NULL FROM repricings"
    ).fetchall()
    assert printed.out.splitlines()[-1].endswith(f"is in former_costs, as repricing {repricing_id}")
    assert (calls, ended) == (1, True)
    assert "Write this? [y/N]" in printed.err


def test_where_nobody_can_be_asked_it_has_to_be_said_beforehand(
    capsys: pytest.CaptureFixture[str],
    store: duckdb.DuckDBPyConnection,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with pytest.raises(SystemExit, match="2"):
        run(data)
    assert "give --dry-run to look, or --yes to write" in capsys.readouterr().err

    assert run(data, "--yes") == 0
    assert changed(store) == 1


def test_json_is_exact_and_says_whether_it_was_written(
    capsys: pytest.CaptureFixture[str], store: duckdb.DuckDBPyConnection, data: Path
) -> None:
    assert run(data, "--json", "--yes", "--model=claude-sonnet-5-5") == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)

    assert (told["since"], told["until"], told["model"]) == ("2026-11-19", "2026-11-20", "claude-sonnet-5-5")
    assert [(group["day"], group["changed"]) for group in told["groups"]] == [("2026-11-19", 0), ("2026-11-20", 1)]
    assert told["all"] == {
        "calls": 3,
        "changed": 1,
        "newly_priced": 0,
        "newly_unknown": 0,
        "only_version": 1,
        "unknown_before": 1,
        "unknown_after": 1,
        "list_before_usd": "0.006000000000",
        "list_after_usd": "0.008000000000",
        "net_before_usd": "0.006000000000",
        "net_after_usd": "0.008000000000",
    }
    assert told["left"] == {"no_usage": 1}
    assert store.execute("SELECT repricing_id FROM repricings").fetchall() == [(told["repricing_id"],)]

    assert run(data, "--json", "--yes", "--model=claude-sonnet-5-5") == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["all"]["changed"], again["all"]["only_version"], again["repricing_id"]) == (0, 0, None)


def test_what_is_broken_off_says_where_it_was(
    capsys: pytest.CaptureFixture[str],
    store: duckdb.DuckDBPyConnection,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write = job.write_costs

    def dies(cursor: Any, changed: Any) -> None:
        if changed:
            raise CollectorError("the store is closed")
        write(cursor, changed)

    monkeypatch.setattr(job, "write_costs", dies)
    assert run(data, "--yes") == 1
    assert capsys.readouterr().err.endswith(
        "the store is closed. The calls before 2026-11-20 are priced again, the others are not: run it again to "
        "complete it\n"
    )
    reached = store.execute("SELECT reached, ended_at FROM repricings").fetchall()
    assert reached == [((NOON - timedelta(days=1)).replace(tzinfo=None), None)]

    monkeypatch.undo()
    assert run(data, "--yes") == 0
    assert changed(store) == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--since", "2026-11-21", "--until", "2026-11-20"], "2026-11-20 is before --since 2026-11-21"),
        (["--since", "soon"], "'soon': give a day, such as 2026-11-20"),
        ([], "required: --since"),
    ],
)
def test_what_cannot_be_meant_is_not_understood(
    capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([*arguments, "--dry-run"])
    assert told in capsys.readouterr().err


def test_prices_that_cannot_be_used_are_refused_before_anything_is_asked(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    prices = tmp_path / "prices.toml"
    arguments = ["--since=2026-11-20", "--dry-run", f"--data={tmp_path}", f"--prices={prices}"]
    assert main(arguments) == 2
    assert f"{prices} cannot be read: No such file or directory" in capsys.readouterr().err

    prices.write_text("[[prices]]\nmodel = 7\n")
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith(f"claude-telemetry reprice: {prices}: ")


def test_without_a_collector_it_says_so(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["--since=2026-11-20", "--dry-run", f"--data={tmp_path}"]) == 1
    assert "no collector is running" in capsys.readouterr().err


def test_days_without_calls_are_no_trouble(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    assert main(["--since=2026-01-01", "--until=2026-01-02", "--yes", f"--data={data}"]) == 0
    assert capsys.readouterr().out == "no calls from 2026-01-01 to 2026-01-02\n"


def test_every_reason_has_its_words() -> None:
    assert set(LEFT) == {"no_usage", "usage_cut", "refusal_unknown", "region_not_kept"}


def test_what_was_not_known_before_is_a_dash_and_no_zero(
    capsys: pytest.CaptureFixture[str], store: duckdb.DuckDBPyConnection, data: Path
) -> None:
    store.execute("UPDATE calls SET cost_usd = NULL, net_cost_usd = NULL, cost_status = 'unknown' WHERE usage NOT NULL")

    assert run(data, "--dry-run") == 0

    lines = capsys.readouterr().out.splitlines()
    row = next(line.split() for line in lines if line.startswith("2026-11-20  claude-sonnet-5-5"))
    assert row[4:] == ["—", "≥", "$0.005", "—", "≥", "$0.005"]
    assert "get a first price: 3 calls" in lines
