"""Telemetry's own failures: counted, told once, and kept from the application.

Every step that runs inside somebody's Claude call is wrapped in `guarded`. What fails there is a *slip*:
it is counted by name, logged as a warning the first time, and then swallowed.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import traceback
from collections import Counter
from types import TracebackType

log = logging.getLogger("claude_telemetry")

_lock = threading.RLock()  # a slip may happen where the garbage collector ends a stream, within another
_slips: Counter[str] = Counter()


class guarded:  # noqa: N801 - reads as a statement: `with guarded("price a call"):`
    """Swallows any `Exception` of its block, and counts it under `doing`.

    A class and not a generator, since it runs on every call: entering costs a tenth of a microsecond.
    `BaseException` that is no `Exception` (cancellation, `KeyboardInterrupt`) passes: it belongs to the application.
    """

    __slots__ = ("doing",)

    def __init__(self, doing: str) -> None:
        self.doing = doing

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None:
            return False
        if not isinstance(error, Exception):
            return False
        slipped(self.doing, error)
        return True


def slipped(doing: str, error: BaseException) -> None:
    """Counts a slip. The first of each name is logged as a warning, with its type only: a message may hold content."""
    with _lock:
        _slips[doing] += 1
        first = _slips[doing] == 1
    if not first:
        return
    # An application's handler of log records may fail, and where the stack is at its end, so does every one.
    with contextlib.suppress(Exception):
        log.warning("telemetry could not %s (%s); the application is not affected", doing, type(error).__name__)
        if log.isEnabledFor(logging.DEBUG):
            # Where, and not what: the text of an exception can hold parts of a question.
            log.debug("telemetry could not %s, at:\n%s", doing, "".join(traceback.format_tb(error.__traceback__)))


def slips() -> dict[str, int]:
    """How often each step has failed in this process, by what it was doing. Empty when all is well."""
    with _lock:
        return dict(_slips)
