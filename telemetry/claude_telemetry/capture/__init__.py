"""SDK calls become recorded calls."""

from claude_telemetry.capture.content import ContentPolicy
from claude_telemetry.capture.fingerprint import Fingerprinter
from claude_telemetry.capture.fingerprint_key import fingerprint_key
from claude_telemetry.capture.install import Capture
from claude_telemetry.capture.policies import Policies
from claude_telemetry.capture.sdk import self_check

__all__ = ["Capture", "ContentPolicy", "Fingerprinter", "Policies", "fingerprint_key", "self_check"]
