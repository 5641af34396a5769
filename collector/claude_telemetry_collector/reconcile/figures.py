"""The figures of a report, read strictly: a bill that is misread is worse than none.

Both families write what was used in the same words. Unknown fields are left alone; a figure that is missing or odd is
an error, since it would be taken for zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any, cast

from claude_telemetry.errors import BillingError

UNCACHED = "uncached_input_tokens"

TOKEN_TYPES = (
    UNCACHED,
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation.ephemeral_5m_input_tokens",
    "cache_creation.ephemeral_1h_input_tokens",
)
SEARCHES = "web_search_requests"

_PLACES = {**{kind: kind for kind in TOKEN_TYPES}, SEARCHES: f"server_tool_use.{SEARCHES}"}
"""Where in a row each kind of use is."""
_PICODOLLAR = Decimal("0.000000000001")


def amounts_in(row: Mapping[str, Any]) -> dict[str, int]:
    """By token type, or `web_search_requests`: what `row` says was used. All that it used, zeros left out."""
    amounts = {kind: count(row, place) for kind, place in _PLACES.items()}
    return {kind: amount for kind, amount in amounts.items() if amount}


def count(row: Mapping[str, Any], place: str) -> int:
    """The whole number at `place`, such as `server_tool_use.web_search_requests`. Raises `BillingError`."""
    value: Any = row
    for name in place.split("."):
        value = cast("Mapping[str, Any]", value).get(name) if isinstance(value, Mapping) else None
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise BillingError(
            f"a row of Anthropic's report has {place} {value!r}: expected a number of tokens or requests"
        )
    return value


def usd_in(row: Mapping[str, Any], name: str) -> Decimal:
    """The amount at `name`, a text in cents with fractions, in USD. Anything finer than a picodollar is rounded half
    to even. Raises `BillingError`."""
    text, currency = row.get(name), row.get("currency")
    try:
        cents = Decimal(text) if isinstance(text, str) else Decimal("nan")
    except InvalidOperation:
        cents = Decimal("nan")
    if not cents.is_finite():
        raise BillingError(f"a row of Anthropic's report has {name} {text!r}: expected a text in cents, such as '12.5'")
    if currency != "USD":
        raise BillingError(f"a row of Anthropic's report is in {currency!r}: only USD can be held against our costs")
    return (cents / 100).quantize(_PICODOLLAR, ROUND_HALF_EVEN)


def time_in(row: Mapping[str, Any], name: str) -> datetime:
    """The time at `name`, in UTC. Raises `BillingError`."""
    text = row.get(name)
    try:
        at = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise BillingError(f"Anthropic's report has {name} {text!r}: expected a time with its zone")
    return at.astimezone(UTC)


def word_in(row: Mapping[str, Any], name: str) -> str | None:
    """The value of a dimension; `None` where there is none. A place that is not available is none."""
    value = row.get(name)
    if name == "inference_geo" and value == "not_available":
        return None
    return value if isinstance(value, str) else None


def object_in(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The object at `name`. Raises `BillingError`."""
    value = row.get(name)
    if not isinstance(value, Mapping):
        raise BillingError(f"a row of Anthropic's report has {name} {value!r}: expected an object")
    return cast("Mapping[str, Any]", value)


def rows_in(answer: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    """The objects in the list at `name`. Raises `BillingError` when there is no such list."""
    listed = answer.get(name)
    if not isinstance(listed, list):
        raise BillingError(f"Anthropic's report has no list {name!r}: is something else answering in its place?")
    for row in cast("Sequence[object]", listed):
        if not isinstance(row, Mapping):
            raise BillingError(f"a row of Anthropic's report in {name!r} is no object")
        yield cast("Mapping[str, Any]", row)
