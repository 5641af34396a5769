"""Calls that are told within the body of another: a batch's results, a session's events.

They have no request of their own in this process. Their ids are worked out from what names them, since the same ones
are told again whenever somebody reads them again, here or elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from claude_telemetry.capture.attempts import Attempts
from claude_telemetry.capture.batches import BatchResults, BatchSeen
from claude_telemetry.capture.question import Question
from claude_telemetry.capture.sessions import SessionEvents, SessionModel
from claude_telemetry.emit import Pipeline


class ItemReader(Protocol):
    """What reads the body of a request that tells of something else than an answer to it."""

    def take(self, event: Mapping[str, Any]) -> None:
        """A decoded body, or line, or event of it."""
        ...


def reader_of_items(question: Question, attempts: Attempts, pipeline: Pipeline) -> ItemReader | None:
    """What reads the body of the response to `question`, which came in the last of `attempts`; or `None` when that is
    an answer, or tells of nothing."""
    match question.operation.tells:
        case "batch":
            return BatchSeen(question)
        case "batch_results":
            return BatchResults(question, attempts, pipeline)
        case "session":
            return SessionModel()
        case "session_events":
            return SessionEvents(question, attempts, pipeline)
        case _:
            return None
