"""Who asks: a *role* says what the store answers, and what it does.

    viewer      asks, and sees people under other names (`masks`)
    operator    asks as a viewer does, and has jobs done, such as pricing past calls again
    admin       asks for everything as it was told, and has jobs done

Each role comes with a token of its own. `reader.json` in the data folder holds all of them: whoever may read the folder
is its owner and may be any, and the dashboard, which runs as the owner, asks with the token of whoever looks at it.
What a role may not see never reaches a page, so no page has to hide it.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from claude_telemetry.errors import CollectorError

Role = Literal["viewer", "operator", "admin"]

ROLES: tuple[Role, ...] = ("viewer", "operator", "admin")
"""Each may what those before it may."""

PSEUDONYM_KEY_FILE = "pseudonym.key"

_KEY_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """The ways into the store for those who are not its owner."""

    tokens: Mapping[Role, str] = field(repr=False)
    """Of the roles that see other names for people."""
    pseudonym_key: str = field(repr=False)
    """Of those names."""


def new_doors(data: Path) -> Doors:
    """New tokens, and the key of the folder `data`, made once. Raises `CollectorError` when that cannot be kept."""
    return Doors(
        tokens={"viewer": secrets.token_urlsafe(32), "operator": secrets.token_urlsafe(32)},
        pseudonym_key=_kept_key(data / PSEUDONYM_KEY_FILE),
    )


def _kept_key(path: Path) -> str:
    """In hexadecimal. Readable by its owner only."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        pass
    except OSError as error:
        raise CollectorError(f"{path} cannot be written: {error.strerror}") from None
    else:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(_KEY_BYTES))
    try:
        key = path.read_text(encoding="ascii").strip()
        if len(bytes.fromhex(key)) < _KEY_BYTES:
            raise ValueError
    except OSError as error:
        raise CollectorError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise CollectorError(
            f"{path} holds no key of {_KEY_BYTES} bytes in hexadecimal: delete it, and the next start makes another. "
            "People then get other names than before"
        ) from None
    return key
