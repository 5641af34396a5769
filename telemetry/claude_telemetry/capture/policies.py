"""What the application wants recorded beside the facts of a call."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from claude_telemetry.capture.fingerprint import Fingerprinter
from claude_telemetry.capture.fingerprint_key import fingerprint_key

if TYPE_CHECKING:
    from claude_telemetry.capture.content import ContentPolicy
    from claude_telemetry.capture.content_parts import Redact

CONTENT_VARIABLE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """Settled once, when the application is instrumented."""

    fingerprinter: Fingerprinter | None = None
    """`None`: prompts get no fingerprint."""
    content: ContentPolicy | None = None
    """`None`: nothing that anybody wrote is recorded."""

    @classmethod
    def of(cls, settings: Mapping[str, Any], redact: Redact | None) -> Policies:
        """What `settings`, those of `instrument`, and OpenTelemetry's variable say."""
        fingerprinter = Fingerprinter(fingerprint_key(settings)) if settings["fingerprint"] else None
        asked = settings["capture_content"]
        if asked is None and not os.environ.get(CONTENT_VARIABLE):
            return cls(fingerprinter=fingerprinter)
        # Here and not above: hardly anybody needs it.
        from claude_telemetry.capture.content import ContentPolicy

        content = ContentPolicy.from_environ(asked, redact=redact, content_bytes=settings["content_bytes"])
        return cls(fingerprinter=fingerprinter, content=content if content.on else None)
