"""Which calls a command is asked about: the flags that commands share, as a window and a segment."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from claude_telemetry_collector.queries import DIMENSIONS, Segment, Window
from claude_telemetry_collector.queries.dimensions import TAG

_LENGTH = re.compile(r"(\d{1,6})(s|m|h|d|w)")
_UNITS: Mapping[str, timedelta] = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_FLAGS: Mapping[str, tuple[str, str, str]] = {
    "--model": ("model", "ID", "only the calls of this model"),
    "--feature": ("feature", "NAME", "only the calls of this feature"),
    "--user": ("user_id", "ID", "only the calls of this user"),
    "--session": ("session_id", "ID", "only the calls of this session"),
    "--status": ("status", "STATUS", "only those that ended so: ok, error or cancelled"),
}
_LONGEST = timedelta(days=3650)


def add_segment(parser: argparse.ArgumentParser) -> None:
    """The flags that say which calls."""
    group = parser.add_argument_group("which calls")
    for flag, (dest, metavar, meaning) in _FLAGS.items():
        group.add_argument(flag, dest=dest, metavar=metavar, help=meaning)
    group.add_argument(
        "--where",
        action="append",
        type=_label,
        default=[],
        metavar="LABEL=VALUE",
        help="only the calls with this label: a column such as tenant or environment, or tag:NAME; can be repeated",
    )


def add_window(parser: argparse.ArgumentParser, *, since: str) -> None:
    """The flags that say from when to when; `since` is the default."""
    group = parser.add_argument_group("from when to when")
    group.add_argument(
        "--since",
        type=moment_given,
        default=since,
        metavar="WHEN",
        help=f"a length of time before now such as 30m, 24h, 7d or 2w, a UTC day, or a moment (default {since})",
    )
    group.add_argument(
        "--until",
        type=moment_given,
        default="0s",
        metavar="WHEN",
        help="the end, given in the same way; of a day, its beginning (default now)",
    )


def by_given(text: str) -> str:
    """What to tell calls apart by, as an argument."""
    if text in DIMENSIONS or (text.startswith(TAG) and text != TAG):
        return text
    raise argparse.ArgumentTypeError(f"{text!r}: give {TAG}NAME, or one of {', '.join(DIMENSIONS)}")


def moment_given(text: str) -> timedelta | datetime:
    """A length of time before now, or a moment in UTC, as an argument."""
    if length := _LENGTH.fullmatch(text):
        return min(int(length[1]) * _UNITS[length[2]], _LONGEST)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r}: give a length such as 24h or 7d, a day such as 2026-11-20, or a moment: 2026-11-20T12:00Z"
        ) from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def window(parser: argparse.ArgumentParser, given: Mapping[str, Any], now: datetime) -> Window:
    """The window that was asked for. Ends the program with a sentence for one that ends before it starts."""
    start, end = (now - at if isinstance(at, timedelta) else at for at in (given["since"], given["until"]))
    if end <= start:
        parser.error(f"--since {start:%Y-%m-%d %H:%M:%S} UTC is not before --until {end:%Y-%m-%d %H:%M:%S} UTC")
    return Window(start, end)


def segment(given: Mapping[str, Any]) -> Segment:
    """The calls that were asked for."""
    labels = {dest: given[dest] for dest, _, _ in _FLAGS.values() if given[dest] is not None}
    labels |= {name: value for name, value in given["where"] if not name.startswith(TAG)}
    tags = tuple((name.removeprefix(TAG), value) for name, value in given["where"] if name.startswith(TAG))
    return Segment(**labels, tags=tags)


def _label(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r}: give LABEL=VALUE, such as tenant=acme")
    return by_given(name), value
