"""`claude-telemetry what-if`: what past calls would have cost at another model, in batch, or with another cache."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from claude_telemetry.errors import ClaudeTelemetryError, PriceBookError, QuestionRefusedError
from claude_telemetry.pricing import the_book
from claude_telemetry.record.attributes import usd
from claude_telemetry.settings import add_flags, settle
from claude_telemetry_collector.queries import Segment, Window, connect
from claude_telemetry_collector.queries.what_if import (
    STAYS,
    UNKNOWN,
    Change,
    Compared,
    Outcome,
    assumptions,
    outcome_of,
)
from claude_telemetry_collector.reprice import price_as
from claude_telemetry_collector.terminal import columns, counted_calls, day_given, dollars

_UNKNOWN = {**UNKNOWN, "day_unknown": f"{UNKNOWN['day_unknown']}: --today takes the prices of today"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    since: date
    until: date
    segment: Segment
    by: str
    change: Change
    on: date | None

    @property
    def window(self) -> Window:
        first, after = (datetime.combine(day, time(), UTC) for day in (self.since, self.until + timedelta(days=1)))
        return Window(first, after)


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code: 0, or with a sentence on standard error 1 when nobody could be asked and 2 when the question was
    not understood."""
    parser = _parser()
    asked = _asked(parser, vars(given := parser.parse_args(argv)))
    try:
        settings = settle("what-if", vars(given))
        store = connect(settings["data"])
        price_as(store, settings["prices"])
        outcome = outcome_of(store, asked.window, asked.segment, asked.change, asked.by, on=asked.on)
    except ClaudeTelemetryError as error:
        print(f"claude-telemetry what-if: {error}", file=sys.stderr)
        return 2 if isinstance(error, QuestionRefusedError | PriceBookError) else 1
    except ValueError as error:
        parser.error(str(error))
    if given.json:
        print(json.dumps(_told(asked, outcome), ensure_ascii=False))
    else:
        print("\n".join(_lines(asked, outcome)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="claude-telemetry what-if",
        usage="%(prog)s --since DAY CHANGE ... [OPTION ...]",
        description="What past calls would have cost with a change: exact arithmetic on the usage that was kept, by "
        "one price book, with what has to be assumed.",
        epilog="Example: claude-telemetry what-if --since 2026-11-01 --model claude-opus-5-5=claude-sonnet-5-5",
    )
    changes = parser.add_argument_group("changes")
    models = changes.add_mutually_exclusive_group()
    models.add_argument("--to", metavar="ID", help="all calls at this model")
    models.add_argument("--model", type=_swap, metavar="A=B", help="the calls of model A at model B")
    changes.add_argument("--batch", action="store_true", help="in batches, what can wait")
    changes.add_argument("--cache-ttl", choices=("5m", "1h", "none"), help="another life of the prompt cache")
    today = datetime.now(UTC).date()
    parser.add_argument("--since", type=day_given, required=True, metavar="DAY", help="the first UTC day")
    parser.add_argument(
        "--until", type=day_given, default=today, metavar="DAY", help="the last UTC day (default today)"
    )
    parser.add_argument("--feature", metavar="NAME", help="only the calls of this feature")
    parser.add_argument("--by", choices=("model", "feature", "service"), default="model", help="default model")
    parser.add_argument(
        "--today", action="store_true", help="at the prices of today, and not of each call's own day, now and then"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object; amounts are exact, as text")
    add_flags(parser, "what-if")
    return parser


def _asked(parser: argparse.ArgumentParser, given: Mapping[str, Any]) -> _Asked:
    if given["until"] < given["since"]:
        parser.error(f"argument --until: {given['until']} is before --since {given['since']}")
    of_model, to_model = given["model"] or (None, given["to"])
    change = Change(model=to_model, batch=given["batch"], cache_ttl=given["cache_ttl"])
    if change == Change():
        parser.error("give a change: --to ID, --model A=B, --batch or --cache-ttl")
    return _Asked(
        since=given["since"],
        until=given["until"],
        segment=Segment(model=of_model, feature=given["feature"]),
        by=given["by"],
        change=change,
        on=datetime.now(UTC).date() if given["today"] else None,
    )


def _told(asked: _Asked, outcome: Outcome) -> dict[str, Any]:
    return {
        "since": asked.since.isoformat(),
        "until": asked.until.isoformat(),
        "prices_of": "each call's day" if asked.on is None else asked.on.isoformat(),
        "price_version": the_book().version,
        "change": {
            "model": asked.change.model,
            "batch": asked.change.batch,
            "cache_ttl": asked.change.cache_ttl,
        },
        "groups": [{asked.by: label, **_amounts(group)} for label, group in _ordered(outcome)],
        "all": _amounts(outcome.all),
        "stays": dict(outcome.stays),
        "unknown_now": dict(outcome.unknown_now),
        "unknown_then": dict(outcome.unknown_then),
        "assumptions": assumptions(asked.change),
    }


def _amounts(group: Compared) -> dict[str, Any]:
    picodollars = {
        "list_now_usd": group.list_now,
        "list_then_usd": group.list_then,
        "list_difference_usd": group.list_then - group.list_now,
        "net_now_usd": group.net_now,
        "net_then_usd": group.net_then,
        "net_difference_usd": group.net_then - group.net_now,
    }
    counts = {"calls": group.calls, "compared": group.compared, "lower_bounds": group.lower_bounds}
    return counts | {name: format(usd(amount), "f") if group.compared else None for name, amount in picodollars.items()}


def _ordered(outcome: Outcome) -> list[tuple[str | None, Compared]]:
    """The dearest first."""
    return sorted(outcome.groups.items(), key=lambda item: (-item[1].list_now, item[0] or ""))


def _lines(asked: _Asked, outcome: Outcome) -> Iterator[str]:
    whole = outcome.all
    if not whole.calls:
        yield f"no such calls from {asked.since} to {asked.until}"
        return
    prices = "at the prices of each call's day" if asked.on is None else f"at the prices of {asked.on}"
    days = f"{asked.since} to {asked.until}"
    yield f"{counted_calls(whole.calls)} from {days}, {prices} (price book {the_book().version})"
    yield ""
    head = (asked.by, "calls", "now", "then", "difference", "")
    rows = [(label or "—", *_numbers(group)) for label, group in _ordered(outcome)]
    yield from columns(head, [*rows, ("all", *_numbers(whole))], left=1)
    if (whole.net_now, whole.net_then) != (whole.list_now, whole.list_then):
        now, then = usd(whole.net_now), usd(whole.net_then)
        yield f"with your discounts: {dollars(now)} now, {dollars(then)} then, {dollars(then - now, signed=True)}"
    yield ""
    if whole.lower_bounds:
        yield f"at least: {counted_calls(whole.lower_bounds)} of unknown output, with the rest of their cost"
    for why, count in outcome.stays.items():
        yield f"stay as they are: {counted_calls(count)} ({STAYS[why]})"
    for when, counts in (("now", outcome.unknown_now), ("then", outcome.unknown_then)):
        for why, count in counts.items():
            yield f"left out, without a cost {when}: {counted_calls(count)} ({_UNKNOWN.get(why, why)})"
    yield from (f"assumed: {sentence}" for sentence in assumptions(asked.change))


def _numbers(group: Compared) -> tuple[str, ...]:
    if not group.compared:
        return "0", *["—"] * 4
    now, then = usd(group.list_now), usd(group.list_then)
    share = f"{(group.list_then - group.list_now) * 100 / group.list_now:+.1f} %" if group.list_now else "—"
    return f"{group.compared:,}", dollars(now), dollars(then), dollars(then - now, signed=True), share


def _swap(text: str) -> tuple[str, str]:
    of_model, equals, to_model = text.partition("=")
    if not (of_model and equals and to_model):
        raise argparse.ArgumentTypeError(f"{text!r}: give two models, such as claude-opus-5-5=claude-sonnet-5-5")
    return of_model, to_model
