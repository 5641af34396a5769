"""What the application wants recorded beside the facts of a call."""

from __future__ import annotations

from dataclasses import dataclass

from claude_telemetry.capture.content import ContentPolicy
from claude_telemetry.capture.fingerprint import Fingerprinter


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """Settled once, when the application is instrumented."""

    fingerprinter: Fingerprinter | None = None
    """`None`: prompts get no fingerprint."""
    content: ContentPolicy | None = None
    """`None`: nothing that anybody wrote is recorded."""
