"""What was pulled, on its way into the store and there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from claude_telemetry.errors import QuestionRefusedError
from claude_telemetry.fake import FakeClaude
from claude_telemetry.settings import Address
from claude_telemetry_collector.reconcile import (
    BilledCost,
    BilledJob,
    BilledUsage,
    Pulled,
    handing_over,
    pull,
    store_pulled,
)
from claude_telemetry_collector.store import ReaderServer, connect, publish
from claude_telemetry_collector.store.billed import BilledLog
from tests.support.billing import ADMIN_KEY, DAY, LAB, LAB_KEY, OPUS, at, traffic

NEXT = DAY + timedelta(days=1)
FETCHED_AT = at(NEXT, 7)


def usage(day: date = DAY, amount: int = 5, **facts: Any) -> BilledUsage:
    row = BilledUsage(
        starting_at=at(day, 0),
        ending_at=at(day + timedelta(days=1), 0),
        model=OPUS,
        token_type="output_tokens",
        service_tier="standard",
        speed=None,
        inference_geo=None,
        context_window=None,
        api_key_id=LAB_KEY,
        workspace_id=LAB,
        amount=amount,
        requests=None,
    )
    return replace(row, **facts)


def cost(day: date = DAY, amount_usd: str = "0.000000000001", **facts: Any) -> BilledCost:
    row = BilledCost(
        starting_at=at(day, 0),
        ending_at=at(day + timedelta(days=1), 0),
        model=OPUS,
        cost_type="tokens",
        token_type="output_tokens",
        service_tier="standard",
        speed=None,
        inference_geo=None,
        context_window=None,
        api_key_id=LAB_KEY,
        workspace_id=LAB,
        description=None,
        currency="USD",
        amount_usd=Decimal(amount_usd),
        list_usd=None,
    )
    return replace(row, **facts)


def a_pull(*, since: date = DAY, until: date = NEXT, **facts: Any) -> Pulled:
    pulled = Pulled(
        family="analytics",
        since=since,
        until=until,
        usage=(usage(),),
        costs=(cost(),),
        refreshed_at=at(NEXT, 6),
        fetched_at=FETCHED_AT,
    )
    return replace(pulled, **facts)


class JobStore:
    """A store whose jobs run here."""

    def __init__(self, store: duckdb.DuckDBPyConnection) -> None:
        self.job = BilledJob(BilledLog(store))
        self.parts: list[Mapping[str, Any]] = []

    def ask(self, sql: str, parameters: Mapping[str, object] | None = None) -> pa.Table:
        raise NotImplementedError

    def do(self, job: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        assert job == "billed"
        self.parts.append(arguments)
        return self.job(arguments)

    def about(self) -> dict[str, Any]:
        raise NotImplementedError


@pytest.fixture
def jobs(store: duckdb.DuckDBPyConnection) -> JobStore:
    return JobStore(store)


@pytest.fixture
def running(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> Iterator[Path]:
    """The data folder of a store that does jobs."""
    server = ReaderServer(store, Address("127.0.0.1", 0), "token", jobs={"billed": BilledJob(BilledLog(store))})
    server.start()
    publish(tmp_path, server.url, "token")
    yield tmp_path
    server.stop()


def rows(store: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    return store.execute(sql).fetchall()


def plain(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)


def test_what_is_pulled_is_what_is_stored(claude: FakeClaude, store: duckdb.DuckDBPyConnection, running: Path) -> None:
    claude.billing.add(*traffic())
    claude.billing.discount(OPUS, Decimal("0.9"))
    claude.billing.refresh(at(NEXT, 6))
    pulled = pull(DAY, NEXT, key=ADMIN_KEY, base_url=claude.url)

    store_pulled(connect(running), pulled)

    answer = connect(running).ask("SELECT * FROM billed_usage ORDER BY ALL").to_pylist()
    assert len(answer) == len(pulled.usage) == 8
    assert {
        "family": "analytics",
        "starting_at": plain(at(DAY, 0)),
        "ending_at": plain(at(NEXT, 0)),
        "model": OPUS,
        "token_type": "uncached_input_tokens",
        "service_tier": "standard",
        "speed": "standard",
        "inference_geo": "global",
        "context_window": None,
        "api_key_id": LAB_KEY,
        "workspace_id": LAB,
        "amount": 1_001_000,
        "requests": 11,
        "refreshed_at": plain(at(NEXT, 6)),
        "fetched_at": plain(pulled.fetched_at),
    } in answer
    money = "SELECT sum(amount_usd), sum(list_usd), count(DISTINCT currency) FROM billed_costs"
    assert rows(store, money) == [(Decimal("8.168762200000"), Decimal("9.076402200000"), 1)]
    assert rows(store, "SELECT family, day FROM billed_days") == [("analytics", DAY)]


def test_pulling_again_replaces_the_same_days_of_the_same_family_only(
    store: duckdb.DuckDBPyConnection, jobs: JobStore
) -> None:
    two_days = a_pull(until=DAY + timedelta(days=2), usage=(usage(), usage(NEXT, 7)), costs=(cost(), cost(NEXT)))
    store_pulled(jobs, two_days)
    store_pulled(jobs, replace(two_days, family="admin"))

    later = a_pull(usage=(usage(amount=6), usage(amount=1, api_key_id=None)), costs=(), fetched_at=at(NEXT, 8))
    store_pulled(jobs, later)

    assert rows(store, "SELECT family, starting_at::DATE, amount FROM billed_usage ORDER BY ALL") == [
        ("admin", DAY, 5),
        ("admin", NEXT, 7),
        ("analytics", DAY, 1),
        ("analytics", DAY, 6),
        ("analytics", NEXT, 7),
    ]
    assert rows(store, "SELECT family, starting_at::DATE FROM billed_costs ORDER BY ALL") == [
        ("admin", DAY),
        ("admin", NEXT),
        ("analytics", NEXT),
    ]
    assert rows(store, "SELECT day, fetched_at FROM billed_days WHERE family = 'analytics' ORDER BY ALL") == [
        (DAY, plain(at(NEXT, 8))),
        (NEXT, plain(FETCHED_AT)),
    ]


def test_a_quiet_day_is_known_to_be_quiet(store: duckdb.DuckDBPyConnection, jobs: JobStore) -> None:
    store_pulled(jobs, a_pull(usage=(), costs=(), refreshed_at=None))

    assert rows(store, "SELECT * FROM billed_days") == [("analytics", DAY, None, plain(FETCHED_AT))]
    assert rows(store, "SELECT count(*) FROM billed_usage") == [(0,)]


def test_money_is_kept_to_the_picodollar(store: duckdb.DuckDBPyConnection, jobs: JobStore) -> None:
    store_pulled(jobs, a_pull(costs=(cost(amount_usd="12345678901234.123456789012", list_usd=Decimal("0.1")),)))
    assert rows(store, "SELECT amount_usd, list_usd FROM billed_costs") == [
        (Decimal("12345678901234.123456789012"), Decimal("0.100000000000"))
    ]


def test_a_large_pull_comes_in_parts_and_is_there_with_the_last_one(
    store: duckdb.DuckDBPyConnection, jobs: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handing_over, "_BYTES_A_PART", 1_000)
    many = tuple(usage(amount=n) for n in range(50))
    store_pulled(jobs, a_pull(usage=many))

    assert len(jobs.parts) > 5
    assert rows(store, "SELECT amount FROM billed_usage ORDER BY amount") == [(n,) for n in range(50)]

    parts = list(jobs.parts)
    store.execute("DELETE FROM billed_usage")
    for part in parts[:-1]:
        assert jobs.job(part) == {}
    assert rows(store, "SELECT count(*) FROM billed_usage") == [(0,)]
    assert jobs.job(parts[-1]) == {"usage": 50, "costs": 1}


def test_a_pull_that_another_one_came_in_between_changes_nothing(
    store: duckdb.DuckDBPyConnection, jobs: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handing_over, "_BYTES_A_PART", 1)
    store_pulled(jobs, a_pull(usage=(usage(amount=1), usage(amount=2))))
    parts = list(jobs.parts)
    jobs.job(parts[0])
    store_pulled(jobs, a_pull(usage=(usage(amount=3),)))

    with pytest.raises(QuestionRefusedError, match="another pull has come in between"):
        jobs.job(parts[1])

    assert rows(store, "SELECT amount FROM billed_usage") == [(3,)]


def test_a_part_that_cannot_be_read_changes_nothing(store: duckdb.DuckDBPyConnection, jobs: JobStore) -> None:
    store_pulled(jobs, a_pull())
    (part,) = jobs.parts

    with pytest.raises(QuestionRefusedError, match="cannot be read"):
        jobs.job({**part, "usage": [["odd"]]})
    with pytest.raises(QuestionRefusedError, match="cannot be read"):
        jobs.job({**part, "since": "yesterday"})
    with pytest.raises(QuestionRefusedError, match="of another version"):
        jobs.job({**part, "columns": ["amount"]})

    assert rows(store, "SELECT amount FROM billed_usage") == [(5,)]


def test_a_failure_while_replacing_leaves_what_was_there(store: duckdb.DuckDBPyConnection, jobs: JobStore) -> None:
    store_pulled(jobs, a_pull())
    too_large = cost(amount_usd="1" + "0" * 30)

    with pytest.raises(pa.ArrowInvalid):
        store_pulled(jobs, a_pull(usage=(usage(amount=9),), costs=(too_large,)))

    assert rows(store, "SELECT amount FROM billed_usage") == [(5,)]
    assert rows(store, "SELECT count(*) FROM billed_days") == [(1,)]
