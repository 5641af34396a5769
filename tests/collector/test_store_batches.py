"""Results of a batch have the labels of who created it, whatever lands first and however often."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claude_telemetry.record.identity import batch_result_ids
from claude_telemetry_collector.decode import LandedCall
from claude_telemetry_collector.store import Landed, Writer
from claude_telemetry_collector.store.batches import TAKEN
from tests.support.calls import NOON, a_call

LABELS: dict[str, Any] = {
    "service": "creator",
    "environment": "staging",
    "user_id": "u_42",
    "session_id": "s_7",
    "feature": "nightly",
    "prompt_name": "summary",
    "prompt_version": "3",
    "tenant": "acme",
    "api_key_alias": "night",
    "tags": '{"tier":"gold"}',
    "framework": "langchain",
    "run_name": "graph",
    "run_id": "run_1",
}


def a_creation(batch_id: str = "msgbatch_1", **facts: Any) -> LandedCall:
    told: dict[str, Any] = {"operation": "batch_create", "batch_id": batch_id, "billed": False}
    return a_call(**(told | LABELS | facts))


def a_result(custom_id: str, batch_id: str = "msgbatch_1", **facts: Any) -> LandedCall:
    """As a process tells it that has only downloaded it."""
    told: dict[str, Any] = {"custom_id": custom_id, "batch_id": batch_id, "service": "downloader", "environment": None}
    trace_id, span_id = batch_result_ids(batch_id, custom_id)
    ids: dict[str, Any] = {"trace_id": f"{trace_id:032x}", "span_id": f"{span_id:016x}"}
    return a_call(**(told | ids | facts))


def labels(store: duckdb.DuckDBPyConnection, of: str = "custom_id IS NOT NULL") -> list[dict[str, Any]]:
    rows = store.execute(f"SELECT {', '.join(LABELS)} FROM calls WHERE {of} ORDER BY custom_id").fetchall()
    return [dict(zip(LABELS, row, strict=True)) for row in rows]


def test_all_labels_are_taken() -> None:
    assert set(TAKEN) == set(LABELS)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_creation_may_land_before_between_or_after_its_results(
    store: duckdb.DuckDBPyConnection, order: Sequence[int]
) -> None:
    writer = Writer(store)
    calls = [a_creation(), a_result("r1"), a_result("r2")]

    for place in order:
        writer.land([calls[place]])

    assert labels(store) == [LABELS, LABELS]


def test_results_that_land_together_with_their_creation_are_labelled(store: duckdb.DuckDBPyConnection) -> None:
    Writer(store).land([a_result("r1"), a_creation(), a_result("r2")])

    assert labels(store) == [LABELS, LABELS]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.sampled_from(["creation", "r1", "r2", "r3"]), max_size=4), max_size=6))
def test_any_order_and_any_repetition_comes_to_the_same(
    store: duckdb.DuckDBPyConnection, landings: list[list[str]]
) -> None:
    store.execute("DELETE FROM calls")
    told = {"creation": a_creation(), **{name: a_result(name) for name in ("r1", "r2", "r3")}}
    writer = Writer(store)

    for landing in landings:
        writer.land([told[name] for name in landing])

    seen = {name for landing in landings for name in landing}
    alone = dict.fromkeys(LABELS) | {"service": "downloader"}
    expected = [LABELS if "creation" in seen else alone] * len(seen - {"creation"})
    assert labels(store) == expected


def test_a_label_that_the_creation_does_not_say_stays_what_the_result_says(store: duckdb.DuckDBPyConnection) -> None:
    silent: dict[str, Any] = dict.fromkeys(LABELS)
    writer = Writer(store)

    writer.land([a_result("r1", environment="production"), a_creation(**silent)])
    writer.land([a_creation("msgbatch_2", **(silent | {"feature": "nightly"})), a_result("r2", "msgbatch_2")])

    assert labels(store) == [
        {**silent, "service": "downloader", "environment": "production"},
        {**silent, "service": "downloader", "feature": "nightly"},
    ]


def test_only_results_are_labelled_and_only_those_of_the_batch(store: duckdb.DuckDBPyConnection) -> None:
    bare: dict[str, Any] = dict.fromkeys(LABELS)
    polled = a_call(operation="batch_retrieve", batch_id="msgbatch_1", **bare)

    Writer(store).land([a_creation(), polled, a_result("r1", "msgbatch_2"), a_call(**bare)])

    others = "operation <> 'batch_create'"
    assert labels(store, others) == [{**bare, "service": "downloader"}, bare, bare]


def test_a_result_is_there_once_even_if_a_reader_does_not_know_when_it_was_asked_for(
    store: duckdb.DuckDBPyConnection,
) -> None:
    """Who has not retrieved the batch puts its results at the time of reading."""
    result = a_result("r1")
    read_later = replace(
        result, record=replace(result.record, call=replace(result.record.call, started_at=NOON + timedelta(days=29)))
    )
    writer = Writer(store)

    assert writer.land([result]) == Landed(calls=1, duplicates=0)
    assert writer.land([read_later]) == Landed(calls=0, duplicates=1)
    writer.land([a_creation()])

    assert labels(store) == [LABELS]


def test_a_batch_is_labelled_again_when_its_creation_comes_a_month_after_its_results(
    store: duckdb.DuckDBPyConnection,
) -> None:
    writer = Writer(store)

    writer.land([a_result("r1", started_at=NOON + timedelta(days=30))])
    writer.land([a_creation(started_at=NOON)])

    assert labels(store) == [LABELS]


def test_what_calls_itself_a_batch_cannot_reach_into_the_question(store: duckdb.DuckDBPyConnection) -> None:
    hostile = "'; DELETE FROM calls; --"

    Writer(store).land([a_creation(hostile), a_result("r1", hostile), a_result("r2")])

    assert [row["user_id"] for row in labels(store)] == ["u_42", None]
