"""What must be recorded of one call, and the short ways to say it.

The truth is in the stand-in's ledger and in numbers that the scenario worked out by hand, never in the code under test.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final, cast

from opentelemetry.trace import Span, format_span_id

from claude_telemetry.fake import Served

Attempts = Sequence[tuple[int | None, Any]]
"""The status and the error type of each attempt."""
ANSWERED: Attempts = [(200, None)]
LABELS = ("user_id", "session_id", "feature", "prompt_name", "prompt_version", "tenant")
FREE = Decimal(0)


class _Anything:
    """Equal to whatever it is compared with."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment] # what equals everything has no hash

    def __repr__(self) -> str:
        return "<anything>"


ANYTHING: Final[Any] = _Anything()


class _Either:
    """Equal to each of some values: where nobody can know which it is."""

    def __init__(self, values: tuple[object, ...]) -> None:
        self._values = values

    def __eq__(self, other: object) -> bool:
        return other in self._values

    __hash__ = None  # type: ignore[assignment] # as above

    def __repr__(self) -> str:
        return " or ".join(map(repr, self._values))


def either(*values: object) -> Any:
    return _Either(values)


def in_any_order(values: Iterable[object]) -> Any:
    """Equal to a list of the same values, whatever its order; `ANYTHING` among them stands for one value."""
    return _InAnyOrder(list(values))


class _InAnyOrder:
    def __init__(self, values: list[object]) -> None:
        self._values = values

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, list):
            return False
        left = cast("list[object]", list(other))  # pyright: ignore[reportUnknownArgumentType] - of any list
        for value in sorted(self._values, key=lambda value: isinstance(value, _Anything)):
            if value not in left:
                return False
            left.remove(value)
        return not left

    __hash__ = None  # type: ignore[assignment] # as above

    def __repr__(self) -> str:
        return f"in any order: {self._values!r}"


@dataclass(frozen=True, kw_only=True)
class Expected:
    """One call."""

    span_name: str
    facts: Mapping[str, Any]
    """By column of `calls`; and `ttft_known`, whether there is a time to first token."""
    attempts: Attempts | None
    """First to last. `None` where they are not looked at."""
    tools: Sequence[str] = ()
    """The names of the tools that the answer asks for."""

    def named(self, span_name: str) -> Expected:
        return replace(self, span_name=span_name)

    @property
    def order(self) -> tuple[str, str, str]:
        """Where calls begin in any order, both sides are put in this one."""
        return order_of(self.facts.get("request_id"), self.facts.get("custom_id"), self.facts.get("message_id"))


def order_of(*ids: object) -> tuple[str, str, str]:
    first, second, third = (str(id_) if isinstance(id_, str) else "" for id_ in ids)
    return first, second, third


def answered(served: Served, cost: Decimal | None, /, **facts: Any) -> Expected:
    """A billed call that `served` is the whole answer of, at `cost` in USD."""
    return call(
        facts.pop("attempts", ANSWERED),
        **{
            "request_id": served.request_id,
            "message_id": served.message_id,
            "model": served.model,
            "stop_reason": served.stop_reason,
            "stream": served.stream,
            "stream_end": "read" if served.stream else None,
            "ttft_known": served.stream,
            "cost_usd": cost,
            **tokens(served.usage),
            **facts,
        },
    )


def tokens(usage: Mapping[str, Any]) -> dict[str, int | None]:
    """The four counts of a usage object, as the API defines them."""
    return {
        "input_tokens": usage.get("input_tokens"),
        "cache_read_tokens": usage.get("cache_read_input_tokens"),
        "cache_write_tokens": usage.get("cache_creation_input_tokens"),
        "output_tokens": usage.get("output_tokens"),
    }


NO_TOKENS: Mapping[str, None] = {
    "input_tokens": None,
    "cache_read_tokens": None,
    "cache_write_tokens": None,
    "output_tokens": None,
}
NOT_KNOWN: Mapping[str, Any] = {"cost_usd": None, "cost_status": "unknown", "billed": None}
"""Nobody saw an answer to what was sent, so nobody knows what it cost."""


def unread(served: Served, /, **facts: Any) -> Expected:
    """A call that was answered, and of whose answer nobody saw a word: what it cost is not known."""
    return call(
        ANSWERED,
        **{
            "status": "cancelled",
            "request_id": served.request_id,
            "message_id": None,
            "model": None,
            "stop_reason": None,
            "stream": served.stream,
            **NO_TOKENS,
            **NOT_KNOWN,
            **facts,
        },
    )


def partly(served: Served, usage: Mapping[str, Any], cost: Decimal, stream_end: Any, /, **facts: Any) -> Expected:
    """A streamed call of which `message_start` was seen and the end was not.

    `cost` is that of the input in `usage`, a lower bound. The output count of a `message_start` is a placeholder.
    """
    return answered(
        served,
        cost,
        **{
            "status": "cancelled",
            "stream_end": stream_end,
            "stop_reason": None,
            "cost_status": "partial",
            "ttft_known": ANYTHING,
            **tokens(usage),
            "output_tokens": None,
            "thinking_tokens": None,
            **facts,
        },
    )


def failed(error_type: str | None, attempts: Attempts, /, **facts: Any) -> Expected:
    """A call whose every attempt failed, with an error status or before anything was sent: it cost nothing."""
    last = attempts[-1][0] if attempts else None
    return call(
        attempts,
        **{
            "status": "error",
            "error_type": error_type,
            "http_status": last,
            "request_id": ANYTHING if last else None,
            "model": None,
            "message_id": None,
            "stop_reason": None,
            "cost_usd": FREE,
            "billed": False,
            **NO_TOKENS,
            **facts,
        },
    )


def free(operation: str, name: str, served: Served | None, /, **facts: Any) -> Expected:
    """A call that the API does not charge for."""
    return call(
        ANSWERED,
        **{
            "span_name": f"anthropic.messages.{name}",
            "operation": operation,
            "stream": ANYTHING,
            "stream_end": ANYTHING,
            "request_id": served.request_id if served is not None else None,
            "model": None,
            "message_id": None,
            "stop_reason": None,
            "cost_usd": FREE,
            "billed": False,
            **NO_TOKENS,
            **facts,
        },
    )


def call(attempts: Attempts | None, /, **facts: Any) -> Expected:
    """A call that is as most are, but for `facts`.

    Beside columns, these may be `ttft_known`, `span_name`, `tools` (the names of those that were asked for), and
    `parent`: the span that it is made in.
    """
    parent: Span | None = facts.pop("parent", None)
    usual: dict[str, Any] = {
        "operation": "chat",
        "provider": "anthropic",
        "platform": "anthropic",
        "status": "ok",
        "error_type": None,
        "http_status": 200,
        "stream": False,
        "stream_end": None,
        "ttft_known": False,
        "cost_status": "priced",
        "billed": True,
        "attempts": len(attempts) if attempts is not None else ANYTHING,
        "parent_span_id": None if parent is None else format_span_id(parent.get_span_context().span_id),
        "batch_id": None,
        "custom_id": None,
        **dict.fromkeys(LABELS),
    }
    return Expected(
        span_name=facts.pop("span_name", "anthropic.messages.create"),
        attempts=attempts,
        tools=facts.pop("tools", ()),
        facts={**usual, **facts},
    )
