"""The questions to the reports, checked as the API checks them: what does not fit is an `invalid_request_error`."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

from claude_telemetry.fake.steps import Failure, failure

WIDTHS: Mapping[str, timedelta] = {
    "1m": timedelta(minutes=1),
    "1h": timedelta(hours=1),
    "1d": timedelta(days=1),
}


class RefusedError(Exception):
    """A question that is turned away."""

    def __init__(self, failed: Failure) -> None:
        super().__init__(failed.message)
        self.failure = failed


def refused(message: str) -> RefusedError:
    return RefusedError(failure(400, message=message))


class Query:
    """The parameters of one question. Its methods raise `RefusedError`."""

    def __init__(self, text: str, singles: Collection[str], lists: Mapping[str, Collection[str] | None]) -> None:
        """`lists` are those that are written `name[]=value`, with the values that each may have; `None` for any."""
        self._singles: dict[str, str] = {}
        self._lists: dict[str, list[str]] = {}
        asked = parse_qsl(text, keep_blank_values=True)
        self._digest = hashlib.sha256(repr(sorted(pair for pair in asked if pair[0] != "page")).encode()).hexdigest()
        for name, value in asked:
            plain = name.removesuffix("[]")
            if name in singles:
                self._singles[name] = value
            elif name != plain and plain in lists:
                allowed = lists[plain]
                if allowed is not None and value not in allowed:
                    raise refused(f"{plain}: Input should be {' or '.join(sorted(allowed))}")
                self._lists.setdefault(plain, []).append(value)
            else:
                raise refused(f"{name}: Extra inputs are not permitted")

    def text(self, name: str) -> str | None:
        return self._singles.get(name)

    def list(self, name: str) -> list[str]:
        return self._lists.get(name, [])

    def one_of(self, name: str, allowed: Collection[str], default: str | None) -> str | None:
        value = self._singles.get(name, default)
        if value is not None and value not in allowed:
            raise refused(f"{name}: Input should be {' or '.join(sorted(allowed))}")
        return value

    def whole(self, name: str, default: int, most: int) -> int:
        """From 1 to `most`."""
        text = self._singles.get(name, str(default))
        if not (text.isascii() and text.isdigit() and 1 <= int(text) <= most):
            raise refused(f"{name}: Input should be a whole number from 1 to {most}")
        return int(text)

    def time(self, name: str) -> datetime | None:
        """In UTC."""
        text = self._singles.get(name)
        if text is None:
            return None
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            at = None
        if at is None or at.tzinfo is None:
            raise refused(f"{name}: Input should be an RFC 3339 timestamp with a time zone")
        return at.astimezone(UTC)

    def start(self) -> datetime:
        at = self.time("starting_at")
        if at is None:
            raise refused("starting_at: Field required")
        return at

    def cursor(self, place: str) -> str:
        """A `next_page` that leads to `place`, for this question only."""
        return "page_" + base64.urlsafe_b64encode(f"{self._digest} {place}".encode()).decode()

    def page(self) -> str | None:
        """The place that the question's own `page` leads to; `None` for the first page."""
        text = self._singles.get("page")
        if text is None:
            return None
        try:
            digest, _, place = base64.urlsafe_b64decode(text.removeprefix("page_")).decode().partition(" ")
        except (ValueError, binascii.Error):
            digest, place = "", ""
        if digest != self._digest:
            raise refused("page: Invalid page token")
        return place


def floor(at: datetime, width: timedelta) -> datetime:
    """The start, in UTC, of the bucket that `at` is in."""
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (at - midnight) // width * width
