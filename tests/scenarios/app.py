"""The application that a scenario plays."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from typing import Any

import anthropic
from anthropic import Anthropic, AsyncAnthropic
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
from opentelemetry.trace import Span, SpanContext

import claude_telemetry
from claude_telemetry.fake import FakeClaude, Received, Served

sdk: Any = anthropic
"""The SDK, untyped: scenarios are played with versions that have not all names."""

_OTHER_KEYS = {"aws_region", "access_token", "token_provider"}
"""Arguments of the cloud platforms' clients that come instead of an API key."""

# What differs from one time to the next: ids, and times.
_VARYING = re.compile(
    r"\b(msg|req|toolu|srvtoolu|msgbatch|sevt|sesn|compl|event)_\w+|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.\d]*(Z|\+00:00)"
)


class App:
    """What a scenario has at hand: the SDK's clients, a stand-in for the API, a tracer provider of its own."""

    def __init__(
        self,
        claude: FakeClaude,
        tracing: Callable[[TracerProvider], dict[str, Any]],
        settings: Callable[[TracerProvider], dict[str, Any] | None],
        *,
        sampled: bool = True,
    ) -> None:
        """`tracing` is what clients are made with, `settings` what telemetry is switched on with: `None` for not at
        all. `sampled`: whether the sampler of its provider says yes."""
        self.claude = claude
        self.kept: Any = None
        """What the scenario's `prepare` returned."""
        self.seen: list[Any] = []
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(sampler=ALWAYS_ON if sampled else ALWAYS_OFF, shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracing = tracing(self.provider)
        """What every client is made with."""
        self._settings = settings(self.provider)
        self._closing = ExitStack()
        self._served_before = len(claude.ledger)
        self._received_before = len(claude.requests)

    def client(self, kind: Callable[..., Any] = Anthropic, **settings: Any) -> Any:
        """A new client, closed at the end of the scenario."""
        return self._closing.enter_context(kind(**self._client_settings(settings)))

    def async_client(self, kind: Callable[..., Any] = AsyncAnthropic, **settings: Any) -> Any:
        """A new client, for the scenario to close."""
        return kind(**self._client_settings(settings))

    def _client_settings(self, settings: dict[str, Any]) -> dict[str, Any]:
        key = {} if _OTHER_KEYS & settings.keys() else {"api_key": "sk-ant-canary"}
        return {**key, "base_url": self.claude.url, **self.tracing, **settings}

    def enter(self, context: Any) -> Any:
        """Enters a context that is left at the end of the scenario."""
        return self._closing.enter_context(context)

    def instrument(self) -> None:
        """Switches telemetry on, but for the play without us."""
        if self._settings is not None:
            claude_telemetry.instrument(**self._settings)

    def uninstrument(self) -> None:
        if self._settings is not None:
            claude_telemetry.flush()
            claude_telemetry.uninstrument()

    def saw(self, *things: Any) -> None:
        """Keeps what the application got: it must be the same without us."""
        self.seen.extend(map(described, things))

    @contextmanager
    def span(self, name: str) -> Generator[Span]:
        """A span of the application's own, current within."""
        with self.provider.get_tracer("app").start_as_current_span(name) as span:
            yield span

    @property
    def served(self) -> list[Served]:
        """What the stand-in answered in this scenario, in order."""
        return self.claude.ledger[self._served_before :]

    @property
    def received(self) -> list[Received]:
        return self.claude.requests[self._received_before :]

    def ended_spans(self) -> list[ReadableSpan]:
        """In order of their end."""
        return list(self.exporter.get_finished_spans())

    @property
    def call_span(self) -> SpanContext | None:
        """Of the first call's span in the application's tracing, once that has ended. `None` where there is none."""
        names = {span.name: span for span in reversed(self.ended_spans())}
        return names["anthropic.messages.create"].context if "anthropic.messages.create" in names else None

    def forget(self) -> None:
        """Collects what the scenario has dropped."""
        gc.collect()

    def close(self) -> None:
        self._closing.close()
        self.provider.shutdown()


def described(thing: Any) -> Any:
    """`thing` as a value that can be compared with that of another time: its class, and what it holds."""
    if isinstance(thing, str):
        return _VARYING.sub("<varying>", thing)
    if isinstance(thing, bytes):
        return described(thing.decode("utf-8", "backslashreplace"))
    if thing is None or isinstance(thing, bool | int | float | Decimal):
        return thing
    if isinstance(thing, type):
        return f"{thing.__module__}.{thing.__qualname__}"
    if isinstance(thing, BaseException):
        return described(type(thing)), described(str(thing)), described(type(thing.__cause__))
    if isinstance(thing, list | tuple):
        return [described(item) for item in thing]  # pyright: ignore[reportUnknownVariableType] - any list
    if isinstance(thing, dict):
        return {name: described(value) for name, value in thing.items()}  # pyright: ignore[reportUnknownVariableType] - any dict
    if hasattr(thing, "model_dump"):
        held = thing.model_dump(mode="json", warnings=False)
        return described(type(thing)), described(held), described(getattr(thing, "_request_id", None))
    return described(type(thing))
