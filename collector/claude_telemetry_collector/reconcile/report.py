"""The report for people in a terminal, and the same as JSON.

In JSON money and shares are exact texts: a decimal, or a fraction such as `"1/3"` for what no decimal is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from fractions import Fraction
from typing import Any, get_args

from claude_telemetry_collector.queries.bill import Breakdown, Coverage, Day, Reconciliation, Tolerance, wording
from claude_telemetry_collector.terminal import columns

_MOST_ROWS = 12
"""Of one table, for people; JSON has all."""
_DIMENSIONS: tuple[Breakdown, ...] = get_args(Breakdown)
_BY: Mapping[Breakdown, str] = {
    "model": "Model",
    "kind": "Kind of token",
    "tier": "Tier",
    "workspace": "Workspace",
    "key": "API key",
}


def lines_of(found: Reconciliation, tolerance: Tolerance) -> Iterator[str]:
    """The report, verdict first."""
    said = wording.verdict(found, tolerance)
    yield said[:1].upper() + said[1:]
    if found.settled:
        if found.cells:
            yield from _coverage(found)
            yield from _prices(found)
        yield from _discounts(found)
        yield from _left_out(found)
    yield from _freshness(found, tolerance)


def as_json(found: Reconciliation, tolerance: Tolerance) -> dict[str, Any]:
    """All of the report but its finest parts, as plain JSON."""
    coverage = found.coverage
    return {
        "verdict": wording.verdict(found, tolerance),
        "drift": found.is_drift(tolerance),
        "since": found.since.isoformat(),
        "until": found.until.isoformat(),
        "coverage": _shares(coverage),
        "price_error": _plain(found.price_error),
        "price_error_usd": _plain(found.price_error_usd),
        "price_compared_usd": _plain(found.price_compared_usd),
        "by": {
            name: [{name: _plain(value), **_shares(part)} for value, part in found.by(name).items()]
            for name in _DIMENSIONS
        }
        | {"day": [{"day": day.isoformat(), **_shares(part)} for day, part in found.by_day().items()]},
        "findings": [{**_facts(finding), "sentence": wording.finding_sentence(finding)} for finding in found.findings],
        "discounts": [_facts(discount) for discount in found.discounts],
        "discounts_toml": wording.as_toml(found.discounts),
        "unseparated": [_facts(one) for one in found.unseparated],
        "left_out": [one.what for one in found.left_out],
        "calls": found.calls,
        "unknown_calls": found.unknown_calls,
        "carried_tokens": found.carried,
        "waiting_tokens": found.waiting,
        "days": [_facts(day) for day in found.days],
        "refreshed_at": _plain(found.refreshed_at),
        "fetched_at": _plain(found.fetched_at),
        "tolerance": _facts(tolerance),
    }


def _coverage(found: Reconciliation) -> Iterator[str]:
    coverage = found.coverage
    yield ""
    yield "Coverage: what telemetry has seen of what is billed"
    for name, title in _BY.items():
        parts = found.by(name)
        if name not in ("model", "kind") and len(parts) < 2:
            continue
        yield ""
        some = {_named(name, value): part for value, part in parts.items() if part.billed or part.surplus}
        yield from _table(title, some)
    worst = [(day, part) for day, part in found.by_day().items() if part.missing or part.surplus]
    if worst:
        worst.sort(key=lambda item: (item[1].of_tokens or Fraction(0), item[0]))
        yield ""
        yield from _table("Day (UTC)", {str(day): part for day, part in worst})
    if coverage.searches_missing or coverage.searches_surplus:
        yield ""
        yield (
            f"Of {coverage.searches_billed:,} web searches billed, {coverage.searches_missing:,} were not seen; "
            f"{coverage.searches_surplus:,} that were seen are not on the bill."
        )
    if found.carried:
        yield f"{found.carried:,} tokens of batches are billed on the day after they were created, and count there."


def _table(title: str, parts: Mapping[str, Coverage]) -> Iterator[str]:
    rows = [
        (
            name,
            wording.share(part.of_tokens),
            f"{part.billed:,}",
            f"{part.missing:,}",
            f"{part.surplus:,}",
            wording.usd(part.missing_usd),
        )
        for name, part in parts.items()
    ]
    head = (title, "Seen", "Billed", "Missing", "Surplus", "Missing, list")
    yield from (f"  {line}" for line in columns(head, rows[:_MOST_ROWS], left=1))
    if len(rows) > _MOST_ROWS:
        yield f"  and {len(rows) - _MOST_ROWS} more, which --json shows"


def _prices(found: Reconciliation) -> Iterator[str]:
    yield ""
    yield f"Prices: {wording.price_sentence(found)}"
    for finding in found.findings:
        yield f"  - {wording.finding_sentence(finding)}"
        yield f"    {wording.remedy(finding)}"


def _discounts(found: Reconciliation) -> Iterator[str]:
    for one in found.unseparated:
        ratio = wording.number(one.amount_usd / one.ours_usd) if one.ours_usd else "—"
        yield (
            f"  - {one.model}: billed {wording.usd(one.amount_usd)}, {wording.usd(one.ours_usd)} at our list price "
            f"({ratio}): a discount, another price or both"
        )
    if not found.discounts:
        return
    yield ""
    yield "Discounts: what is paid of the list price"
    yield from (f"  - {wording.discount_sentence(discount)}" for discount in found.discounts)
    snippet = wording.as_toml(found.discounts)
    if snippet:
        yield ""
        yield "  For your price file (--prices), so that net costs are what you pay:"
        yield ""
        yield from (f"  {line}".rstrip() for line in snippet.split("\n"))


def _left_out(found: Reconciliation) -> Iterator[str]:
    if found.left_out:
        yield ""
        yield "Not compared, or not in full"
        yield from (f"  - {one.what}" for one in found.left_out)


def _freshness(found: Reconciliation, tolerance: Tolerance) -> Iterator[str]:
    missing = [day for day in found.days if day.state == "not_pulled"]
    yield ""
    if found.fetched_at is not None:
        complete = "" if found.refreshed_at is None else f", complete up to {_moment(found.refreshed_at)}"
        yield f"The bill was pulled at {_moment(found.fetched_at)}{complete}."
    if found.pending:
        yield f"Pending, in no number above: {_days(found.pending)}."
    if missing and found.is_pulled:
        yield f"Not pulled: {_days(missing)}."
    yield (
        f"Tokens have to fit exactly on complete days; drift is less than {wording.share(tolerance.coverage)} seen, or "
        f"prices off by more than {wording.share(tolerance.price_error)}."
    )


def _named(name: str, value: object) -> str:
    if value is None:
        return "(not told apart)"
    return wording.kind_title(str(value)) if name == "kind" else str(value)


def _days(days: tuple[Day, ...] | list[Day]) -> str:
    first, last = days[0].day, days[-1].day
    return f"{first}" if first == last else f"{wording.counted(len(days), 'day')} from {first} to {last}"


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _shares(coverage: Coverage) -> dict[str, Any]:
    return {**_facts(coverage), "of_tokens": _plain(coverage.of_tokens), "of_money": _plain(coverage.of_money)}


def _facts(fact: Any) -> dict[str, Any]:
    return {field.name: _plain(getattr(fact, field.name)) for field in fields(fact)}


def _plain(value: Any) -> Any:
    if isinstance(value, Fraction):
        exact = wording.number(value)
        return exact if Fraction(exact) == value else str(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple):
        return [_plain(one) for one in value]  # pyright: ignore[reportUnknownVariableType] - of facts, or plain
    return _facts(value) if is_dataclass(value) else value
