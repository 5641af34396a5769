"""The Admin key: from the environment only, and in no message."""

from __future__ import annotations

from collections.abc import Mapping

from claude_telemetry.errors import SettingsError

KEY_VARIABLES = ("ANTHROPIC_ADMIN_KEY", "ANTHROPIC_ADMIN_API_KEY")
"""The SDK (2.10) reads no variable for this key. Anthropic's reference pages use the second name, read 2026-11-20."""

KEY_HELP = (
    "ANTHROPIC_ADMIN_KEY has to hold an Admin API key (sk-ant-admin01-…), which an admin of the organization makes in "
    "the Claude Console; the key of a workspace, with which applications ask, cannot read the bill"
)


def admin_key(environment: Mapping[str, str]) -> str:
    """The Admin key in `environment`. Raises `SettingsError` when there is none, or none that a header can carry; the
    message never shows it."""
    for name in KEY_VARIABLES:
        key = environment.get(name, "").strip()
        if key and not (key.isascii() and key.isprintable() and " " not in key):
            raise SettingsError(f"{name} is no key: it has characters that no key has. {KEY_HELP}")
        if key:
            return key
    raise SettingsError(f"ANTHROPIC_ADMIN_KEY is not set. {KEY_HELP}")
