"""How each emitter writes a call as a span: one row an emitter, the first that recognises a span reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from claude_telemetry.record.attributes import SCOPE
from claude_telemetry_collector.decode import anthropic_sdk, ours
from claude_telemetry_collector.decode.reading import Identity, Reading
from claude_telemetry_collector.decode.span import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """An emitter."""

    source: str
    """Its name, as `calls.source` has it."""
    scopes: tuple[str, ...]
    """What its instrumentation scopes begin with. Spans of other scopes are never looked into."""
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


@lru_cache(maxsize=1024)
def is_known_scope(scope: str) -> bool:
    """Whether some dialect writes spans in `scope`."""
    return any(scope.startswith(dialect.scopes) for dialect in DIALECTS)


def dialect_of(span: Span) -> Dialect | None:
    """Whose call `span` is, or `None` when it is no call that is known here."""
    for dialect in DIALECTS:
        if span.scope.startswith(dialect.scopes) and dialect.recognises(span):
            return dialect
    return None
