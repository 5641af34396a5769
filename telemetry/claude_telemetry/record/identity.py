"""Ids of calls that are told more than once: by whoever downloads a batch's results, or reads a session's events again.

Such a call has no span of its own to be known by, so its ids are worked out from what names it. Whoever tells of it,
from whatever process, tells of the same ids, and it lands once.
"""

from __future__ import annotations

from hashlib import blake2b

AGENT_MODEL_REQUEST = "agent_model_request"
"""The operation of a request to a model that a session's event tells of. Its `message_id` is the event's."""


def ids_named(kind: str, *names: str) -> tuple[int, int]:
    """The trace id and the span id, neither zero, of what `names` name within `kind`."""
    named = "\0".join((kind, *names)).encode("utf-8", "replace")
    digest = blake2b(named, digest_size=24, person=b"claude-telemetry").digest()
    return int.from_bytes(digest[:16]) or 1, int.from_bytes(digest[16:]) or 1


def batch_result_ids(batch_id: str, custom_id: str) -> tuple[int, int]:
    """The ids of one request of a batch."""
    return ids_named("batch result", batch_id, custom_id)


def session_event_ids(event_id: str) -> tuple[int, int]:
    """The ids of what an event of a session tells."""
    return ids_named("session event", event_id)


def ids_of_told(
    operation: str | None, batch_id: str | None, custom_id: str | None, message_id: str | None
) -> tuple[int, int] | None:
    """The ids of a call that was told within the body of another, from its facts. `None` for any other call."""
    if batch_id is not None and custom_id is not None:
        return batch_result_ids(batch_id, custom_id)
    if operation == AGENT_MODEL_REQUEST and message_id is not None:
        return session_event_ids(message_id)
    return None
