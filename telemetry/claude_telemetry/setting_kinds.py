"""What a setting can be: each *kind* makes a value of a text, or says what to give instead.

A kind takes its own values back as text: what `str` makes of a value is the same value again.
"""

from __future__ import annotations

import ipaddress
import re
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

_MOST = 10**15
"""No number of a setting needs more, and the store holds no more."""
_YEAR_MINUTES = 525_600


class Address(NamedTuple):
    """Where a part listens. Port 0 means any free one."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether nobody but this machine can reach it. A name other than `localhost` counts as reachable."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def nearby(self) -> Address:
        """Where to ask on this machine: who listens on every interface is also on loopback."""
        return Address({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host), self.port)  # noqa: S104

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address(text: str) -> Address:
    """`HOST:PORT`, `[IPV6]:PORT` or `:PORT` (loopback). Raises `ValueError` that says what to give."""
    host, colon, port = text.strip().rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError("give HOST:PORT, such as 127.0.0.1:4318")
    return Address(host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port))


def whole(text: str) -> int:
    """A whole number, zero or more. Raises `ValueError` that says what to give."""
    if not re.fullmatch(r"[0-9]{1,16}", text.strip()) or int(text) > _MOST:
        raise ValueError("give a whole number, such as 1000")
    return int(text)


def minutes(text: str) -> int:
    """Whole minutes, zero or more, up to a year. Raises `ValueError` that says what to give."""
    if not re.fullmatch(r"[0-9]{1,6}", text.strip()) or int(text) > _YEAR_MINUTES:
        raise ValueError(f"give a whole number of minutes up to {_YEAR_MINUTES}, such as 60")
    return int(text)


def usd(text: str) -> Decimal:
    """An amount of money, zero or more, exact. Raises `ValueError` that says what to give."""
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        value = Decimal(-1)
    if not value.is_finite() or not 0 <= value <= _MOST:
        raise ValueError("give an amount in USD, such as 12.50")
    return value


def seconds(text: str) -> float:
    """Seconds, more than zero, up to a year. Raises `ValueError` that says what to give."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 60 * _YEAR_MINUTES:
        raise ValueError("give a number of seconds above zero, such as 15")
    return value


def share(text: str) -> Decimal:
    """A share from 0 to below 1. Raises `ValueError` that says what to give."""
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        value = Decimal(-1)
    if not value.is_finite() or not 0 <= value < 1:
        raise ValueError("give a share from 0 to below 1, such as 0.95")
    return value


def switch(text: str) -> bool:
    """`on` or `off`. Raises `ValueError` that says what to give."""
    value = {"on": True, "true": True, "1": True, "off": False, "false": False, "0": False}.get(text.strip().lower())
    if value is None:
        raise ValueError("give on or off")
    return value


class Names(tuple[str, ...]):
    """Some names, which as text are what `names` reads."""

    __slots__ = ()

    def __str__(self) -> str:
        return ",".join(self) or "none"


def names(text: str) -> Names:
    """Names between commas; `none` for none."""
    found = Names(name.strip() for name in text.split(",") if name.strip())
    return Names() if [name.lower() for name in found] == ["none"] else found


def memory(text: str) -> str:
    """An amount of memory as DuckDB reads it. Raises `ValueError` that says what to give."""
    if not re.fullmatch(r"\d+(\.\d+)?\s*([KMGT]i?)?B", text.strip(), re.IGNORECASE):
        raise ValueError("give an amount of memory, such as 512MB or 2GB")
    return text.strip()


def url(text: str) -> str:
    """An address for browsers. Raises `ValueError` that says what to give."""
    try:
        parts = urlsplit(text.strip())
        usable = parts.scheme in ("http", "https") and parts.hostname is not None and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("give an address such as https://claude.example.com")
    return text.strip()


def word(text: str) -> str:
    """One word, as a header can hold it. Raises `ValueError` that says what to give."""
    if not re.fullmatch(r"[!-~]+", text.strip()):
        raise ValueError("give it as it was shown: one word, without spaces")
    return text.strip()


def folder(text: str) -> Path:
    """A folder; `~` is the user's home. Raises `ValueError` that says what to give."""
    # An empty text is what an unset variable of a shell leaves behind, and would mean the current folder.
    if not text.strip():
        raise ValueError("give a folder, such as ~/claude-calls")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ValueError(
            "this user has no home folder that ~ could mean: give a folder, such as /var/tmp/calls"
        ) from None


def file(text: str) -> Path:
    """A file; `~` is the user's home. Raises `ValueError` that says what to give."""
    if not text.strip():
        raise ValueError("give a file, such as ~/claude-prices.toml")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ValueError("this user has no home folder that ~ could mean: give a whole path") from None


def spool_folder(text: str) -> Path:
    """A folder that is needed only when the collector is away. Raises `ValueError` that says what to give.

    `~` stays as it is until then: a user without a home has no spool, and is recorded all the same.
    """
    if not text.strip():
        raise ValueError("give a folder, such as ~/claude-spool")
    return Path(text)
