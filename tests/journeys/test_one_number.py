"""What one call costs is one number, wherever it is read."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from claude_telemetry.cli import main as cli
from claude_telemetry.fake import FakeClaude
from claude_telemetry_collector.queries import Segment, Window, connect, incidents, readings
from tests.support.applications import finished, started
from tests.support.collecting import Collecting
from tests.support.waiting import wait_until

APPLICATION = """
import sys
import anthropic, claude_telemetry
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

provider, exporter = TracerProvider(), InMemorySpanExporter()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
claude_telemetry.instrument(endpoint=sys.argv[1])
with anthropic.Anthropic(api_key="k", base_url=sys.argv[2]) as client:
    asked = [{"role": "user", "content": "Hello"}]
    client.messages.create(model="claude-haiku-4-5", max_tokens=9, messages=asked)
(span,) = exporter.get_finished_spans()
print(claude_telemetry.totals().cost_usd, span.attributes["claude.cost.picodollars"])
assert claude_telemetry.flush(20)
"""
USAGE = {
    "input_tokens": 1_234,
    "cache_read_input_tokens": 56_789,
    "cache_creation_input_tokens": 1_011,
    "cache_creation": {"ephemeral_5m_input_tokens": 1_011, "ephemeral_1h_input_tokens": 0},
    "output_tokens": 77,
}
PRICE = ("--input=1234", "--cache-read=56789", "--cache-write-5m=1011", "--output=77")
COST = Decimal("0.00856165")
"""1,234 at $1.00, 56,789 at $0.10, 1,011 at $1.25 and 77 at $5.00 for a million."""


def test_a_calls_cost_is_the_same_number_everywhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, start = tmp_path / "data", datetime.now(UTC)
    alerting = Collecting(
        data,
        CLAUDE_TELEMETRY_ALERT_INTERVAL="0.2",
        CLAUDE_TELEMETRY_ALERT_DAILY_COST_USD="0.008",
        CLAUDE_TELEMETRY_ALERT_CALL_COST_USD="0.008",
    )
    found: dict[str, Decimal | float | None] = {}

    def said(*words: str) -> str:
        capsys.readouterr()
        assert cli(words) == 0
        return capsys.readouterr().out

    with FakeClaude() as claude, alerting as collector:
        claude.answer(usage=USAGE)
        (printed,) = finished([started(APPLICATION, f"http://127.0.0.1:{collector.port}", claude.url)])
        in_the_process, on_the_span = printed.split()
        found["totals()"] = Decimal(in_the_process)
        found["the span"] = Decimal(on_the_span).scaleb(-12)

        reader = connect(data)
        wait_until(lambda: reader.ask("SELECT * FROM calls").num_rows == 1, "the call is landed")
        row: dict[str, Any] = reader.ask("SELECT cost_usd, cost_breakdown FROM calls").to_pylist()[0]
        found["DuckDB"] = row["cost_usd"]
        found["the lines of it"] = sum(map(Decimal, json.loads(row["cost_breakdown"]).values()), Decimal(0))
        for name, reading in readings(reader, ["cost_usd"], Window(start, datetime.now(UTC)), Segment()).items():
            found[f"the page's {name}"] = reading.value
        asked = json.loads(said("query", "SELECT cost_usd FROM calls", "--format=json", f"--data={data}"))
        found["claude-telemetry query"] = Decimal(asked[0]["cost_usd"])

        def opened() -> dict[str, Decimal | None]:
            return {f"the alert {one.rule}": one.value for one in incidents(reader) if one.rule.endswith("cost")}

        wait_until(lambda: len(opened()) == 2, "both alerts about cost are open")
        found |= opened()
        assert collector.stop() == 0
    line = next(line for line in said("price", "claude-haiku-4-5", *PRICE).splitlines() if line.startswith("  all"))
    found["claude-telemetry price"] = Decimal(line.split()[1])

    assert set(found) >= {"totals()", "the page's cost_usd", "the alert daily_cost", "the alert call_cost"}
    assert {where: number for where, number in found.items() if number != COST} == {}
