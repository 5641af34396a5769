"""How each emitter writes a call: who of them reads a span or a log record, and what it is to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from claude_telemetry.record.attributes import SCOPE
from claude_telemetry_collector.decode import anthropic_sdk, claude_code, claude_platform, libraries, ours
from claude_telemetry_collector.decode.reading import Identity, Reading
from claude_telemetry_collector.decode.source import Source
from claude_telemetry_collector.decode.span import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """An emitter that says nearly all that the record holds, by the record's names."""

    source: str
    """Its name, as `calls.source` has it."""
    scopes: tuple[str, ...]
    """What its instrumentation scopes begin with."""
    recognises: Callable[[Span], bool]
    """Whether a span in one of its scopes is a call."""
    read: Callable[[Span, Identity, datetime], Reading]
    """The call that a recognised span tells; the time is when it was received."""


DIALECTS: tuple[Dialect, ...] = (
    # Ours first: it completes spans that the SDK starts, and what it wrote there is exact.
    Dialect(
        source="claude_telemetry",
        scopes=(SCOPE, anthropic_sdk.SCOPE_PREFIX),
        recognises=ours.is_ours,
        read=ours.read,
    ),
    Dialect(
        source="anthropic_sdk",
        scopes=(anthropic_sdk.SCOPE_PREFIX,),
        recognises=anthropic_sdk.is_native,
        read=anthropic_sdk.read,
    ),
)

SOURCES: tuple[Source, ...] = (*claude_platform.SOURCES, *claude_code.SOURCES, *libraries.SOURCES)
"""The emitters that say it in other words."""

_NO_CALLS = frozenset(
    {
        # Its spans are totals of whole sessions, from a package of our import name (0.5.0 on PyPI, read 2026-11-20).
        "claude-telemetry",
        "opentelemetry.instrumentation.aiohttp-client",
        "opentelemetry.instrumentation.httpx",
        "opentelemetry.instrumentation.requests",
        "opentelemetry.instrumentation.urllib3",
    }
)


@lru_cache(maxsize=1024)
def is_known_scope(scope: str) -> bool:
    """Whether somebody known writes spans in `scope`. Of others, only spans that speak of a model are looked into."""
    return not scope or bool(_sources_of(scope)) or any(scope.startswith(dialect.scopes) for dialect in DIALECTS)


def is_wanted_record(scope: str, event_name: str) -> bool:
    """Whether a log record of this scope and event may tell of a call. An application may send its whole log here."""
    if event_name == libraries.INFERENCE_EVENT:
        return scope not in _NO_CALLS
    if not scope and event_name in _BY_NAME:
        return True
    return any(event_name in source.event_names for source in _sources_of(scope))


def dialect_of(span: Span) -> Dialect | None:
    """Whose call `span` is, or `None` when it is no call by the record's names."""
    for dialect in DIALECTS:
        if (span.scope.startswith(dialect.scopes) or not span.scope) and dialect.recognises(span):
            return dialect
    return None


def sources_of(span: Span) -> tuple[Source, ...]:
    """Who may know what `span` is, the first who does."""
    known = _sources_of(span.scope)
    if known or span.scope in _NO_CALLS or span.scope.startswith((SCOPE, anthropic_sdk.SCOPE_PREFIX)):
        return known
    if not span.scope:
        # Some exporters leave the scope out. Then a source is known by what only it writes.
        known = tuple(source for source in SOURCES if source.name in _named_by(span))
    if known or not span.attributes:
        return known
    # OpenLIT's newer scopes do not name it.
    openlit = span.attributes.get("telemetry.sdk.name") == "openlit"
    return (libraries.SHARED_OPENLIT if openlit else libraries.GENERIC,)


def _named_by(span: Span) -> frozenset[str]:
    """The sources that write such a span or record, by its name or an attribute."""
    if span.resource.get("service.name") == "claude-platform":
        return _PLATFORM
    told = span.event_name if span.event_name is not None else span.name
    marked = next((_BY_MARK[name] for name in span.attributes if name in _BY_MARK), _NOBODY)
    return _BY_NAME.get(told, marked)


_NOBODY: frozenset[str] = frozenset()
_PLATFORM = frozenset({claude_platform.MESSAGES, claude_platform.SESSIONS})
_BY_NAME = {
    "anthropic.chat": frozenset({"openllmetry_anthropic"}),
    "claude_code.api_error": frozenset({claude_code.EVENT}),
    "claude_code.api_request": frozenset({claude_code.EVENT}),
    "claude_code.llm_request": frozenset({claude_code.SPAN}),
    "litellm_request": frozenset({"litellm"}),
    "raw_gen_ai_request": frozenset({"litellm"}),
}
_BY_MARK = {
    "ai.operationId": frozenset({"vercel_ai"}),
    "langfuse.observation.type": frozenset({"langfuse"}),
    "langsmith.span.kind": frozenset({"langsmith"}),
    "logfire.span_type": frozenset({"logfire_anthropic"}),
    "mlflow.spanType": frozenset({"mlflow"}),
    "openinference.span.kind": frozenset({"openinference"}),
    "rpc.service": frozenset({"botocore_bedrock"}),
}


@lru_cache(maxsize=1024)
def _sources_of(scope: str) -> tuple[Source, ...]:
    return tuple(source for source in SOURCES if source.has(scope))
