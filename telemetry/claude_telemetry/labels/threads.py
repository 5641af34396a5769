"""Labels into a thread, which starts without any context."""

from __future__ import annotations

import contextvars
import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def carry(function: Callable[P, R]) -> Callable[P, R]:
    """`function`, to be run in another thread with the labels and the trace that hold here and now.

    threading.Thread(target=carry(answer)).start()
    """
    context = contextvars.copy_context()

    @functools.wraps(function)
    def carried(*args: P.args, **kwargs: P.kwargs) -> R:
        # A context can be entered by one thread at a time, so each run has its own copy.
        return context.copy().run(function, *args, **kwargs)

    return carried
