"""The key of the prompt fingerprints: said by a setting, else made once for each user and kept.

Without the key nobody can tell from a fingerprint whether a guessed text is the prompt. With the same key on all hosts,
fingerprints from all of them can be compared.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from claude_telemetry.settings import data_folder

log = logging.getLogger("claude_telemetry")

FILE_NAME = "fingerprint.key"
_LENGTH = 32


def fingerprint_key(settings: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> bytes:
    """The key that `settings`, those of `instrument`, stand for: theirs, else this user's.

    Where this user's cannot be kept, it is one of this process and those that it forks. Never raises.
    """
    given = settings.get("fingerprint_key")
    if given:
        return str(given).encode("utf-8", "surrogateescape")
    folder = data_folder(environ)
    try:
        if folder is not None:
            return _kept_in(folder)
    except OSError as error:
        log.info("the key of prompt fingerprints cannot be kept in %s (%s)", folder, type(error).__name__)
    log.info("prompt fingerprints of this process cannot be compared with those of others")
    return _of_this_process()


def _kept_in(folder: Path) -> bytes:
    """Raises `OSError` when the key can be neither read nor made, or is somebody else's to know."""
    path = folder / FILE_NAME
    with contextlib.suppress(FileNotFoundError):
        return _read(path)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = folder / f".{FILE_NAME}.{os.getpid()}.{secrets.token_hex(4)}"
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(_LENGTH))
        # Linked when it is whole, and only if there is none: of two processes that make one, both take the first.
        with contextlib.suppress(FileExistsError):
            os.link(new, path)
    finally:
        new.unlink(missing_ok=True)
    return _read(path)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & 0o077):
            raise PermissionError("the key is not its owner's alone")
        key = file.read(_LENGTH + 1)
    if len(key) != _LENGTH:
        raise OSError("the key is not whole")
    return key


@cache
def _of_this_process() -> bytes:
    return secrets.token_bytes(_LENGTH)
