"""What the types of errors mean: whose side they are on, whether asking again can help, and what to do.

A *side* is who can change something: the limits of the account, the request that the application makes, the API, or the
way between the two. Types are the API's, or the client's where there was no answer.
Source: https://platform.claude.com/docs/en/api/errors, read 2026-08-22, and `capture/attempts.py` for the client's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

Side = Literal["limit", "request", "account", "api", "client", "batch", "other"]

SIDES: Mapping[Side, str] = {
    "limit": "Limits",
    "request": "The request",
    "account": "Key and account",
    "api": "The API",
    "client": "The way there",
    "batch": "Batches",
    "other": "Others",
}
"""What each side is called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorKind:
    """What is known about one type of error."""

    type: str
    side: Side
    asking_again_helps: bool
    meaning: str
    to_do: str


def _kinds(kinds: Iterable[ErrorKind]) -> Mapping[str, ErrorKind]:
    return {kind.type: kind for kind in kinds}


ERROR_KINDS: Mapping[str, ErrorKind] = _kinds(
    (
        ErrorKind(
            type="rate_limit_error",
            side="limit",
            asking_again_helps=True,
            meaning="A rate limit of the account was reached (429).",
            to_do="Wait as long as retry-after says, spread bursts, cache prompts, or move what can wait to batches.",
        ),
        ErrorKind(
            type="invalid_request_error",
            side="request",
            asking_again_helps=False,
            meaning="The API does not accept the request as it is (400).",
            to_do="Look at the request: the same one fails again.",
        ),
        ErrorKind(
            type="request_too_large",
            side="request",
            asking_again_helps=False,
            meaning="The request is larger than 32 MB (413).",
            to_do="Send less, or use the Files API.",
        ),
        ErrorKind(
            type="not_found_error",
            side="request",
            asking_again_helps=False,
            meaning="What is asked for is not there (404), such as a model that is retired.",
            to_do="Check the model's name, and ids.",
        ),
        ErrorKind(
            type="conflict_error",
            side="request",
            asking_again_helps=True,
            meaning="Somebody else is changing the same thing (409).",
            to_do="Ask again.",
        ),
        ErrorKind(
            type="authentication_error",
            side="account",
            asking_again_helps=False,
            meaning="The API key is not accepted (401).",
            to_do="Check the key: it may have been revoked.",
        ),
        ErrorKind(
            type="billing_error",
            side="account",
            asking_again_helps=False,
            meaning="There is something wrong with payment (402).",
            to_do="Look at billing in the Console.",
        ),
        ErrorKind(
            type="permission_error",
            side="account",
            asking_again_helps=False,
            meaning="The key may not use what it asked for (403).",
            to_do="Check what the key's workspace may use.",
        ),
        ErrorKind(
            type="api_error",
            side="api",
            asking_again_helps=True,
            meaning="Something went wrong at the API (500).",
            to_do="Ask again once; if it goes on, look at Anthropic's status page.",
        ),
        ErrorKind(
            type="timeout_error",
            side="api",
            asking_again_helps=True,
            meaning="The API ran out of time (504).",
            to_do="Stream long answers, or ask in a batch.",
        ),
        ErrorKind(
            type="overloaded_error",
            side="api",
            asking_again_helps=True,
            meaning="The API is overloaded (529): for everybody, whatever your limits are.",
            to_do="Ask again later, or another model meanwhile.",
        ),
        ErrorKind(
            type="client_timeout_error",
            side="client",
            asking_again_helps=True,
            meaning="The application's own time limit passed before the answer.",
            to_do="Stream, or allow more time. The API may have billed what nobody saw.",
        ),
        ErrorKind(
            type="connection_error",
            side="client",
            asking_again_helps=True,
            meaning="The connection could not be made, or broke.",
            to_do="Look at the network, proxies and DNS on the way.",
        ),
        ErrorKind(
            type="client_error",
            side="client",
            asking_again_helps=False,
            meaning="The application's HTTP client failed in another way.",
            to_do="Open a call, and look for its exception in the application's log.",
        ),
        ErrorKind(
            type="batch_expired",
            side="batch",
            asking_again_helps=True,
            meaning="A request of a batch was not begun within 24 hours.",
            to_do="Ask it again in another batch.",
        ),
    )
)


def side_of(error_type: str | None) -> Side:
    """Whose side an error is on; `other` for a type that is not known, and for none."""
    kind = ERROR_KINDS.get(error_type) if error_type is not None else None
    return "other" if kind is None else kind.side


def side_sql(column: str) -> str:
    """`side_of` as SQL over a column of error types."""
    whens = " ".join(f"WHEN '{kind.type}' THEN '{kind.side}'" for kind in ERROR_KINDS.values())
    return f"CASE {column} {whens} ELSE 'other' END"
