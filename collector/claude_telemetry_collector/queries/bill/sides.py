"""What both sides say, in one shape: tokens of one kind, by day and model and by how and for whom the request ran.

Our side is worked out from `calls`. An answer that took several requests is taken apart: each iteration belongs to its
own model, as it is billed. What an answer listed and nobody is charged for stands apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from claude_telemetry_collector.queries.bill.kinds import BY_LINE
from claude_telemetry_collector.queries.bill.questions import CALLS, DAYS, MONEY, TOLD, USAGE
from claude_telemetry_collector.queries.window import microseconds
from claude_telemetry_collector.store import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What tokens are told apart by. `None`: this side does not say."""

    day: date
    """UTC."""
    model: str
    kind: str
    """One of `KINDS`."""
    tier: str
    speed: str
    geo: str | None
    workspace: str | None
    key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What our calls say about one group."""

    platform: str | None
    group: Group
    tokens: int
    """Tokens, or searches."""
    priced_tokens: int
    """Those of them whose cost stands on a line of its own, in calls with one answer and a known price."""
    priced_usd: Decimal
    """What these were priced at: list price, exact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallsTold:
    """How many calls one day had on one platform, and what they cannot say."""

    day: date
    platform: str | None
    calls: int
    usage_unknown: int
    """They may be billed, and what they used is not known."""
    usage_partial: int
    """More was used, or may have been, than they say."""
    over_midnight: int
    """They began on this day and ended on the next, to which the bill may count them."""
    priority: int
    ran_code: int
    organizations: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Tokens of an attempt that was refused before it said anything: listed, and by most categories free."""

    told: Told
    category: str | None
    """The policy that it named; empty for none. `None`: known to be free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OurSide:
    """All that telemetry says about some days."""

    told: tuple[Told, ...]
    refused: tuple[Refused, ...]
    calls: tuple[CallsTold, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Billed:
    """What the bill says was used of one group."""

    family: str
    group: Group
    context_window: str | None
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledMoney:
    """What the bill charges for one part of it."""

    family: str
    day: date
    model: str | None
    kind: str | None
    """One of `KINDS`; `None` for what is counted otherwise, which `cost_type` names."""
    cost_type: str | None
    tier: str | None
    speed: str | None
    geo: str | None
    context_window: str | None
    workspace: str | None
    amount_usd: Decimal
    list_usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PulledDay:
    """A day that the bill has been asked about."""

    family: str
    day: date
    refreshed_at: datetime | None
    fetched_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TheirSide:
    """All that the bill says about some days, of every family that was pulled."""

    usage: tuple[Billed, ...]
    money: tuple[BilledMoney, ...]
    days: tuple[PulledDay, ...]


def our_side(reader: Reader, since: date, until: date) -> OurSide:
    """What telemetry says about the UTC days from `since` up to, and without, `until`.

    Batches also of the day before: they are billed on the day on which they are worked off, up to a day later.
    """
    told: list[Told] = []
    refused: list[Refused] = []
    first_day = microseconds(_midnight(since))
    for row in _asked_by_the_week(reader, TOLD, since - timedelta(days=1), until, first_day=first_day):
        for line, kind in BY_LINE.items():
            if not row[line]:
                continue
            one = Told(
                platform=row["platform"],
                group=_group(row, kind),
                tokens=int(row[line]),
                priced_tokens=int(row[f"priced_{line}"] or 0),
                priced_usd=row[f"{line}_usd"] or Decimal(0),
            )
            if row["free"] or row["refusal"] is not None:
                refused.append(Refused(told=one, category=None if row["free"] else row["refusal"]))
            else:
                told.append(one)
    calls: list[CallsTold] = []
    for row in _asked_by_the_week(reader, CALLS, since, until):
        row["organizations"] = frozenset(row["organizations"] or ())
        calls.append(CallsTold(**row))
    return OurSide(told=tuple(told), refused=tuple(refused), calls=tuple(calls))


def their_side(reader: Reader, since: date, until: date) -> TheirSide:
    """What the bill says about the UTC days from `since` up to, and without, `until`, as far as it has been pulled."""
    bounds = _bounds(since, until)
    usage = tuple(
        Billed(
            family=row["family"],
            group=_group(row, row["kind"]),
            context_window=row["context_window"],
            tokens=int(row["tokens"]),
        )
        for row in reader.ask(USAGE, bounds).to_pylist()
    )
    money = tuple(BilledMoney(**row) for row in reader.ask(MONEY, bounds).to_pylist())
    days = tuple(
        PulledDay(
            family=row["family"],
            day=row["day"],
            refreshed_at=None if row["refreshed_at"] is None else row["refreshed_at"].replace(tzinfo=UTC),
            fetched_at=row["fetched_at"].replace(tzinfo=UTC),
        )
        for row in reader.ask(DAYS, bounds).to_pylist()
    )
    return TheirSide(usage=usage, money=money, days=days)


def pulled(reader: Reader) -> tuple[int, datetime | None]:
    """How many days of the bill there are, and when the last of them was pulled, UTC: what changes with every pull.
    No days and `None` before the first."""
    row = reader.ask("SELECT count(*) AS days, max(fetched_at) AS fetched_at FROM billed_days").to_pylist()[0]
    at: datetime | None = row["fetched_at"]
    return row["days"], None if at is None else at.replace(tzinfo=UTC)


def with_model(told: Told, model: str) -> Told:
    """`told` under another name of its model."""
    return replace(told, group=replace(told.group, model=model))


def _group(row: Mapping[str, Any], kind: str) -> Group:
    return Group(
        day=row["day"],
        model=row["model"] or "",
        kind=kind,
        tier=row["tier"],
        speed=row["speed"],
        geo=row["geo"],
        workspace=row["workspace"],
        key=row["api_key"],
    )


def _asked_by_the_week(
    reader: Reader, sql: str, since: date, until: date, **parameters: object
) -> Iterator[dict[str, Any]]:
    """The rows of `sql`, which tells of each day apart. A question may take half a minute, which is too short for a
    year of calls."""
    while since < until:
        end = min(since + timedelta(days=7), until)
        yield from reader.ask(sql, {**_bounds(since, end), **parameters}).to_pylist()
        since = end


def _bounds(since: date, until: date) -> dict[str, object]:
    return {"since": microseconds(_midnight(since)), "until": microseconds(_midnight(until))}


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
