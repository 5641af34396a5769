"""`claude-telemetry reprice`: gives past calls the prices of another book, after showing what that changes.

It is the collector that does it. Here it is asked for a UTC day at a time, so that somebody who waits sees how far it
has come, and somebody else's job gets its turn.
"""

from __future__ import annotations

import argparse
import json
import sys
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from claude_telemetry.errors import ClaudeTelemetryError, CollectorError, PriceBookError, QuestionRefusedError
from claude_telemetry.pricing import book_from, shipped
from claude_telemetry.settings import add_flags, settle
from claude_telemetry_collector.queries import Segment, Window, connect
from claude_telemetry_collector.queries.window import calls_in
from claude_telemetry_collector.store import Store
from claude_telemetry_collector.terminal import columns, counted_calls, day_given, dollars

LEFT = {
    "no_usage": "their usage was not kept",
    "usage_cut": "their usage was kept in part only",
    "refusal_unknown": "whether the refusal had content was not kept",
    "region_not_kept": "where they ran was not kept",
}
"""Why calls cannot be priced again, in the words of `NotKept.why`."""

_SUMS = ("calls", "changed", "newly_priced", "newly_unknown", "only_version", "unknown_before", "unknown_after")
_AMOUNTS = ("list_before_usd", "list_after_usd", "net_before_usd", "net_after_usd")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    since: date
    day_after: date
    model: str | None
    own_prices: str | None

    def arguments(self, day: date, **more: Any) -> dict[str, Any]:
        """Of the job, for one UTC day."""
        return {
            "since": day.isoformat(),
            "until": (day + timedelta(days=1)).isoformat(),
            "whole": [self.since.isoformat(), self.day_after.isoformat()],
            "model": self.model,
            "own_prices": self.own_prices,
            **more,
        }


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code: 0 done or nothing to do, 1 when it could not be done or was not wanted, 2 when it was not
    understood."""
    parser = _parser()
    given = vars(parser.parse_args(argv))
    if given["until"] < given["since"]:
        parser.error(f"argument --until: {given['until']} is before --since {given['since']}")
    if not (given["yes"] or given["dry_run"] or sys.stdin.isatty()):
        parser.error("nobody is there to ask: give --dry-run to look, or --yes to write")
    try:
        settings = settle("reprice", given)
        asked = _Asked(
            since=given["since"],
            day_after=given["until"] + timedelta(days=1),
            model=given["model"],
            own_prices=_own_prices(settings["prices"]),
        )
        return _reprice(connect(settings["data"]), asked, given)
    except ClaudeTelemetryError as error:
        print(f"claude-telemetry reprice: {error}", file=sys.stderr)
        return 2 if isinstance(error, QuestionRefusedError | PriceBookError) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="claude-telemetry reprice",
        usage="%(prog)s --since DAY [OPTION ...]",
        description="Price past calls again, from the usage that was kept of them. Shows what changes, then asks. "
        "What they cost before stays in the table former_costs.",
        epilog="Example: claude-telemetry reprice --since 2026-11-01 --prices prices.toml --dry-run",
    )
    today = datetime.now(UTC).date()
    parser.add_argument("--since", type=day_given, required=True, metavar="DAY", help="the first UTC day")
    parser.add_argument(
        "--until", type=day_given, default=today, metavar="DAY", help="the last UTC day (default today)"
    )
    parser.add_argument("--model", metavar="ID", help="only calls that this model answered")
    parser.add_argument("--dry-run", action="store_true", help="only show what would change")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--json", action="store_true", help="print one JSON object; amounts are exact, as text")
    add_flags(parser, "reprice")
    return parser


def _own_prices(path: Path | None) -> str | None:
    """The user's own prices as text, if they can be read and used."""
    if path is None:
        return None
    try:
        text = path.read_bytes()
        book_from(shipped(), text)
    except OSError as error:
        raise PriceBookError(f"{path} cannot be read: {error.strerror}") from error
    except PriceBookError as error:
        raise PriceBookError(f"{path}: {error}") from error
    return text.decode()


def _reprice(store: Store, asked: _Asked, given: Mapping[str, Any]) -> int:
    days = _days_with_calls(store, asked)
    found = _looked_at(store, asked, days)
    told: dict[str, Any] = {
        "since": asked.since.isoformat(),
        "until": (asked.day_after - timedelta(days=1)).isoformat(),
        "model": asked.model,
        **found,
        "repricing_id": None,
    }
    if not given["json"]:
        print("\n".join(_lines(told)))
    to_do = found["all"]["changed"] + found["all"]["only_version"]
    wanted = bool(to_do) and not given["dry_run"] and (given["yes"] or _agreed())
    if wanted:
        told["repricing_id"] = _write(store, asked, days, found["price_version"])
        if not given["json"]:
            print(f"written: what these calls cost before is in former_costs, as repricing {told['repricing_id']}")
    if given["json"]:
        print(json.dumps(told, ensure_ascii=False))
    return 0 if wanted or given["dry_run"] or not to_do else 1


def _days_with_calls(store: Store, asked: _Asked) -> list[date]:
    window = Window(*(datetime.combine(day, time(), UTC) for day in (asked.since, asked.day_after)))
    where, parameters = calls_in(window, Segment(model=asked.model))
    sql = f"SELECT DISTINCT started_at::DATE AS day FROM calls WHERE {where} ORDER BY day"  # noqa: S608
    return [row["day"] for row in store.ask(sql, parameters).to_pylist()]


def _looked_at(store: Store, asked: _Asked, days: Sequence[date]) -> dict[str, Any]:
    """What it would change, over all `days`."""
    groups: list[dict[str, Any]] = []
    left: Counter[str] = Counter()
    version: str | None = None
    for day in _shown(days, "looking at"):
        part = store.do("reprice", asked.arguments(day, price_version=version))
        version = part["price_version"]
        groups += part["groups"]
        left.update(part["left"])
    everything: dict[str, Any] = {name: sum(group[name] for group in groups) for name in _SUMS}
    everything |= {name: format(sum((Decimal(group[name]) for group in groups), Decimal(0)), "f") for name in _AMOUNTS}
    return {"price_version": version, "groups": groups, "all": everything, "left": dict(left)}


def _write(store: Store, asked: _Asked, days: Sequence[date], version: str) -> str:
    """The id of the repricing."""
    repricing_id = uuid.uuid4().hex
    # The last part says that it is the last, so that the repricing has an end.
    for day in _shown(days, "writing"):
        last = {"last": True} if day == days[-1] else {}
        try:
            store.do("reprice", asked.arguments(day, price_version=version, repricing_id=repricing_id, **last))
        except CollectorError as error:
            raise CollectorError(
                f"{error}. The calls before {day} are priced again, the others are not: run it again to complete it"
            ) from error
    return repricing_id


def _agreed() -> bool:
    print("Write this? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _shown(days: Sequence[date], doing: str) -> Iterator[date]:
    """Each of `days`, told to somebody who watches."""
    watched = sys.stderr.isatty()
    for day in days:
        if watched:
            print(f"\r{doing} {day} ", end="", file=sys.stderr, flush=True)
        yield day
    if watched and days:
        print("\r" + " " * (len(doing) + 12) + "\r", end="", file=sys.stderr, flush=True)


def _lines(told: Mapping[str, Any]) -> Iterator[str]:
    whole, groups = told["all"], told["groups"]
    days = f"{told['since']} to {told['until']}"
    if not groups:
        yield f"no calls from {days}"
        return
    yield f"price book {told['price_version']}, {counted_calls(whole['calls'])} from {days}"
    changed = [group for group in groups if group["changed"]]
    if changed:
        yield ""
        head = ("day", "model", "calls", "changed", "list before", "list after", "net before", "net after")
        rows = [(group["day"], group["model"] or "—", *_numbers(group)) for group in changed]
        yield from columns(head, [*rows, ("all", "", *_numbers(whole))], left=2)
        if len(changed) < len(groups):
            yield f"(and {len(groups) - len(changed)} more, which stay as they are)"
        yield ""
    yield f"cost another amount: {counted_calls(whole['changed'])}"
    if whole["only_version"]:
        yield f"come out the same, and get the version only: {counted_calls(whole['only_version'])}"
    if whole["newly_priced"]:
        yield f"get a first price: {counted_calls(whole['newly_priced'])}"
    if whole["newly_unknown"]:
        yield f"have no price any more: {counted_calls(whole['newly_unknown'])}"
    for why, count in told["left"].items():
        yield f"cannot be priced again: {counted_calls(count)} ({LEFT.get(why, why)})"


def _numbers(group: Mapping[str, Any]) -> tuple[str, ...]:
    counts = (f"{group['calls']:,}", f"{group['changed']:,}")
    return (*counts, *(_amount(group, name) for name in _AMOUNTS))


def _amount(group: Mapping[str, Any], name: str) -> str:
    """A sum; a lower bound where some of its calls have no price, and a dash where none of them has."""
    unknown = group["unknown_before" if "before" in name else "unknown_after"]
    if unknown == group["calls"]:
        return "—"
    return ("≥ " if unknown else "") + dollars(Decimal(group[name]))
