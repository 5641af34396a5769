"""SDK calls become recorded calls."""

from claude_telemetry.capture.install import Capture, self_check

__all__ = ["Capture", "self_check"]
