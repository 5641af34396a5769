"""An application with another instrumentation of the SDK beside us: `python -m tests.peers.beside PEER ORDER`.

`ORDER` says who is switched on first: `peer` or `us`. It exports its spans to the collector at `BESIDE_COLLECTOR`,
where calls are delivered, too. It prints as JSON what it got (`alone`, of the peer alone; `beside`; `afterwards`,
without us), what was to be recorded (`calls`), and what telemetry said in its log (`told`).
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import anthropic
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

import claude_telemetry
from claude_telemetry.fake import FakeClaude
from claude_telemetry.guard import slips
from tests.scenarios.app import described

QUESTION: dict[str, Any] = {
    "model": "claude-haiku-5-5",
    "max_tokens": 50,
    "messages": [{"role": "user", "content": "Say hello."}],
}
AT_ONCE = {"retry-after-ms": "1"}


class Application:
    """Asks in several ways, and notes what it got and what has to be recorded of it."""

    def __init__(self, claude: FakeClaude, **client: Any) -> None:
        self._claude = claude
        self._settings: dict[str, Any] = {"base_url": claude.url, "api_key": "sk-ant-canary", **client}
        self.got: list[Any] = []
        self.calls: list[list[Any]] = []

    def run(self) -> None:
        with anthropic.Anthropic(**self._settings) as client:
            self._ask(client)
        asyncio.run(self._ask_async())

    def _ask(self, client: Any) -> None:
        messages = client.messages
        with self._call():
            self._got(messages.create(**QUESTION))
        with self._call():
            self._claude.answer("", tools=["get_weather"])
            self._got(messages.create(**QUESTION))
        with self._call():
            self._got(client.beta.messages.create(**QUESTION))
        with self._call():
            self._got(messages.with_raw_response.create(**QUESTION).parse())
        with self._call(attempts=2):
            self._claude.fail(529, headers=AT_ONCE)
            self._got(messages.create(**QUESTION))
        with self._call("error"):
            self._claude.fail(400)
            try:
                messages.create(**QUESTION)
            except anthropic.BadRequestError as error:
                self._got(error)
        with self._call(), messages.create(**QUESTION, stream=True) as stream:
            self._got(*stream)
        with self._call(), messages.stream(**QUESTION) as stream:
            self._got("".join(stream.text_stream), stream.get_final_message())
        with self._call("cancelled"), messages.create(**QUESTION, stream=True) as stream:
            self._got(next(iter(stream)))

    async def _ask_async(self) -> None:
        async with anthropic.AsyncAnthropic(**self._settings) as client:
            messages: Any = client.messages
            with self._call():
                self._got(await messages.create(**QUESTION))
            with self._call():
                self._got(*[event async for event in await messages.create(**QUESTION, stream=True)])
            with self._call():
                async with messages.stream(**QUESTION) as stream:
                    self._got(await stream.get_final_message())

    def _got(self, *things: Any) -> None:
        self.got.extend(map(described, things))

    @contextmanager
    def _call(self, status: str = "ok", attempts: int = 1) -> Generator[None]:
        before = len(self._claude.ledger)
        yield
        last = self._claude.ledger[-1]
        assert len(self._claude.ledger) == before + attempts
        output = last.usage["output_tokens"] if status == "ok" else None
        self.calls.append([last.message_id, last.usage.get("input_tokens"), output, status, attempts])


def openllmetry(_: SpanProcessor) -> None:
    import_module("opentelemetry.instrumentation.anthropic").AnthropicInstrumentor().instrument()


def openinference(_: SpanProcessor) -> None:
    import_module("openinference.instrumentation.anthropic").AnthropicInstrumentor().instrument()


def otel_genai(_: SpanProcessor) -> None:
    import_module("opentelemetry.instrumentation.genai.anthropic").AnthropicInstrumentor().instrument()


def logfire(exporting: SpanProcessor) -> None:
    package = import_module("logfire")
    package.configure(send_to_logfire=False, console=False, additional_span_processors=[exporting])
    package.instrument_anthropic()


def langfuse(_: SpanProcessor) -> None:
    # It has no instrumentation of the SDK of its own: it takes what is in the application's tracer provider.
    nowhere = "http://127.0.0.1:9"
    import_module("langfuse").Langfuse(public_key="pk", secret_key="sk", base_url=nowhere, timeout=1)


PEERS: dict[str, Callable[[SpanProcessor], None]] = {
    peer.__name__: peer for peer in (openllmetry, openinference, otel_genai, logfire, langfuse)
}


class Told(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def main(peer: str, first: str) -> None:
    told = Told()
    logging.getLogger("claude_telemetry").addHandler(told)
    collector = os.environ["BESIDE_COLLECTOR"]
    exporter: Any = import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter").OTLPSpanExporter
    exporting = BatchSpanProcessor(exporter(endpoint=f"{collector}/v1/traces"))
    if peer != "logfire":  # which makes the provider itself
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(exporting)
        trace.set_tracer_provider(provider)
    said: dict[str, Any] = {}
    with FakeClaude() as claude:

        def got(*tracing: dict[str, Any]) -> list[Any]:
            applications = [Application(claude, **settings) for settings in tracing]
            for application in applications:
                application.run()
            said["calls"] = [call for application in applications for call in application.calls]
            return [thing for application in applications for thing in application.got]

        untraced: dict[str, Any] = {"open_telemetry": {"traces": False}}
        if first == "peer":
            PEERS[peer](exporting)
            # Without the SDK's tracing, whose spans the collector would rightly take for calls.
            said["alone"] = got(untraced, untraced)
        claude_telemetry.instrument(endpoint=collector)
        if first == "us":
            PEERS[peer](exporting)
        said["beside"] = got({}, untraced)
        calls = said["calls"]
        said["delivered"] = exporting.force_flush() and claude_telemetry.flush(20)
        claude_telemetry.uninstrument()
        said["afterwards"] = got(untraced, untraced)
        said["calls"] = calls
    said["told"] = [*told.messages, *slips()]
    print(json.dumps(said))
    sys.stdout.flush()
    os._exit(0)  # without waiting for what peers try to send to their own services


if __name__ == "__main__":
    main(*sys.argv[1:])
