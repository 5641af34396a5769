"""The SDK itself, with its own tracing on and nothing of ours in it: what it exports becomes calls."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import anthropic
import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from claude_telemetry.fake import FakeClaude
from claude_telemetry.record import Call
from claude_telemetry_collector.decode import decode

USAGE = {
    "input_tokens": 120,
    "cache_read_input_tokens": 3000,
    "cache_creation_input_tokens": 500,
    "cache_creation": {"ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 300},
    "output_tokens": 45,
    "service_tier": "standard",
}


class App:
    """An application that exports the spans of its SDK."""

    def __init__(self, url: str) -> None:
        self._exported = InMemorySpanExporter()
        self._provider = TracerProvider()
        self._provider.add_span_processor(SimpleSpanProcessor(self._exported))
        self.client = anthropic.Anthropic(
            base_url=url,
            api_key="canary-key",
            max_retries=1,
            open_telemetry={"tracer_provider": self._provider},
        )

    def call(self) -> Call:
        """The one call that was made, as the collector reads it."""
        body = encode_spans(self._exported.get_finished_spans()).SerializeToString()
        assert b"canary-key" not in body
        decoded = decode("traces", "protobuf", body, datetime.now(UTC))
        assert [one.source for one in decoded.calls] == ["anthropic_sdk"]
        return decoded.calls[0].record.call

    def close(self) -> None:
        self.client.close()
        self._provider.shutdown()


@pytest.fixture
def app(claude: FakeClaude) -> Iterator[App]:
    started = App(claude.url)
    yield started
    started.close()


def ask(app: App) -> None:
    app.client.messages.create(
        model="claude-sonnet-5-5", max_tokens=64, messages=[{"role": "user", "content": "canary question"}]
    )


def test_a_call(app: App, claude: FakeClaude) -> None:
    claude.answer(text="canary answer", usage=USAGE)

    ask(app)

    call = app.call()
    assert (call.input_tokens, call.cache_read_tokens, call.cache_write_tokens) == (120, 3000, 500)
    assert (call.cache_write_5m_tokens, call.cache_write_1h_tokens, call.output_tokens) == (200, 300, 45)
    # 120 x 2 + 3000 x 0.10 + 200 x 2.50 + 300 x 4 + 45 x 10 = 2690 millionths.
    assert (call.cost_usd, call.cost_status, call.billed) == (Decimal("0.00269"), "priced", True)
    assert (call.status, call.http_status, call.attempts, call.stream) == ("ok", 200, 1, False)
    assert call.request_id == claude.ledger[0].request_id
    assert call.message_id == claude.ledger[0].message_id
    assert "canary" not in repr(call)


def test_a_stream(app: App, claude: FakeClaude) -> None:
    claude.answer(text="canary answer", usage=USAGE)

    with app.client.messages.stream(
        model="claude-sonnet-5-5", max_tokens=64, messages=[{"role": "user", "content": "hi"}]
    ) as stream:
        stream.get_final_message()

    call = app.call()
    assert (call.stream, call.status, call.output_tokens) == (True, "ok", 45)
    assert call.cost_usd == Decimal("0.00269")
    assert call.ttft_ms is not None
    assert call.duration_ms is not None
    assert 0 <= call.ttft_ms <= call.duration_ms


def test_a_call_that_is_refused_twice(app: App, claude: FakeClaude) -> None:
    claude.fail(529, type="overloaded_error", times=2, headers={"retry-after": "0"})

    with pytest.raises(anthropic.APIStatusError):
        ask(app)

    call = app.call()
    assert (call.status, call.http_status, call.error_type, call.attempts) == ("error", 529, "overloaded_error", 2)
    assert (call.cost_usd, call.billed) == (Decimal(0), False)


def test_counting_tokens(app: App, claude: FakeClaude) -> None:
    app.client.messages.count_tokens(model="claude-sonnet-5-5", messages=[{"role": "user", "content": "hi"}])

    call = app.call()
    assert (call.operation, call.cost_usd, call.billed) == ("count_tokens", Decimal(0), False)
