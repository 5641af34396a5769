"""An application that records one trace in a hundred: its calls are all there, and cost what they cost."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from claude_telemetry.fake import FakeClaude
from claude_telemetry.fake.steps import Answer, Step, failure
from claude_telemetry_collector.queries import connect
from tests.support.applications import finished, started
from tests.support.collecting import Collecting

CALLS = 300
RECORDED = {number for number in range(1, CALLS + 1) if number % 40}
"""The calls that are answered. Every fortieth is refused."""
COST_USD = sum(Decimal(1000 + number + 5 * number) for number in RECORDED) / 10**6
"""What they cost: an input token of Haiku 4.5 costs a millionth of a dollar, an output token five."""

# What `sys.argv` tells: the API, the collector, and whether the SDK's spans are adopted, ours are made in its provider,
# or it has no tracing at all. It prints the traces that it exported a call of.
APPLICATION = """
import json, random, sys
import anthropic, claude_telemetry
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased

claude, collector, kind, calls = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
random.seed(kind)  # the ids of traces are drawn from it: of these, some are recorded
exporter = InMemorySpanExporter()
if kind != "untraced":
    provider = TracerProvider(sampler=TraceIdRatioBased(0.01))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
claude_telemetry.instrument(endpoint=collector, service=kind)
tracing = {"open_telemetry": {"traces": False}} if kind == "own" else {}
with anthropic.Anthropic(api_key="k", base_url=claude, max_retries=0, **tracing) as client:
    for number in range(1, calls + 1):
        asked = dict(model="claude-haiku-4-5", max_tokens=number, messages=[{"role": "user", "content": "Hello"}])
        with trace.get_tracer("shop").start_as_current_span("request"), claude_telemetry.label(user=f"u_{number}"):
            try:
                if number % 2:
                    list(client.messages.create(stream=True, **asked))
                else:
                    client.messages.create(**asked)
            except anthropic.BadRequestError:
                pass
assert claude_telemetry.flush(30)
calls = [span for span in exporter.get_finished_spans() if span.name == "anthropic.messages.create"]
print(json.dumps([format(span.context.trace_id, "032x") for span in calls]))
"""
KINDS = ("adopted", "own", "untraced")


@dataclass(frozen=True, kw_only=True)
class Run:
    rows: list[dict[str, Any]]
    exported: Mapping[str, list[str]]
    """By kind of application: the traces of the calls that it exported itself."""

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["service"] == kind]


def behaviour(body: Mapping[str, Any]) -> Step:
    number: int = body["max_tokens"]
    if number not in RECORDED:
        return failure(400)
    return Answer(usage={"input_tokens": 1000 + number, "output_tokens": number})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    data = tmp_path_factory.mktemp("sampling") / "data"
    sampler = {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"}
    with FakeClaude(behaviour=behaviour) as claude, Collecting(data) as collector:
        endpoint = f"http://127.0.0.1:{collector.port}"
        exported = finished([started(APPLICATION, claude.url, endpoint, kind, CALLS, **sampler) for kind in KINDS])
        collector.land_all()
        attempts = "(SELECT count(*) FROM attempts WHERE attempts.span_id = calls.span_id)"
        rows = connect(data).ask(f"SELECT *, {attempts} AS attempt_rows FROM calls ORDER BY started_at").to_pylist()
        yield Run(rows=rows, exported={kind: json.loads(traces) for kind, traces in zip(KINDS, exported, strict=True)})
        assert collector.stop() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_each_call_is_there_once_and_the_sum_of_their_costs_is_exact(run: Run, kind: str) -> None:
    rows = run.of(kind)

    assert [row["max_tokens"] for row in rows] == list(range(1, CALLS + 1))
    assert sum(row["cost_usd"] for row in rows) == COST_USD
    assert {row["cost_status"] for row in rows} == {"priced"}
    assert {row["max_tokens"] for row in rows if row["status"] == "ok"} == RECORDED


@pytest.mark.parametrize("kind", ["adopted", "own"])
def test_the_application_exports_only_the_calls_of_the_traces_that_it_records(run: Run, kind: str) -> None:
    exported = run.exported[kind]
    # The sampler records a trace when the lower half of its id is among the smallest hundredth.
    recorded = [row["trace_id"] for row in run.of(kind) if int(row["trace_id"][16:], 16) < round(2**64 * 0.01)]

    assert exported == recorded
    assert 0 < len(exported) < CALLS / 20


@pytest.mark.parametrize("kind", KINDS)
def test_a_call_that_is_not_traced_tells_as_much_as_one_that_is(run: Run, kind: str) -> None:
    for row in run.of(kind):
        number = row["max_tokens"]
        refused = number not in RECORDED
        told = ("user_id", "status", "http_status", "input_tokens", "output_tokens", "stream", "attempt_rows", "whole")
        assert {name: row[name] for name in told} == {
            "user_id": f"u_{number}",
            "status": "error" if refused else "ok",
            "http_status": 400 if refused else 200,
            "input_tokens": None if refused else 1000 + number,
            "output_tokens": None if refused else number,
            "stream": number % 2 == 1,
            "attempt_rows": 1,
            "whole": True,
        }
        assert row["duration_ms"] is not None
        assert (row["parent_span_id"] is None) == (kind == "untraced")
