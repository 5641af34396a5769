"""SDK calls become recorded calls."""

from claude_telemetry.capture.install import Capture
from claude_telemetry.capture.policies import Policies
from claude_telemetry.capture.sdk import self_check

__all__ = ["Capture", "Policies", "self_check"]
