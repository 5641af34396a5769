"""What past calls would have cost otherwise: at another model, in batch, with another life of the prompt cache.

It is arithmetic on the usage that was kept, exact, by one and the same price book for *now* (as the calls were made)
and *then* (as they are imagined). What nobody can work out is assumed, and `assumptions` says it. Calls of which one of
the two is not known are in neither sum, and counted.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any, Literal, cast

import pyarrow as pa

from claude_telemetry.pricing import Book, Model, the_book
from claude_telemetry.record.identity import AGENT_MODEL_REQUEST
from claude_telemetry_collector.queries.kept_usage import (
    ROW,
    KeptAnswer,
    KeptCall,
    NotKept,
    charge_again,
    kept_call,
    usage_of,
)
from claude_telemetry_collector.queries.window import Segment, Window, calls_in, dimension, microseconds
from claude_telemetry_collector.store import Reader

CacheTtl = Literal["5m", "1h", "none"]

STAYS: Mapping[str, str] = {
    "several_models": "several models answered",
    "streamed": "streamed: somebody waits for them",
    "fast": "in the fast mode: a batch has none",
    "in_a_batch": "in a batch already",
    "session": "of a managed agent's session: it takes no part in batches",
    "several_answers": "a middleware asked again",
    "contract": "paid by contract",
    "no_batch_there": "no price for batches on that platform",
}
"""Why a call stays as it is, where that is asked of it."""

UNKNOWN: Mapping[str, str] = {
    "no_usage": "their usage was not kept",
    "usage_cut": "their usage was kept in part only",
    "refusal_unknown": "whether the refusal had content was not kept",
    "model_unknown": "no price for their model",
    "day_unknown": "no price on their day",
    "region_unknown": "where they ran is part of the price, and not known",
    "not_on_platform": "the other model is not to be had on their platform",
    "fast_price_unknown": "the other model has no fast mode there",
}
"""Why calls are in neither sum. Other words are flags of a cost, which `docs/pricing.md` explains."""

_LOT = 4000
"""Rows that are asked for at once."""
_ONE_OF_OURS = ("message", "compaction")
"""Iterations that the model of the call itself made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is imagined. Raises `ValueError` for a model that is not in the book when it is applied."""

    model: str | None = None
    """The model that is asked instead."""
    batch: bool = False
    """What can wait is asked in batches."""
    cache_ttl: CacheTtl | None = None
    """How long what is written to the prompt cache lives; `none`: there is no cache."""


@dataclass(slots=True)
class Compared:
    """Some calls, now and then. Amounts in picodollars, over the calls for which both are known."""

    calls: int = 0
    compared: int = 0
    lower_bounds: int = 0
    """Those of `compared` whose output is not known: both amounts are at least what is said."""
    list_now: int = 0
    list_then: int = 0
    net_now: int = 0
    net_then: int = 0

    def add(self, other: Compared) -> None:
        for name in ("calls", "compared", "lower_bounds", "list_now", "list_then", "net_now", "net_then"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(slots=True)
class Outcome:
    """What `what_if` comes to."""

    groups: dict[str | None, Compared] = field(default_factory=dict[str | None, Compared])
    """By what the calls were told apart by."""
    stays: Counter[str] = field(default_factory=Counter[str])
    """Calls that stay as they are in one respect, by the reasons of `STAYS`; they are in the sums."""
    unknown_now: Counter[str] = field(default_factory=Counter[str])
    """Calls without a cost as they are, by why: a flag of their cost, or why their usage is not there."""
    unknown_then: Counter[str] = field(default_factory=Counter[str])
    """Calls that would have no known cost, by the flag of that cost, or `not_on_platform`."""

    @property
    def all(self) -> Compared:
        whole = Compared()
        for group in self.groups.values():
            whole.add(group)
        return whole


def what_if(
    rows: pa.Table, change: Change, book: Book, *, on: date | None = None, into: Outcome | None = None
) -> Outcome:
    """What the calls in `rows`, with the columns of `rows_of`, cost now and would cost with `change`, by `book`.

    At the prices of each call's own day, or of the day `on`. `into` is an outcome to add to. Raises `ValueError` for a
    model that is not in the book.
    """
    outcome = Outcome() if into is None else into
    target = None if change.model is None else _model_named(change.model, book)
    for row in rows.to_pylist():
        group = outcome.groups.setdefault(row["label"], Compared())
        group.calls += 1
        call = kept_call(row)
        if isinstance(call, NotKept):
            _count_unkept(call, group, outcome)
            continue
        if on is not None:
            call = call._replace(day=datetime.combine(on, time()))
        _compare(row, call, change, target, book, group, outcome)
    return outcome


def outcome_of(
    reader: Reader, window: Window, segment: Segment, change: Change, by: str = "model", *, on: date | None = None
) -> Outcome:
    """`what_if` of all calls of `window` and `segment`, by the price book of this process: some 20,000 calls a second.

    Raises `ValueError` for a model that is not in the book.
    """
    outcome, book = Outcome(), the_book()
    for rows in rows_of(reader, window, segment, by):
        what_if(rows, change, book, on=on, into=outcome)
    return outcome


def rows_of(reader: Reader, window: Window, segment: Segment, by: str = "model") -> Iterator[pa.Table]:
    """The calls of `window` and `segment` some thousand at a time, with what `what_if` needs of them. `label` is what
    they are told apart by, a name of `DIMENSIONS`."""
    where, parameters = calls_in(window, segment)
    ends = reader.ask(
        "SELECT max(started_at) AS last FROM ("  # noqa: S608 - conditions from here, values bound
        f" SELECT started_at, (row_number() OVER (ORDER BY started_at) - 1) // $lot AS lot FROM calls WHERE {where}"
        ") GROUP BY lot ORDER BY last",
        {**parameters, "lot": _LOT},
    )
    first = microseconds(window.start) - 1
    for end in ends.to_pylist():
        last = microseconds(end["last"].replace(tzinfo=window.start.tzinfo))
        if last > first:  # of calls that began at one moment, all are in one lot
            yield reader.ask(
                f"SELECT {ROW}, {dimension(by)} AS label FROM calls WHERE {where}"  # noqa: S608
                " AND started_at > make_timestamp($first) AND started_at <= make_timestamp($last)",
                {**parameters, "first": first, "last": last},
            )
            first = last


def assumptions(change: Change) -> list[str]:
    """What is taken for granted, in sentences for people."""
    said: list[str] = []
    if change.model is not None:
        said += [
            "The other model counts the same tokens and answers as long: its tokenizer and its style may differ.",
            "What advisors of other models used stays, and so do calls that several models answered.",
        ]
    if change.batch:
        said.append("Calls that were not streamed can wait up to a day, and miss no more of the cache for it.")
    if change.cache_ttl == "1h":
        said.append(
            "Writes cost what those for 1 hour do, reads are as they were: what would be read in place of being "
            "written again is not in it, so that the true cost is this or less."
        )
    if change.cache_ttl == "5m":
        said.append(
            "Writes cost what those for 5 minutes do, reads are as they were: what would be gone by then and written "
            "again is not in it, so that the true cost is this or more."
        )
    if change.cache_ttl == "none":
        said.append("What was read from the cache and written to it is input like any other.")
    return said


def with_cache(usage: Mapping[str, Any], ttl: CacheTtl) -> dict[str, Any]:
    """`usage` as it would be with another life of what is written to the cache, its iterations included."""
    changed = dict(usage)
    written, split = _count(usage.get("cache_creation_input_tokens")), usage.get("cache_creation")
    if isinstance(split, dict):
        parts = cast("dict[str, Any]", split)
        apart = sum(_count(parts.get(f"ephemeral_{life}_input_tokens")) for life in ("5m", "1h"))
        written = max(written, apart)  # a stream's total can outgrow the parts, as `pricing.counts` tells
    if ttl == "none":
        read = _count(usage.get("cache_read_input_tokens"))
        changed["input_tokens"] = _count(usage.get("input_tokens")) + written + read
        changed["cache_read_input_tokens"] = written = 0
    changed["cache_creation_input_tokens"] = written
    changed["cache_creation"] = {f"ephemeral_{ttl}_input_tokens": written} if ttl != "none" else None
    iterations = usage.get("iterations")
    if isinstance(iterations, list):
        changed["iterations"] = [with_cache(entry, ttl) for entry in cast("list[dict[str, Any]]", iterations)]
    return changed


def _compare(
    row: Mapping[str, Any],
    call: KeptCall,
    change: Change,
    target: Model | str | None,
    book: Book,
    group: Compared,
    outcome: Outcome,
) -> None:
    now = charge_again(call, book)
    if now.picodollars is None or now.net_picodollars is None:
        outcome.unknown_now[now.flags[0] if now.flags else "model_unknown"] += 1
        return
    imagined = _imagined(row, call, change, target, book, outcome)
    if imagined is None:
        outcome.unknown_then["not_on_platform"] += 1
        return
    then = charge_again(imagined, book)
    if then.picodollars is None and "batch_price_unknown" in then.flags and not call.batch:
        outcome.stays["no_batch_there"] += 1
        then = charge_again(imagined._replace(batch=False), book)
    if then.picodollars is None or then.net_picodollars is None:
        outcome.unknown_then[then.flags[0]] += 1
        return
    group.compared += 1
    group.lower_bounds += "partial" in (now.status, then.status)
    group.list_now += now.picodollars
    group.net_now += now.net_picodollars
    group.list_then += then.picodollars
    group.net_then += then.net_picodollars


def _imagined(
    row: Mapping[str, Any],
    call: KeptCall,
    change: Change,
    target: Model | str | None,
    book: Book,
    outcome: Outcome,
) -> KeptCall | None:
    """`call` as it would have been. `None` where the other model is not to be had on its platform."""
    usages = [usage_of(answer) for answer in call.answers]
    names = [answer.model for answer in call.answers]
    if target is not None:
        if _several_models(call, usages):
            outcome.stays["several_models"] += 1
        else:
            alias = book.aliases.get(names[0] or "")
            if alias is not None:
                names = [alias.id]
                call = call._replace(
                    platform=alias.platform, region=alias.region, deployment_type=alias.deployment_type
                )
            other = _id_on(call.platform, names[0] or "", target, book)
            if other is None:
                return None
            names = [other] * len(names)
            usages = [None if usage is None else _by_one_model(usage) for usage in usages]
    if change.cache_ttl is not None:
        usages = [None if usage is None else with_cache(usage, change.cache_ttl) for usage in usages]
    batch = call.batch
    if change.batch:
        why = _why_no_batch(row, call, usages)
        batch = batch or why is None
        if why is not None:
            outcome.stays[why] += 1
    answers = tuple(
        _answering(answer, name, usage) for answer, name, usage in zip(call.answers, names, usages, strict=True)
    )
    return call._replace(answers=answers, batch=batch)


def _answering(answer: KeptAnswer, name: str | None, usage: Mapping[str, Any] | None) -> KeptAnswer:
    return answer._replace(model=name, usage=None if usage is None else json.dumps(usage))


def _several_models(call: KeptCall, usages: Sequence[Mapping[str, Any] | None]) -> bool:
    """Whether one model declined and another answered: what a third would have done nobody knows."""
    kinds = {entry.get("type") for usage in usages for entry in _iterations(usage)}
    return len(call.answers) > 1 or "fallback_message" in kinds


def _by_one_model(usage: Mapping[str, Any]) -> dict[str, Any]:
    """`usage` whose own iterations name no model, so that they are priced as the call is."""
    iterations = [
        {**entry, "model": None} if entry.get("type") in _ONE_OF_OURS else entry for entry in _iterations(usage)
    ]
    return {**usage, "iterations": iterations} if iterations else dict(usage)


def _iterations(usage: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    listed = (usage or {}).get("iterations")
    return cast("list[dict[str, Any]]", listed) if isinstance(listed, list) else []


def _why_no_batch(row: Mapping[str, Any], call: KeptCall, usages: Sequence[Mapping[str, Any] | None]) -> str | None:
    tiers = {(usage or {}).get("service_tier") for usage in usages}
    if call.batch or "batch" in tiers:
        return "in_a_batch"
    if row["operation"] == AGENT_MODEL_REQUEST:
        return "session"
    if len(call.answers) > 1:
        return "several_answers"
    if row["stream"] is True:
        return "streamed"
    if any((usage or {}).get("speed") == "fast" for usage in usages):
        return "fast"
    return "contract" if "priority" in tiers else None


def _model_named(name: str, book: Book) -> Model | str:
    """The model, or the user's own name for one. Raises `ValueError` for a name that the book does not hold."""
    if name in book.aliases:
        return name
    for index in book.by_id.values():
        if name in index:
            return index[name]
    raise ValueError(f"the price book does not hold {name!r}: give an exact id, such as claude-sonnet-5-5")


def _id_on(platform: str, instead_of: str, target: Model | str, book: Book) -> str | None:
    """What `target` is called where `instead_of` was asked, in the same place. `None` where it is not to be had."""
    if isinstance(target, str):
        return target
    ids = target.ids[platform if platform in ("bedrock", "vertex") else "anthropic"]
    if not ids:
        return None
    if platform != "bedrock":
        return ids[0]
    # An ARN of a profile ends in the id that it stands for.
    prefix, dot, _ = instead_of.rpartition("/")[2].partition(".")
    return prefix + dot + ids[0] if prefix in book.bedrock_prefixes | book.global_names else ids[0]


def _count_unkept(call: NotKept, group: Compared, outcome: Outcome) -> None:
    if call.why == "free":
        group.compared += 1
    else:
        outcome.unknown_now[call.why] += 1


def _count(value: object) -> int:
    """What is no count makes the price unknown before this is asked for."""
    return value if isinstance(value, int) else 0
