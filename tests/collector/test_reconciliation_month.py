"""A month of a million requests to eight models, held against its bill. One in fifty was never instrumented."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from fractions import Fraction
from pathlib import Path

import duckdb
import pytest

from claude_telemetry_collector.queries import Reconciliation, reconciliation
from claude_telemetry_collector.queries.bill import wording
from claude_telemetry_collector.store import LocalReader, open_database
from claude_telemetry_collector.store.billed import BilledLog
from tests.support import month


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    path: Path = tmp_path_factory.mktemp("month")
    connection = open_database(path / "calls.duckdb", memory_limit="1GB")
    month.land_calls(connection)
    yield connection
    connection.close()


@pytest.fixture(scope="module")
def sums(store: duckdb.DuckDBPyConnection) -> month.Sums:
    return month.bill(BilledLog(store))


@pytest.fixture(scope="module")
def found(store: duckdb.DuckDBPyConnection, sums: month.Sums) -> Reconciliation:
    return reconciliation(LocalReader(store), month.FIRST, month.AFTER)


def test_the_coverage_is_found_to_the_token(found: Reconciliation, sums: month.Sums) -> None:
    coverage = found.coverage

    assert found.calls == month.REQUESTS * 49 // 50
    assert (coverage.billed, coverage.missing, coverage.surplus) == (sums.tokens, sums.unseen, 0)
    assert (coverage.searches_billed, coverage.searches_missing) == (sums.searches, sums.unseen_searches)
    assert {model: part.missing for model, part in found.by("model").items()} == {
        model.removesuffix("-20251001"): unseen for model, unseen in sums.unseen_by_model.items()
    }
    assert {day: part.missing for day, part in found.by_day().items()} == sums.unseen_by_day


def test_what_was_not_seen_is_worth_to_the_picodollar_what_it_cost(found: Reconciliation, sums: month.Sums) -> None:
    assert (found.coverage.billed_usd, found.coverage.missing_usd) == (sums.list_usd, sums.unseen_usd)


def test_each_wrong_price_is_named_and_nothing_else(found: Reconciliation) -> None:
    assert {wording.finding_sentence(finding) for finding in found.findings} == {
        "claude-sonnet-5-5 cache reads since 2026-10-07: calls were priced at $0.20, the bill says $0.10 per MTok",
        "claude-opus-4-8 output since 2026-10-15: the book says $25.00, the bill says $22.00 per MTok",
        (
            "claude-sonnet-5 all tokens in batches since 2026-10-01: the bill is 1.2 × our price: uncached input "
            "$1.00, billed $1.20; output $5.00, billed $6.00; cache reads $0.10, billed $0.12; 5-minute cache writes "
            "$1.25, billed $1.50; 1-hour cache writes $2.00, billed $2.40 per MTok"
        ),
    }


def test_the_discount_of_each_model_is_found_exactly(found: Reconciliation) -> None:
    assert {(one.model, one.since, one.multiplier) for one in found.discounts} == {
        ("claude-fable-5-1", month.FIRST, Fraction(1)),
        ("claude-opus-5-5", month.FIRST, Fraction("0.9")),
        ("claude-opus-5", month.FIRST, Fraction("0.85")),
        ("claude-opus-5", date(2026, 10, 16), Fraction("0.8")),
        ("claude-opus-4-8", month.FIRST, Fraction("0.875")),
        ("claude-sonnet-5-5", month.FIRST, Fraction("0.92")),
        ("claude-sonnet-5", month.FIRST, Fraction("0.8")),
        ("claude-sonnet-4-6", month.FIRST, Fraction("0.95")),
        ("claude-haiku-4-5", month.FIRST, Fraction("0.7")),
    }
    assert all(one.uniform for one in found.discounts)
