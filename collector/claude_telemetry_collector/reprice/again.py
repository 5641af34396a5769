"""One call, priced again: which of its columns would be others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple, cast

from claude_telemetry.pricing import Book, Charge, cost_columns, together
from claude_telemetry.record.attributes import usd
from claude_telemetry_collector.queries.kept_usage import KeptCall, NotKept, charges_again, kept_call

COST_COLUMNS = (
    "cost_usd",
    "net_cost_usd",
    "cost_status",
    "cost_breakdown",
    "cost_flags",
    "billed",
    "price_version",
)
"""The columns of `calls` that a price decides."""


class Again(NamedTuple):
    """What a call costs by another book."""

    columns: Mapping[str, Any]
    """Of `COST_COLUMNS` and `hops`."""
    changed: bool
    """Whether anything but the version is another."""


def priced_again(row: Mapping[str, Any], book: Book) -> Again | NotKept:
    """What the call in `row`, which has the columns of `kept_usage.ROW`, costs by `book`; or why that is not known."""
    call = kept_call(row)
    if isinstance(call, NotKept):
        return call
    charges = charges_again(call, book)
    if _needs_its_place(row, call, charges):
        return NotKept("region_not_kept")
    charge = charges[0] if len(charges) == 1 else together(charges)
    columns = cost_columns(charge, call.more_flags)
    columns["cost_flags"] = columns["cost_flags"] or None  # as it lands
    columns["billed"] = _billed(row, call, charges)
    columns["hops"] = _hops(row, charges)
    if not call.priced:
        columns["price_version"] = row["price_version"]
    return Again(columns, _differs(row, columns))


def _needs_its_place(row: Mapping[str, Any], call: KeptCall, charges: list[Charge]) -> bool:
    """Whether the price depends on where the call ran, which was known when it was recorded and not kept: there was no
    column for it."""
    return (
        row["cost_usd"] is not None
        and call.region is None
        and any("region_unknown" in charge.flags for charge in charges)
    )


def _billed(row: Mapping[str, Any], call: KeptCall, charges: list[Charge]) -> bool | None:
    return any("refusal_not_billed" not in charge.flags for charge in charges) if call.priced else row["billed"]


def _hops(row: Mapping[str, Any], charges: list[Charge]) -> str | None:
    """The answers of the call, each with what it costs now. `None` for a call that had only one."""
    if row["hops"] is None:
        return None
    hops = cast("list[dict[str, Any]]", json.loads(row["hops"]))
    for hop, charge in zip(hops, charges, strict=True):
        hop.pop("cost_usd", None)
        if charge.picodollars is not None:
            hop["cost_usd"] = format(usd(charge.picodollars), "f")
    return json.dumps(hops, separators=(",", ":"))


def _differs(row: Mapping[str, Any], columns: Mapping[str, Any]) -> bool:
    # Rows that landed before there was a net cost have none; it is the list cost then.
    net = row["cost_usd"] if row["net_cost_usd"] is None else row["net_cost_usd"]
    return (
        row["cost_usd"] != columns["cost_usd"]
        or net != columns["net_cost_usd"]
        or row["cost_status"] != columns["cost_status"]
        or (row["cost_flags"] or None) != columns["cost_flags"]
        or row["billed"] != columns["billed"]
        or _lines(row["cost_breakdown"]) != _lines(columns["cost_breakdown"])
        or _costs_of_hops(row["hops"]) != _costs_of_hops(columns["hops"])
    )


def _lines(breakdown: str | None) -> dict[str, Decimal]:
    return {} if breakdown is None else {line: Decimal(text) for line, text in json.loads(breakdown).items()}


def _costs_of_hops(hops: str | None) -> list[str | None]:
    return [] if hops is None else [hop.get("cost_usd") for hop in json.loads(hops)]
