"""The same tokens at another model's price: what a change of model would be about in money.

Never an advice: whether the other model answers well enough is not in the data. For each model that is used, the newest
one of its own line that costs less, and the newest of each line below.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from claude_telemetry.pricing import Book, Model, the_book
from claude_telemetry.record.attributes import usd
from claude_telemetry_collector.queries.insights.finding import (
    COUNT,
    TEXT,
    USD,
    YES_NO,
    Finding,
    Link,
    columns,
    counted,
    rows_as_table,
)
from claude_telemetry_collector.queries.rates import PLAIN, TOKENS, Cell, Terms, terms_sql
from claude_telemetry_collector.queries.window import Segment, Window, calls_in
from claude_telemetry_collector.store import Reader

LINES = ("mythos", "fable", "opus", "sonnet", "haiku")
"""What models are called, largest first. Anthropic's names, as in https://platform.claude.com/docs/en/about-claude/models."""
_MOST_MODELS = 10

_SCHEMA = columns(
    model=TEXT,
    instead=TEXT,
    calls=COUNT,
    costs_usd=USD,
    would_cost_usd=USD,
    less_usd=USD,
    same_line=YES_NO,
)


@dataclass(slots=True, kw_only=True)
class _Swap:
    model: str
    instead: str
    same_line: bool
    calls: int = 0
    now: int = 0
    then: int = 0


def cheaper_models(reader: Reader, window: Window, segment: Segment) -> Finding:
    """What the calls of each model would have cost at a newer or a smaller one, token for token."""
    book = the_book()
    where, parameters = calls_in(window, segment)
    sql = (
        f"SELECT {terms_sql(book)}, {TOKENS} FROM calls WHERE {where} AND {PLAIN}"  # noqa: S608
        " AND platform IN ('anthropic', 'claude_platform_aws') GROUP BY ALL"
    )
    cells = [Cell.of(row) for row in reader.ask(sql, parameters).to_pylist()]
    swaps, left_out = _swaps(cells, book, window.end.date())
    found = sorted((swap for swap in swaps if swap.then < swap.now), key=lambda swap: swap.then - swap.now)
    newer = [swap for swap in found if swap.same_line]
    return Finding(
        name="cheaper_models",
        title="The same tokens at another model",
        kind="what_if",
        said=(
            f"Of {counted(len({swap.model for swap in found}), 'model', 'models')} there is a cheaper one"
            + (f", {len(newer)} times a newer one of the same line." if newer else ".")
            if found
            else "No model that is used has a cheaper one beside or below it."
        ),
        found=bool(found),
        why_unknown="What another model answers is not in the data: the table says what it would cost.",
        evidence=rows_as_table([_row(swap) for swap in found], _SCHEMA),
        assumptions=(
            "The other model counts the same tokens and answers as long: its tokenizer and its style may differ.",
            "It caches from the same length on.",
        ),
        steps=(
            "Begin with a newer model of the same line.",
            "Try it on a sample, with a new prompt version, and hold both against each other on the Prompts page.",
            "claude-telemetry what-if --model A=B says the same for single calls of any kind.",
        ),
        left_out=left_out,
        why_left_out="cost more than their counts at one rate, or have no price at any other model",
        links=(Link(page="prompts", words="Prompts", parameters={}),),
    )


def _swaps(cells: list[Cell], book: Book, today: date) -> tuple[list[_Swap], int]:
    found: dict[tuple[str, str], _Swap] = {}
    left_out = 0
    for cell in cells:
        model = book.by_id["anthropic"].get(cell.terms.price_id or "")
        if model is None or not cell.is_exact(book):
            left_out += cell.calls
            continue
        for other in _instead_of(model, book, today):
            then = cell.cost(book, _at(cell.terms, other, today))
            if then is not None:
                swap = found.setdefault(
                    (model.family, other.family),
                    _Swap(model=model.family, instead=other.family, same_line=_line(model) == _line(other)),
                )
                swap.calls += cell.calls
                swap.now += cell.recorded
                swap.then += then
    return list(found.values()), left_out


def _instead_of(model: Model, book: Book, today: date) -> Iterator[Model]:
    """The newest model of its line, if that is another one, and of each line below."""
    line = _line(model)
    for other_line in LINES[LINES.index(line) :] if line in LINES else ():
        newest = max(
            (each for each in book.models if _line(each) == other_line and _is_served(each, today)),
            key=lambda each: (each.released, each.family),
            default=None,
        )
        if newest is not None and newest is not model:
            yield newest


def _at(terms: Terms, other: Model, today: date) -> Terms:
    # A model that is newer than the call has no price on its day: then that of its first day.
    first_day = min(date.fromordinal(span.first_day) for span in other.spans)
    return replace(terms, price_id=other.ids["anthropic"][0], day=max(terms.day, min(first_day, today)))


def _is_served(model: Model, today: date) -> bool:
    return (
        bool(model.ids.get("anthropic"))
        and model.released <= today
        and (model.retired is None or model.retired > today)
    )


def _line(model: Model) -> str | None:
    return next((line for line in LINES if f"-{line}" in model.family), None)


def _row(swap: _Swap) -> dict[str, Any]:
    return {
        "model": swap.model,
        "instead": swap.instead,
        "calls": swap.calls,
        "costs_usd": usd(swap.now),
        "would_cost_usd": usd(swap.then),
        "less_usd": usd(swap.now - swap.then),
        "same_line": swap.same_line,
    }
