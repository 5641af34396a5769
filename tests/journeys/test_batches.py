"""A batch is created by one process and its results downloaded by others, as often as they like: each result is one
call, at the batch price, of whoever created the batch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from claude_telemetry import probe
from claude_telemetry.fake import FakeClaude
from claude_telemetry.fake.steps import Answer, Step, failure
from claude_telemetry.settings import Address
from claude_telemetry_collector.queries import Segment, Window, connect, readings
from tests.support.applications import finished, started
from tests.support.collecting import Collecting
from tests.support.waiting import wait_until

# Processes that share nothing but what they have imported. How calls get to the collector, which is the first argument:
# by our delivery, by the application's exporter, or both.
PROCESSES = """
import json, multiprocessing, sys
import anthropic, claude_telemetry
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

collector, claude = sys.argv[1:3]
fork = multiprocessing.get_context("fork")

def batches(way, service):
    if way != "delivered":
        provider = TracerProvider(resource=Resource.create({"service.name": service}))
        provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(collector + "/v1/traces")))
        trace.set_tracer_provider(provider)
    claude_telemetry.instrument(
        endpoint=collector, service=service, environment="production", export=way != "exported"
    )
    return anthropic.Anthropic(api_key="k", base_url=claude).messages.batches

def create(way, created):
    labels = dict(user="u_42", session="s_7", feature="nightly", prompt="summary", prompt_version="3", tenant="acme",
                  environment="staging", api_key_alias="night", tags={"tier": "gold"})
    asked = {"model": "claude-haiku-4-5", "messages": [{"role": "user", "content": "Hello"}]}
    requests = [{"custom_id": f"r{n}", "params": {**asked, "max_tokens": n}} for n in range(1, 6)]
    with claude_telemetry.label(**labels):
        created.put((way, batches(way, "creator").create(requests=requests).id))
    claude_telemetry.flush(patience_s)

def download(way, service, batch_id):
    with claude_telemetry.label(user="the downloader", feature="downloads"):
        for results in (batches(way, service).results(batch_id) for _ in range(2)):
            for line in results: pass
    assert claude_telemetry.flush(30)

def run(act, *asked):
    processes = [fork.Process(target=act, args=one) for one in asked]
    for process in processes: process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
"""
CREATE = (
    PROCESSES
    + """
created = fork.SimpleQueue()
patience_s, *ways = float(sys.argv[3]), *sys.argv[4:]
run(create, *((way, created) for way in ways))
print(json.dumps(dict(created.get() for way in ways)))
"""
)
DOWNLOAD = (
    PROCESSES
    + """
*names, batches_by_way = sys.argv[3:]
run(download, *((way, name, batch_id) for way, batch_id in json.loads(batches_by_way).items() for name in names))
"""
)
WAYS = ("delivered", "exported", "both")
LABELS = {
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
}


def behaviour(body: Mapping[str, Any]) -> Step:
    number: int = body["max_tokens"]
    return failure(400) if number == 5 else Answer(usage={"input_tokens": 1000 + number, "output_tokens": number})


def cost_usd(number: int) -> Decimal:
    """Half of what Haiku 4.5 costs: a millionth of a dollar for an input token, five for an output token."""
    return (1000 + number + 5 * number) * Decimal("0.0000005")


RESULTS: dict[str, dict[str, Any]] = {
    **{f"r{n}": {"status": "ok", "cost_usd": cost_usd(n), "billed": True, "output_tokens": n} for n in range(1, 5)},
    "r5": {"status": "error", "cost_usd": Decimal(0), "billed": False, "output_tokens": None},
}


def results(data: Path, batch_id: str) -> list[dict[str, Any]]:
    sql = "SELECT * FROM calls WHERE batch_id = $batch AND custom_id IS NOT NULL ORDER BY custom_id"
    return connect(data).ask(sql, {"batch": batch_id}).to_pylist()


@pytest.fixture(scope="module")
def claude() -> Iterator[FakeClaude]:
    with FakeClaude(behaviour=behaviour) as fake:
        yield fake


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, claude: FakeClaude) -> Iterator[tuple[Path, dict[str, str]]]:
    """Where the calls are kept, and by each way the batch that was created, and downloaded twice by two processes."""
    data = tmp_path_factory.mktemp("batches") / "data"
    with Collecting(data) as collector:
        endpoint = f"http://127.0.0.1:{collector.port}"
        (created,) = finished([started(CREATE, endpoint, claude.url, 30, *WAYS)])
        finished([started(DOWNLOAD, endpoint, claude.url, "downloader", "another", created)])
        collector.land_all()
        yield data, json.loads(created)
        assert collector.stop() == 0


@pytest.mark.parametrize("way", WAYS)
def test_each_result_is_one_call_at_the_batch_price_with_the_labels_of_the_creation(
    run: tuple[Path, dict[str, str]], way: str
) -> None:
    data, batches = run

    rows = results(data, batches[way])

    assert [row["custom_id"] for row in rows] == list(RESULTS)
    for row in rows:
        assert {name: row[name] for name in LABELS} == LABELS
        expected = RESULTS[row["custom_id"]] | {"operation": "chat", "cost_status": "priced", "service_tier": "batch"}
        assert {name: row[name] for name in expected} == expected
        assert row["duration_ms"] is None
    assert len({row["started_at"] for row in rows}) == 1


def test_what_is_done_with_a_batch_is_recorded_and_in_no_number(run: tuple[Path, dict[str, str]]) -> None:
    data, batches = run
    reader = connect(data)
    operations = "SELECT operation, count(*) AS calls FROM calls WHERE custom_id IS NULL GROUP BY ALL ORDER BY ALL"
    assert reader.ask(operations).to_pylist() == [
        {"operation": "batch_create", "calls": 3},
        {"operation": "batch_results", "calls": 12},
        {"operation": "batch_retrieve", "calls": 12},
    ]
    names = ["requests", "cost_usd", "unpriced_calls", "error_ratio"]
    counted = readings(reader, names, Window.last(timedelta(hours=1)), Segment())
    assert {name: reading.value for name, reading in counted.items()} == {
        "requests": len(batches) * len(RESULTS),
        "cost_usd": len(batches) * sum(map(cost_usd, range(1, 5))),
        "unpriced_calls": 0,
        "error_ratio": 0.2,
    }


def test_a_creation_that_is_told_after_the_results_labels_them_all_the_same(tmp_path: Path, claude: FakeClaude) -> None:
    left, elsewhere = tmp_path / "left", tmp_path / "elsewhere"
    data, port = tmp_path / "data", probe.bound(Address("127.0.0.1", 0)).port
    endpoint = f"http://127.0.0.1:{port}"
    # Nobody listens yet, so what is told of the creation stays on disk.
    (created,) = finished([started(CREATE, endpoint, claude.url, 0.1, "delivered", CLAUDE_TELEMETRY_SPOOL=str(left))])
    batch_id = json.loads(created)["delivered"]
    with Collecting(data, port, CLAUDE_TELEMETRY_SPOOL=str(elsewhere)) as collector:
        finished([started(DOWNLOAD, endpoint, claude.url, "downloader", created)])
        collector.land_all()
        assert {(row["service"], row["user_id"]) for row in results(data, batch_id)} == {("downloader", None)}
        assert collector.stop() == 0
    with Collecting(data, port, CLAUDE_TELEMETRY_SPOOL=str(left)) as collector:
        wait_until(lambda: collector.has_landed(5 + len(RESULTS)), "the creation is picked up")
        rows = results(data, batch_id)
        assert collector.stop() == 0

    assert [row["custom_id"] for row in rows] == list(RESULTS)
    assert [{name: row[name] for name in LABELS} for row in rows] == [LABELS] * len(RESULTS)
