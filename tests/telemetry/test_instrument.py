"""`instrument()` in whole applications: each a process of its own, since a global tracer provider is for good."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator

import pytest

from claude_telemetry.fake import FakeClaude
from tests.support.otlp import OtlpReceiver

PRELUDE = """
import os, sys
import claude_telemetry
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter = InMemorySpanExporter()

def set_up_opentelemetry(**settings):
    provider = TracerProvider(**settings)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)

def ask():
    import anthropic
    asked = {"role": "user", "content": "Hello"}
    with anthropic.Anthropic(api_key="k", base_url=os.environ["CLAUDE"]) as client:
        client.messages.create(model="claude-haiku-4-5", max_tokens=9, messages=[asked])

def exported():
    return [(span.instrumentation_scope.name, "claude.cost.picodollars" in span.attributes)
            for span in exporter.get_finished_spans()]
"""
ADOPTED = ("com.anthropic.sdk.python", True)
OWN = ("claude_telemetry", True)


@pytest.fixture
def collector() -> Iterator[OtlpReceiver]:
    with OtlpReceiver() as receiver:
        yield receiver


def run(claude: FakeClaude, endpoint: str, program: str, **environ: str) -> str:
    """The output of an application. Whatever it writes to standard error fails the test."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PRELUDE + textwrap.dedent(program)],
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("OTEL_")},
            "CLAUDE": claude.url,
            "CLAUDE_TELEMETRY_ENDPOINT": endpoint,
            **environ,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_an_application_without_opentelemetry_needs_one_line(claude: FakeClaude, collector: OtlpReceiver) -> None:
    run(claude, collector.url, "claude_telemetry.instrument(service='shop', environment='test'); ask()")
    assert collector.spans == ["anthropic.messages.create"]
    assert "shop" in collector.attributes[0]["service.name"]
    assert "claude.cost.picodollars" in collector.attributes[0]


def test_the_line_may_come_after_the_client_is_made(claude: FakeClaude, collector: OtlpReceiver) -> None:
    run(
        claude,
        collector.url,
        """
        import anthropic
        with anthropic.Anthropic(api_key="k", base_url=os.environ["CLAUDE"]) as client:
            claude_telemetry.instrument()
            asked = {"role": "user", "content": "Hello"}
            client.messages.create(model="claude-haiku-4-5", max_tokens=9, messages=[asked])
        """,
    )
    assert collector.spans == ["anthropic.messages.create"]


def test_an_application_with_opentelemetry_keeps_its_exporter_and_gets_completed_spans(
    claude: FakeClaude, collector: OtlpReceiver
) -> None:
    out = run(claude, collector.url, "set_up_opentelemetry(); claude_telemetry.instrument(); ask(); print(exported())")
    assert out.strip() == str([ADOPTED])
    assert collector.spans == ["anthropic.messages.create"]


def test_opentelemetry_may_be_set_up_after_instrument_and_even_after_the_first_call(
    claude: FakeClaude, collector: OtlpReceiver
) -> None:
    out = run(
        claude, collector.url, "claude_telemetry.instrument(); ask(); set_up_opentelemetry(); ask(); print(exported())"
    )
    assert out.strip() == str([ADOPTED])
    assert collector.spans == ["anthropic.messages.create"] * 2


def test_without_export_only_the_applications_own_spans_are_completed(
    claude: FakeClaude, collector: OtlpReceiver
) -> None:
    out = run(
        claude,
        collector.url,
        "claude_telemetry.instrument(export=False); ask(); set_up_opentelemetry(); ask(); print(exported())",
    )
    assert out.strip() == str([ADOPTED])
    assert collector.spans == []


def test_with_the_sdks_own_tracing_off_the_applications_exporter_gets_our_span(
    claude: FakeClaude, collector: OtlpReceiver
) -> None:
    out = run(
        claude,
        collector.url,
        "set_up_opentelemetry(); claude_telemetry.instrument(); ask(); print(exported())",
        ANTHROPIC_OPEN_TELEMETRY="false",
    )
    assert out.strip() == str([OWN])
    assert collector.spans == ["anthropic.messages.create"]


def test_a_span_that_the_sampler_drops_is_not_made_again(claude: FakeClaude, collector: OtlpReceiver) -> None:
    out = run(
        claude,
        collector.url,
        """
        from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
        set_up_opentelemetry(sampler=ALWAYS_OFF); claude_telemetry.instrument(); ask(); print(exported())
        """,
    )
    assert out.strip() == "[]"
    assert collector.spans == []
    assert collector.usage_records == ["anthropic.messages.create"]  # what it cost is known all the same


def test_opentelemetrys_own_switch_turns_us_off_too(claude: FakeClaude, collector: OtlpReceiver) -> None:
    run(claude, collector.url, "claude_telemetry.instrument(); ask()", OTEL_SDK_DISABLED="true")
    assert collector.spans == []


def test_opentelemetrys_endpoint_counts_where_the_application_has_no_exporter_of_its_own(
    claude: FakeClaude, collector: OtlpReceiver
) -> None:
    run(
        claude,
        "",
        "claude_telemetry.instrument(); ask()",
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        OTEL_EXPORTER_OTLP_HEADERS="x-team=blue",
    )
    assert collector.spans == ["anthropic.messages.create"]
    assert collector.headers[0]["x-team"] == "blue"


def test_content_that_the_sdk_records_for_the_application_is_not_sent_to_the_collector(
    claude: FakeClaude, collector: OtlpReceiver
) -> None:
    out = run(
        claude,
        collector.url,
        """
        set_up_opentelemetry(); claude_telemetry.instrument(); ask()
        print("gen_ai.input.messages" in exporter.get_finished_spans()[0].attributes)
        """,
        ANTHROPIC_OPEN_TELEMETRY_TRACES_CONTENT_MODE="content",
    )
    assert out.strip() == "True"
    assert "Hello" not in str(collector.attributes)


def test_a_collector_that_is_away_neither_breaks_nor_holds_the_application(claude: FakeClaude) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{probe.getsockname()[1]}"
    start = time.monotonic()
    out = run(
        claude,
        nobody,
        """
        import logging
        logging.disable()  # what is told at exit is tested elsewhere
        claude_telemetry.instrument()
        for _ in range(5):
            ask()
        print("done")
        """,
    )
    assert out.strip() == "done"
    assert time.monotonic() - start < 30


def test_a_setting_that_cannot_be_used_is_told_and_the_application_runs(claude: FakeClaude) -> None:
    out = run(
        claude,
        "not an address",
        """
        import logging
        logging.basicConfig(stream=sys.stdout, format="%(message)s")
        claude_telemetry.instrument()
        ask()
        """,
    )
    assert out.strip() == (
        "Claude calls are not recorded: the endpoint 'not an address' is no address: "
        "give one such as http://127.0.0.1:4318"
    )


def test_labels_and_flush_work_without_instrument(claude: FakeClaude) -> None:
    out = run(
        claude,
        "",
        """
        with claude_telemetry.label(user="ann"):
            ask()
        print(claude_telemetry.flush())
        claude_telemetry.uninstrument()
        """,
    )
    assert out.strip() == "True"
