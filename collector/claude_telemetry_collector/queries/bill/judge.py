"""Both sides asked, joined and judged: the one place that everything that tells of reconciliation takes it from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction

from claude_telemetry_collector.queries.bill.discounts import discounts_in, unseparated_in
from claude_telemetry_collector.queries.bill.facts import Day, DayState, Reconciliation
from claude_telemetry_collector.queries.bill.findings import error_of, findings_in
from claude_telemetry_collector.queries.bill.left_out import Remarks, left_out
from claude_telemetry_collector.queries.bill.matching import cells_of, placed
from claude_telemetry_collector.queries.bill.prices import money_renamed, priced, renamed
from claude_telemetry_collector.queries.bill.rates import BookRates
from claude_telemetry_collector.queries.bill.sides import (
    OurSide,
    PulledDay,
    TheirSide,
    Told,
    our_side,
    their_side,
    with_model,
)
from claude_telemetry_collector.store import Reader

_ADMIN_DELAY = timedelta(hours=1)
"""The older report does not say how fresh it is: "usually within 5 minutes", by its documentation (read 2026-11-20). A
day that was pulled an hour after its end counts as complete."""

_ON_THE_BILL = {"analytics": ("anthropic", "claude_platform_aws"), "admin": ("anthropic",)}
"""The platforms that each family bills. Claude Platform on AWS is not in the older report, by its documentation."""


def reconciliation(reader: Reader, since: date, until: date) -> Reconciliation:
    """The calls of the UTC days from `since` up to, and without, `until`, held against what has been pulled of the
    bill. Prices are those of the price book that this process uses.

    Raises what `Reader.ask` raises.
    """
    theirs = their_side(reader, since, until)
    days = tuple(_day(day, theirs.days) for day in _each(since, until))
    if not any(day.state == "settled" for day in days):
        return _nothing(since, until, days)
    return _judged(since, until, days, our_side(reader, since, until), theirs)


def _judged(since: date, until: date, days: Sequence[Day], ours: OurSide, theirs: TheirSide) -> Reconciliation:
    book = BookRates()
    families = {day.day: day.family for day in days if day.state == "settled" and day.family is not None}
    usage = renamed([one for one in theirs.usage if families.get(one.group.day) == one.family], book)
    money = money_renamed([one for one in theirs.money if families.get(one.day) == one.family], book)
    platforms = {day: _ON_THE_BILL[family] for day, family in families.items()}
    on_the_bill = [one for one in ours.calls if one.platform in platforms.get(one.day, ())]
    told, free = _told(ours, platforms, book)
    ready = placed(told, usage, families.keys())
    prices = priced(ready.told, usage, money, book)
    compared_usd, error_usd = error_of(prices.priced)
    return Reconciliation(
        since=since,
        until=until,
        days=tuple(days),
        cells=cells_of(ready.told, prices.valued),
        calls=sum(one.calls for one in on_the_bill),
        unknown_calls=sum(one.usage_unknown + one.usage_partial for one in on_the_bill),
        carried=ready.carried,
        waiting=ready.waiting,
        price_compared_usd=compared_usd,
        price_error_usd=error_usd,
        findings=findings_in(prices.priced),
        discounts=discounts_in(money),
        unseparated=unseparated_in(prices.priced),
        left_out=left_out(
            Remarks(
                days=days,
                calls=[one for one in ours.calls if one.day in families],
                on_the_bill=on_the_bill,
                free_tokens=sum(one.tokens for one in free),
                money=money,
                prices=prices,
                waiting=ready.waiting,
            )
        ),
    )


def _told(ours: OurSide, platforms: dict[date, tuple[str, ...]], book: BookRates) -> tuple[list[Told], list[Told]]:
    """Our tokens that may be billed, each model under one name, and those that are listed and free."""
    told = list(ours.told)
    free: list[Told] = []
    for refused in ours.refused:
        group = refused.told.group
        billed = refused.category is not None and book.bills_refusals(group.day, group.model, refused.category)
        (told if billed else free).append(refused.told)
    return _on_the_bill(told, platforms, book), _on_the_bill(free, platforms, book)


def _on_the_bill(rows: Iterable[Told], platforms: dict[date, tuple[str, ...]], book: BookRates) -> list[Told]:
    # Batches of the day before the first are wanted too; a day that is not judged falls away when they are placed.
    every = tuple({name for names in platforms.values() for name in names})
    return [
        with_model(one, book.name_of(one.group.model))
        for one in rows
        if one.platform in platforms.get(one.group.day, every)
    ]


def _day(day: date, pulled: Iterable[PulledDay]) -> Day:
    """The newer report, where both have been pulled and it is complete: it has list prices."""
    found = [one for one in pulled if one.day == day]
    ranked = sorted(found, key=lambda one: (_is_complete(one), one.family == "analytics"), reverse=True)
    if not ranked:
        return Day(day=day, state="not_pulled", family=None, refreshed_at=None, fetched_at=None)
    best = ranked[0]
    state: DayState = "settled" if _is_complete(best) else "pending"
    return Day(day=day, state=state, family=best.family, refreshed_at=best.refreshed_at, fetched_at=best.fetched_at)


def _is_complete(pulled: PulledDay) -> bool:
    end = datetime.combine(pulled.day + timedelta(days=1), time(), UTC)
    if pulled.family == "admin":
        return pulled.fetched_at >= end + _ADMIN_DELAY
    return pulled.refreshed_at is not None and pulled.refreshed_at >= end


def _each(since: date, until: date) -> list[date]:
    return [since + timedelta(days=number) for number in range((until - since).days)]


def _nothing(since: date, until: date, days: Sequence[Day]) -> Reconciliation:
    return Reconciliation(
        since=since,
        until=until,
        days=tuple(days),
        cells=(),
        calls=0,
        unknown_calls=0,
        carried=0,
        waiting=0,
        price_compared_usd=Fraction(0),
        price_error_usd=Fraction(0),
        findings=(),
        discounts=(),
        unseparated=(),
        left_out=(),
    )
