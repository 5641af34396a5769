"""Asking Anthropic's reports with patience: what is worth waiting for is waited for, up to a limit.

The SDK's own retries are off, since they would wait for as long as an answer asks for, without a limit and a word.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

import anthropic

from claude_telemetry.errors import BillingError
from claude_telemetry_collector.reconcile.key import KEY_HELP

log = logging.getLogger(__name__)

_PATIENCE_S = 180.0
"""How long a pull waits in all. A report may be asked about once a minute, so a limit is soon over."""
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 30.0
_TRIES = 5
"""In a row, of a question that fails without saying when to come again."""

_Answer = TypeVar("_Answer")


class NotServedError(Exception):
    """This report is not there for this key or organization: another may be."""


class Asking:
    """Asks with one key, and keeps count of how long it has waited. For one thread."""

    def __init__(self, client: anthropic.Anthropic, key: str) -> None:
        self._client = client
        self._key = key
        self._left_s = _PATIENCE_S

    def __call__(self, ask: Callable[[], _Answer]) -> _Answer:
        """What `ask` answers. Raises `NotServedError`, and `BillingError` for all else that goes wrong."""
        for failed in range(_TRIES):
            try:
                return ask()
            except anthropic.APIStatusError as error:
                self._wait(failed, self._why(error), _asked_to_wait_s(error))
            except anthropic.APIConnectionError as error:
                self._wait(failed, f"{self._client.base_url} cannot be reached ({error.__cause__ or error})", None)
            except anthropic.AnthropicError as error:
                raise BillingError(f"Anthropic's answer cannot be read: {self._without_key(str(error))}") from None
        raise AssertionError("the last try raises")

    def _why(self, error: anthropic.APIStatusError) -> str:
        """What went wrong, if it may pass; else raises."""
        said = f"{error.status_code}: {self._without_key(_message_of(error))}"
        match error.status_code:
            case 401:
                raise BillingError(f"Anthropic does not take this key ({said}): {KEY_HELP}") from None
            case 400 | 403 | 404:
                raise NotServedError(said) from None
            case 408 | 409 | 429:
                return f"Anthropic asks to come again later ({said})"
            case status if status >= 500:
                return f"Anthropic cannot answer now ({said})"
            case _:
                raise BillingError(f"Anthropic answered {said}") from None

    def _wait(self, failed: int, why: str, asked_s: float | None) -> None:
        """Waits before the next try, or raises `BillingError` when it is not worth it any more."""
        wait_s = min(_FIRST_WAIT_S * 2**failed, _LONGEST_WAIT_S) if asked_s is None else asked_s
        if wait_s > self._left_s:
            raise BillingError(
                f"{why}; it would take another {wait_s:.0f} s, and a pull waits for {_PATIENCE_S:.0f} s in all: "
                "try again later, nothing was changed"
            ) from None
        if failed == _TRIES - 1:
            raise BillingError(f"{why}, {_TRIES} times in a row: try again later, nothing was changed") from None
        log.warning("waiting %.1f s: %s", wait_s, why)
        self._left_s -= wait_s
        time.sleep(wait_s)

    def _without_key(self, text: str) -> str:
        return text.replace(self._key, "…")[:300]


def _asked_to_wait_s(error: anthropic.APIStatusError) -> float | None:
    """What the answer says in `retry-after`; `None` when it says nothing that is a number of seconds."""
    try:
        asked = float(error.response.headers.get("retry-after", ""))
    except ValueError:
        return None
    return asked if 0 <= asked < float("inf") else None


def _message_of(error: anthropic.APIStatusError) -> str:
    told: Any = error.body
    for name in ("error", "message"):
        told = cast("Mapping[str, Any]", told).get(name) if isinstance(told, Mapping) else None
    return told if isinstance(told, str) else "no message"
