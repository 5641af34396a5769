"""Models without a price: which they are, and what makes them have one."""

from __future__ import annotations

import itertools
import shlex
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from claude_telemetry.errors import PriceBookError
from claude_telemetry.pricing import book_from, model_to_price, shipped
from claude_telemetry.pricing.charge import charge_of
from claude_telemetry_collector.queries import (
    WHY,
    Reading,
    Segment,
    UnpricedModel,
    Window,
    price_lines,
    pricing_commands,
    readings,
    readings_by,
    unpriced_models,
)
from claude_telemetry_collector.store import LocalReader
from tests.support.calls import NOON, a_call, land

DAY = timedelta(days=1)
WEEK = Window(NOON - 3 * DAY, NOON + 4 * DAY)
ALL = Segment()
NAMELESS: dict[str, Any] = {"cost_usd": None, "cost_status": "unknown", "cost_flags": "model_unknown"}

FOO = UnpricedModel(
    model="claude-foo-9",
    platform="anthropic",
    reasons=("model_unknown",),
    calls=2,
    first_at=NOON - DAY,
    last_at=NOON,
    input_tokens=2000,
    cache_read_tokens=500,
    cache_write_tokens=0,
    output_tokens=400,
)


def test_a_model_without_a_price_is_told_with_its_calls_its_days_its_tokens_and_why(
    store: duckdb.DuckDBPyConnection,
) -> None:
    land(
        store,
        [
            a_call(model="claude-foo-9", **NAMELESS, started_at=NOON - DAY, cache_read_tokens=500),
            a_call(model="claude-foo-9", **NAMELESS, output_tokens=None),
            a_call(model="claude-foo-9", started_at=NOON + DAY),
            a_call(model="claude-bar-9", **NAMELESS, status="error", input_tokens=None, output_tokens=None),
        ],
    )
    assert unpriced_models(LocalReader(store), WEEK, ALL) == ((FOO,), 1)


def test_most_calls_come_first_and_the_rest_is_counted(store: duckdb.DuckDBPyConnection) -> None:
    names = [f"m{number}" for number in range(4) for _ in range(number + 1)]
    land(store, [a_call(model=name, **NAMELESS) for name in names])
    shown, in_all = unpriced_models(LocalReader(store), WEEK, ALL, limit=2)
    assert ([(model.model, model.calls) for model in shown], in_all) == ([("m3", 4), ("m2", 3)], 4)


def test_reasons_are_words_of_ours_and_not_what_somebody_sent(store: duckdb.DuckDBPyConnection) -> None:
    for flags in ("speed_unknown,<b>now</b>", "speed_unreported,geo_unknown", None, ""):
        facts: dict[str, Any] = NAMELESS | {"cost_flags": flags}
        land(store, [a_call(**facts)])
    ((model,), _) = unpriced_models(LocalReader(store), WEEK, ALL)
    assert (model.reasons, model.calls) == (("speed_unknown", "geo_unknown"), 4)


def test_every_reason_has_words() -> None:
    page = (Path(__file__).parents[2] / "docs/pricing.md").read_text(encoding="utf-8")
    table = page.partition("Of a cost that is unknown:")[2].partition("\n## ")[0]
    named = {name for row in table.splitlines() if row.startswith("| `") for name in row.split("|")[1].split("`")[1::2]}
    assert named == set(WHY)


def test_the_id_that_is_told_is_the_one_that_was_looked_up(store: duckdb.DuckDBPyConnection) -> None:
    ids = ("arn:aws:bedrock:eu-west-1:1:application-inference-profile/abc", None)
    answers = ("claude-opus-5-5", None)
    asked = list(itertools.product(("anthropic", "bedrock", "vertex", "foundry", None), ids, answers))
    for platform, request_model, model in asked:
        where: dict[str, Any] = {"platform": platform, "request_model": request_model, "model": model}
        land(store, [a_call(**where, **NAMELESS, feature=repr(where))])
        ((found,), _) = unpriced_models(LocalReader(store), WEEK, Segment(feature=repr(where)))
        expected = model_to_price(platform, asked=request_model, answered=model)
        # Where nothing was asked for, nothing was looked up: the answer's name is better than none.
        assert found.model == (expected or model)


def test_each_model_has_a_reading_of_its_own(store: duckdb.DuckDBPyConnection) -> None:
    land(store, [a_call(model="b", **NAMELESS), a_call(model="b"), a_call(model="a", **NAMELESS), a_call(model="z")])
    land(store, [a_call(model=None, request_model=None, **NAMELESS)])
    reader = LocalReader(store)
    one = Reading("no_price_calls", 1, calls=1, unknown=0)
    found = readings_by(reader, "no_price_calls", WEEK, ALL, "price_id", limit=2)
    assert found == {"a": one, "b": replace(one, calls=2)}
    kept = readings_by(reader, "no_price_calls", WEEK, ALL, "price_id", always=["z", "gone"], limit=0)
    assert kept == {"z": replace(one, value=0), "a": one}
    assert readings(reader, ["no_price_calls"], WEEK, Segment(price_id="b"))["no_price_calls"] == found["b"]


# What to write into a price file


def lines_of(platform: str, name: str, reason: str = "model_unknown") -> tuple[str, str | None]:
    found = price_lines(replace(FOO, platform=platform, model=name, reasons=(reason,)))
    assert found is not None
    return found.another_name, found.own_model


def price_of_a_million(toml: str, platform: str, name: str, region: str | None = None) -> int | None:
    """Picodollars of a million input tokens on the day of the first call, with `toml` as price file."""
    book = book_from(shipped(), toml.encode())
    usage = {"input_tokens": 10**6, "output_tokens": 0}
    at = datetime(2026, 11, 19, 1, tzinfo=UTC)
    return charge_of(usage, model=name, at=at, platform=platform, region=region, book=book).picodollars


PLACES = [
    ("anthropic", "claude-foo-9", None, 3 * 10**12),
    ("claude_platform_aws", 'gate"way\\x', None, 3 * 10**12),
    ("bedrock", "global.anthropic.claude-foo-9-v1:0", None, 3 * 10**12),
    ("bedrock", "eu.anthropic.claude-foo-9-v1:0", None, 33 * 10**11),  # in one region of Bedrock it is a tenth more
    ("vertex", "claude-foo-9@20261101", "global", 3 * 10**12),
]


@pytest.mark.parametrize(("platform", "name", "region", "picodollars"), PLACES, ids=lambda value: str(value)[:20])
def test_with_its_amounts_filled_in_the_lines_give_a_model_its_price(
    platform: str, name: str, region: str | None, picodollars: int
) -> None:
    _, own = lines_of(platform, name)
    assert own is not None
    with pytest.raises(PriceBookError, match="input"):
        book_from(shipped(), own.encode())
    filled = own.replace('"USD per million tokens"', "3")
    assert price_of_a_million(filled, platform, name, region) == picodollars


@pytest.mark.parametrize(
    ("platform", "name", "stands_for"),
    [
        ("anthropic", "our-model", "claude-opus-5-5"),
        ("foundry", "our-deployment", "claude-opus-5-5"),
        ("vertex", "our-endpoint", "claude-opus-5-5"),
        (
            "bedrock",
            "arn:aws:bedrock:eu-west-1:1:application-inference-profile/abc",
            "global.anthropic.claude-opus-5-5",
        ),
    ],
)
def test_with_its_id_filled_in_the_lines_give_another_name_its_price(platform: str, name: str, stands_for: str) -> None:
    alias, own = lines_of(platform, name, "model_opaque" if name.startswith("arn") else "model_unknown")
    assert (own is None) == name.startswith("arn")
    with pytest.raises(PriceBookError):
        book_from(shipped(), alias.encode())
    filled = alias.partition('id = "')[0] + f'id = "{stands_for}"' + alias.partition('opus-5-5"')[2]
    assert price_of_a_million(filled.replace('region = ""', 'region = "global"'), platform, name) == 4 * 10**12


@pytest.mark.parametrize("name", [None, "", " foo", "a\nb", "-rf", "a\u202eb", "x" * 201])
def test_what_nobody_would_call_a_model_gets_no_lines(name: str | None) -> None:
    assert price_lines(replace(FOO, model=name)) is None
    assert pricing_commands([replace(FOO, model=name)]) == "claude-telemetry reprice --since 2026-11-19"


def test_what_a_price_file_cannot_mend_gets_no_lines() -> None:
    assert price_lines(replace(FOO, reasons=("region_unknown",))) is None


def test_commands_take_a_name_as_one_word() -> None:
    evil = replace(FOO, model="foo'; rm -rf ~; echo", platform="bedrock", first_at=NOON)
    first, second, third = pricing_commands([FOO, evil]).splitlines()
    assert first == "claude-telemetry price claude-foo-9"
    assert shlex.split(second)[2:] == ["foo'; rm -rf ~; echo", "--platform", "bedrock"]
    assert third == "claude-telemetry reprice --since 2026-11-19"
