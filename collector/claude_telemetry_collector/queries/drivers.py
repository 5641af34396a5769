"""Why the cost differs from that of the period before: the models, features, users and prompts that moved it most.

The difference of each is taken apart without a rest. *Volume*: more or fewer calls, at what a call cost before. *Size*:
longer or shorter calls, at what a token cost before. *Price*: what is left, which is dearer or cheaper tokens: another
model, another mix of input, output and cache, another list price.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from claude_telemetry_collector.queries.breakdown import breakdown
from claude_telemetry_collector.queries.metrics.conditions import TOTAL
from claude_telemetry_collector.queries.window import Segment, Window, calls_in, microseconds
from claude_telemetry_collector.store import Reader

BY: Mapping[str, tuple[str, str | None]] = {
    "model": ("model", None),
    "feature": ("feature", None),
    "prompt": ("prompt_name", "prompt_version"),
}
"""What calls are told apart by, of which there are few: the labels, one or two."""
USER = "user"
"""Of users there are many: only those that moved the cost most are asked for."""

_MOST_LABELS = 10_000
_MOST_USERS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """One value of what calls are told apart by, and what it did to the cost. USD at list price, exact."""

    by: str
    """Of `BY`, or `USER`."""
    label: str | None
    """From outside. `None` for calls without."""
    before_usd: Decimal
    now_usd: Decimal
    calls_before: int
    calls_now: int
    """Calls with a price."""
    volume_usd: Decimal
    size_usd: Decimal
    price_usd: Decimal

    @property
    def difference_usd(self) -> Decimal:
        """Volume, size and price add up to it."""
        return self.now_usd - self.before_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class Drivers:
    """What moved the cost. The same dollars show under a model and under a feature."""

    top: tuple[Driver, ...]
    """The largest first, whichever way."""
    before_usd: Decimal
    now_usd: Decimal
    unpriced: int
    """Calls of both periods that may have cost something and have no price: they are in no amount."""


def drivers(reader: Reader, window: Window, before: Window, segment: Segment, limit: int = 5) -> Drivers:
    """What moved the cost in `window` against that in `before`, which ends no later than `window` begins."""
    told = {by: _told(reader, window, before, segment, *labels) for by, labels in BY.items()}
    models = told["model"].values()
    told[USER] = {row["label"]: row for row in _users(reader, window, before, segment)}
    # What has one value only says no more than the whole does.
    apart = {by for by, rows in told.items() if len(rows) > 1} or set(told)
    moved = [_driver(by, label, row) for by in told if by in apart for label, row in told[by].items()]
    moved = [driver for driver in moved if driver.difference_usd]
    moved.sort(key=lambda driver: (-abs(driver.difference_usd), list(told).index(driver.by), driver.label or ""))
    return Drivers(
        top=tuple(moved[:limit]),
        before_usd=sum((_usd(row["cost_before"]) for row in models), Decimal(0)),
        now_usd=sum((_usd(row["cost_now"]) for row in models), Decimal(0)),
        unpriced=sum(row["unpriced"] for row in models),
    )


def _told(
    reader: Reader, window: Window, before: Window, segment: Segment, by: str, then: str | None
) -> dict[str | None, dict[str, Any]]:
    """By label what it came to, in both periods."""
    rows: dict[str | None, dict[str, Any]] = {}
    for period, asked in (("before", before), ("now", window)):
        found = breakdown(reader, ("cost_usd", "total_tokens"), asked, segment, by, then, limit=_MOST_LABELS)
        for row in found.to_pylist():
            parts = [row[name] for name in (by, then) if name is not None and row[name] is not None]
            both = rows.setdefault(" ".join(parts) if parts else None, dict(_NOTHING))
            both[f"cost_{period}"] += _usd(row["cost_usd"])
            both[f"calls_{period}"] += row["cost_usd_calls"] - row["cost_usd_unpriced"]
            both[f"tokens_{period}"] += row["total_tokens"] or 0
            both["unpriced"] += row["cost_usd_unpriced"]
    return rows


_NOTHING: Mapping[str, Any] = {
    "unpriced": 0,
    **{f"cost_{period}": Decimal(0) for period in ("before", "now")},
    **{f"{what}_{period}": 0 for what in ("calls", "tokens") for period in ("before", "now")},
}


def _users(reader: Reader, window: Window, before: Window, segment: Segment) -> Iterator[dict[str, Any]]:
    """The users of whom the cost differs most."""
    where, parameters = calls_in(Window(before.start, window.end), segment)
    parameters |= {"now_start": microseconds(window.start), "before_end": microseconds(before.end)}
    sums = ", ".join(
        f"coalesce(sum(cost) FILTER (WHERE {when}), 0)::DECIMAL(38, 12) AS cost_{period},"
        f" count(cost) FILTER (WHERE {when}) AS calls_{period},"
        f" coalesce(sum(tokens) FILTER (WHERE {when}), 0) AS tokens_{period}"
        for period, when in (("before", "NOT is_now"), ("now", "is_now"))
    )
    sql = (
        "WITH asked AS (SELECT user_id AS label, started_at >= make_timestamp($now_start) AS is_now, cost_usd AS cost,"  # noqa: S608
        f" {TOTAL} AS tokens FROM calls WHERE {where}"
        " AND (started_at < make_timestamp($before_end) OR started_at >= make_timestamp($now_start)))"
        f" SELECT label, {sums} FROM asked GROUP BY label"
        f" ORDER BY abs(cost_now - cost_before) DESC, label LIMIT {_MOST_USERS}"
    )
    yield from reader.ask(sql, parameters).to_pylist()


def _driver(by: str, label: str | None, row: Mapping[str, Any]) -> Driver:
    before, now = row["cost_before"], row["cost_now"]
    volume, size = _taken_apart(row, before, now)
    return Driver(
        by=by,
        label=label,
        before_usd=before,
        now_usd=now,
        calls_before=row["calls_before"],
        calls_now=row["calls_now"],
        volume_usd=volume,
        size_usd=size,
        price_usd=(now - before) - volume - size,
    )


def _taken_apart(row: Mapping[str, Any], before: Decimal, now: Decimal) -> tuple[Decimal, Decimal]:
    """What volume and size are worth, to the picodollar. What comes or goes as a whole is volume."""
    calls, calls_now = row["calls_before"], row["calls_now"]
    if not calls or not calls_now:
        return now - before, Decimal(0)
    volume = _to_picodollars(before * (calls_now - calls) / calls)
    tokens, tokens_now = int(row["tokens_before"]), int(row["tokens_now"])
    if not tokens:
        return volume, Decimal(0)
    # Tokens now, less what as many calls would have taken before, at what a token cost before.
    return volume, _to_picodollars(before / tokens * (tokens_now - Decimal(calls_now) * tokens / calls))


def _usd(cost: Decimal | None) -> Decimal:
    return Decimal(0) if cost is None else cost


def _to_picodollars(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("1e-12"))
