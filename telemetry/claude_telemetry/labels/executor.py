"""A thread pool whose threads know for whom they work.

Apart from `carry`, and imported when it is used: the standard library's pool takes longer to import than our labels.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent import futures
from typing import ParamSpec, TypeVar

from claude_telemetry.labels.threads import carry

P = ParamSpec("P")
R = TypeVar("R")


class ThreadPoolExecutor(futures.ThreadPoolExecutor):
    """The standard library's, whose threads run each task with the labels and the trace that held where the task was
    submitted: by `submit`, `map` or `loop.run_in_executor`."""

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> futures.Future[R]:
        return super().submit(carry(fn), *args, **kwargs)
