"""Who may send: tokens, each with a name and limits, kept as hashes in the data folder.

A *token* is a random text that is shown once, when it is made. Its name says where things come from (a *source*).
A token is 256 random bits, so a plain hash of it tells nothing: there is nothing to guess.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from claude_telemetry.errors import SettingsError

_MARK = "ct_"
"""What a token begins with, for those who search for secrets that got lost."""
_HASH_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What is kept of one."""

    name: str
    sha256: str
    """In hexadecimal."""
    created_at: str
    """UTC, to the second."""
    max_body_bytes: int | None = None
    """`None`: what the collector takes from anybody."""
    requests_per_second: float | None = None
    """On average; as many as that, or one, at once. `None`: no limit."""


def tokens_path(data: Path) -> Path:
    """Where the tokens of a data folder are."""
    return data / "tokens.json"


def read_tokens(path: Path) -> tuple[Token, ...]:
    """The tokens there, none when there is no file. Raises `SettingsError` when it cannot be read."""
    try:
        kept: Any = json.loads(path.read_bytes())
        rows = [Token(**row) for row in kept["tokens"]]
        if any(len(bytes.fromhex(row.sha256)) != _HASH_BYTES for row in rows):
            raise ValueError
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise SettingsError(f"the tokens in {path} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, KeyError):
        raise SettingsError(
            f"{path} does not hold tokens: delete it, and make new ones with `claude-telemetry token add NAME`"
        ) from None
    return tuple(rows)


def add_token(
    path: Path, name: str, *, max_body_bytes: int | None = None, requests_per_second: float | None = None
) -> str:
    """Makes a token and returns it: it cannot be had again. Raises `SettingsError` when the name is taken or odd."""
    if not _NAME.fullmatch(name):
        raise SettingsError(f"the name {name!r} cannot be used: give up to 64 letters, digits, dots and hyphens")
    known = read_tokens(path)
    if any(token.name == name for token in known):
        raise SettingsError(f"there is a token {name!r} already: revoke it first, or give another name")
    text = _MARK + secrets.token_urlsafe(32)
    token = Token(
        name=name,
        sha256=_hash_of(text),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        max_body_bytes=max_body_bytes,
        requests_per_second=requests_per_second,
    )
    _write(path, (*known, token))
    return text


def revoke_token(path: Path, name: str) -> None:
    """Takes a token away; a collector that runs refuses it within a second. Raises `SettingsError` when there is none
    of that name."""
    known = read_tokens(path)
    left = [token for token in known if token.name != name]
    if len(left) == len(known):
        raise SettingsError(f"there is no token {name!r}: `claude-telemetry token list` shows which there are")
    _write(path, left)


def _hash_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _write(path: Path, tokens: Iterable[Token]) -> None:
    """For the owner's eyes only, and whole or not at all."""
    kept = json.dumps({"tokens": [asdict(token) for token in tokens]}, indent=1) + "\n"
    half_made = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(half_made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(kept)
            file.flush()
            os.fsync(file.fileno())
        half_made.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            half_made.unlink()
        raise SettingsError(f"{path} cannot be written: {error.strerror}") from None
