"""What has to be there before others than this machine may send: TLS, and tokens."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from claude_telemetry.errors import SettingsError
from claude_telemetry.settings import SETTINGS, Address
from claude_telemetry_collector.tokens import read_tokens, tokens_path

_LISTENS = ("otlp_http", "otlp_grpc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarding:
    """How senders are met."""

    tls: tuple[Path, Path] | None
    """Certificate and key."""
    token_required: bool

    @property
    def scheme(self) -> str:
        return "https" if self.tls is not None else "http"


def guarding(settings: Mapping[str, Any]) -> Guarding:
    """What `settings` ask for. Raises `SettingsError` when that is not enough for where they listen."""
    exposed = [name for name in _LISTENS if settings[name] is not None and not settings[name].is_loopback]
    tls = _tls(settings["tls_cert"], settings["tls_key"])
    required: bool | None = settings["require_token"]
    if exposed:
        missing: list[str] = []
        if tls is None:
            missing.append("give a certificate with --tls-cert and its key with --tls-key")
        if required is False:
            missing.append("leave --require-token on")
        if not read_tokens(tokens_path(settings["data"])):
            missing.append("make a token with `claude-telemetry token add NAME`")
        if missing:
            raise SettingsError(
                f"{named(exposed[0], settings[exposed[0]])}, which other machines can reach: {', '.join(missing)}; "
                "or listen on 127.0.0.1"
            )
    return Guarding(tls=tls, token_required=bool(exposed) if required is None else required)


def named(setting: str, value: Address | Path) -> str:
    """A setting and its value, as an error shows them."""
    row = next(row for row in SETTINGS if row.name == setting)
    return f"{row.flag} ({row.variable}) is {value}"


def _tls(certificate: Path | None, key: Path | None) -> tuple[Path, Path] | None:
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        given, other = ("tls_key", "--tls-cert") if certificate is None else ("tls_cert", "--tls-key")
        raise SettingsError(f"{named(given, key or certificate or Path())}: give {other} too")
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key, lambda: "")
    except ssl.SSLError as error:
        raise SettingsError(
            f"{named('tls_cert', certificate)}: it does not go with the key in {key} ({error.reason or 'not PEM'}); "
            "give both in PEM, the key without a password"
        ) from None
    except OSError as error:
        raise SettingsError(
            f"{named('tls_cert', certificate)} and --tls-key is {key}: cannot be read ({error.strerror})"
        ) from None
    return certificate.absolute(), key.absolute()
