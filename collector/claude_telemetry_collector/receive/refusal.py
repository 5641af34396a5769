"""Why a request is not accepted, in a sentence for whoever runs the sender."""

from __future__ import annotations

from typing import Literal

RETRY_AFTER_S = 5

Reason = Literal[
    "backlog",
    "disk",
    "disk_space",
    "stopping",
    "memory",
    "rate",
    "unauthorized",
    "too_large",
    "ratio",
    "timeout",
    "content_type",
    "content_encoding",
    "invalid",
    "path",
    "method",
]
"""As `/metrics` counts refusals."""


class Refusal(Exception):  # noqa: N818 - an answer, not an error of ours
    """A request is answered with `status` and a sentence that says what to do.

    The sentence repeats nothing that was sent: it ends up in the sender's logs.
    """

    def __init__(
        self, status: int, sentence: str, *, reason: Reason = "invalid", close: bool = False, **headers: str
    ) -> None:
        """`close`: the connection cannot be used any further. `headers`: by name, underscores for hyphens."""
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.reason: Reason = reason
        self.close = close
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def put_off(why: str, reason: Reason) -> Refusal:
    """Not now: the sender keeps its data and comes back."""
    return Refusal(503, f"{why}; send it again later", reason=reason, retry_after=str(RETRY_AFTER_S))


def too_large(most_bytes: int) -> Refusal:
    """A body is larger than it may be."""
    return Refusal(
        413,
        f"the body is larger than {most_bytes:,} bytes, before or after decompression: send smaller batches",
        reason="too_large",
    )
