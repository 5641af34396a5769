"""A user's own prices: models, prices, names, discounts, from a TOML file, over the book that ships."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from anthropic import Anthropic

import claude_telemetry
from claude_telemetry.errors import PriceBookError
from claude_telemetry.fake import FakeClaude
from claude_telemetry.fake.steps import Answer
from claude_telemetry.pricing import (
    Book,
    Cost,
    book_from,
    charge_of,
    cost_columns,
    cost_of,
    model_to_price,
    price_of,
    price_version,
    session_cost_of,
    shipped,
    together,
    use_prices,
)
from claude_telemetry_collector.decode import decode
from tests.support.recorded import record_of, recording, sdk_tracing

PAGE = (Path(__file__).parents[2] / "docs" / "pricing.md").read_text()
SAMPLES = Path(__file__).parents[1] / "data" / "otlp"
BUILTIN = shipped()
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
MILLION = {"input_tokens": 1_000_000, "output_tokens": 0, "inference_geo": "global"}
ARN = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc"


def own(text: str) -> Book:
    return book_from(BUILTIN, text.encode())


def cost(book: Book, model: str, usage: dict[str, Any] = MILLION, at: datetime = NOON, **more: Any) -> Cost:
    return cost_of(usage, model=model, at=at, book=book, **more)


@pytest.fixture(autouse=True)
def _back_to_the_book() -> Iterator[None]:
    yield
    use_prices(None)


NEW_MODEL = """
[models.claude-opus-6]
ids = { bedrock = ["anthropic.claude-opus-6"] }
[[prices]]
model = "claude-opus-6"
from = 2026-11-18
until = 2026-11-25
input = 4
output = 20.5
cache_write_5m = "5"
cache_write_1h = 8
cache_read = 0.0001
"""


# Models and prices


def test_a_model_of_ones_own_has_a_price_on_its_days() -> None:
    book = own(NEW_MODEL)
    assert [cost(book, "claude-opus-6", at=datetime(2026, 11, day, tzinfo=UTC)).usd for day in (17, 18, 24, 25)] == [
        None,
        4,
        4,
        None,
    ]
    usage = {"input_tokens": 0, "output_tokens": 2, "cache_read_input_tokens": 1, "inference_geo": "us"}
    # 2 x 20.50 and 0.0001, by 1.1, in millionths of a dollar.
    assert cost(book, "claude-opus-6", usage).usd == Decimal("0.00004510011")
    assert cost(book, "eu.anthropic.claude-opus-6", platform="bedrock").usd == Decimal("4.4")


def test_a_model_of_ones_own_has_no_other_terms_than_were_said() -> None:
    book = own(NEW_MODEL)
    assert cost(book, "claude-opus-6", {**MILLION, "speed": "fast"}).flags == ("fast_price_unknown",)
    plain = own(NEW_MODEL.replace("ids =", "us_only = false\nregional = false\nids ="))
    assert cost(plain, "claude-opus-6", {**MILLION, "inference_geo": "us"}).usd == 4
    assert cost(plain, "eu.anthropic.claude-opus-6", platform="bedrock").usd == 4


def test_cache_rates_are_the_standard_multiples_only_if_that_is_said() -> None:
    cache = 'cache_write_5m = "5"\ncache_write_1h = 8\ncache_read = 0.0001'
    price = price_of("claude-opus-6", NOON, book=own(NEW_MODEL.replace(cache, 'cache = "standard"')))
    assert price is not None
    assert [price.rates[line] for line in ("cache_write_5m", "cache_write_1h", "cache_read")] == [5, 8, Decimal("0.4")]
    with pytest.raises(PriceBookError, match=re.escape("[[prices]] 1, cache_write_5m: missing")):
        own(NEW_MODEL.replace(cache, ""))


REPRICED = """
[[prices]]
model = "claude-haiku-5-5"
from = 2026-11-10
until = 2026-11-15
input = 3
output = 15
cache = "standard"
over_prompt_tokens = 1000
over = { input = 6, output = 30, cache = "standard" }
fast = { input = 9, output = 45 }
note = "as agreed"
"""


def test_a_price_of_ones_own_stands_in_for_the_books_on_its_days() -> None:
    book = own(REPRICED)
    usage = {"input_tokens": 1000, "output_tokens": 0, "inference_geo": "global"}
    # Thousandths of a dollar: 0.10 in the book, 3 in the file.
    assert [
        cost(book, "claude-haiku-5-5", usage, datetime(2026, 11, day, tzinfo=UTC)).usd for day in (9, 10, 14, 15)
    ] == [
        Decimal("0.0001"),
        Decimal("0.003"),
        Decimal("0.003"),
        Decimal("0.0001"),
    ]
    within = datetime(2026, 11, 12, tzinfo=UTC)
    assert cost(book, "claude-haiku-5-5", {**usage, "input_tokens": 1001}, within).usd == Decimal("0.006006")
    fast = {**usage, "speed": "fast", "cache_read_input_tokens": 1_000_000}
    assert cost(book, "claude-haiku-5-5", fast, within).usd == Decimal("0.909")  # reads keep their tenth of 9


def test_a_price_of_ones_own_is_marked_as_that() -> None:
    book = own(REPRICED)
    price = price_of("claude-haiku-5-5", datetime(2026, 11, 12, tzinfo=UTC), book=book)
    assert price is not None
    assert (price.since, price.until, price.evidence.certainty, price.evidence.note) == (
        date(2026, 11, 10),
        date(2026, 11, 15),
        "stated",
        "as agreed",
    )
    assert [source.path for source in price.evidence.sources] == ["your price file"]
    after = price_of("claude-haiku-5-5", NOON, book=book)
    assert after is not None
    assert (after.since, after.evidence.certainty) == (date(2026, 11, 15), "high")


def test_every_id_of_a_model_gets_its_price() -> None:
    book = own(REPRICED.replace("claude-haiku-5-5", "claude-haiku-4-5"))
    at = datetime(2026, 11, 12, tzinfo=UTC)
    for name, platform in (
        ("claude-haiku-4-5-20251001", "anthropic"),
        ("global.anthropic.claude-haiku-4-5-20251001-v1:0", "bedrock"),
    ):
        found = price_of(name, at, platform, book=book)
        assert found is not None
        assert found.rates["input"] == 3


def test_the_edition_names_both_the_book_and_the_file() -> None:
    builtin = book_from(BUILTIN).version
    assert own(REPRICED).version == f"{builtin}+{hashlib.sha256(REPRICED.encode()).hexdigest()[:8]}"
    assert cost(own(REPRICED), "claude-unheard-of").price_version == own(REPRICED).version


def test_a_file_that_says_nothing_changes_no_price() -> None:
    assert cost(own(""), "claude-opus-5-5").usd == cost(book_from(BUILTIN), "claude-opus-5-5").usd == 4


# Names

ALIASES = f"""
[aliases.prod-sonnet]
id = "eu.anthropic.claude-sonnet-5-5"
platform = "bedrock"
[aliases.eu-haiku]
id = "claude-haiku-4-5@20251001"
platform = "vertex"
region = "europe-west1"
[aliases."{ARN}"]
id = "eu.anthropic.claude-opus-5-5"
"""


def test_a_name_costs_what_it_stands_for_where_that_runs() -> None:
    book = own(ALIASES)
    assert cost(book, "prod-sonnet").usd == Decimal("2.2")
    assert cost(book, "eu-haiku").usd == Decimal("1.1")
    assert cost(book, ARN, platform="bedrock").usd == Decimal("4.4")
    assert cost(book, ARN.replace("/abc", "/abd"), platform="bedrock").flags == ("model_opaque",)
    # Bedrock has no published price for searches, whatever the application's client is made for.
    searched = {**MILLION, "server_tool_use": {"web_search_requests": 1}}
    assert cost(book, "prod-sonnet", searched).flags == ("search_price_unknown",)


def test_a_name_may_stand_for_a_part_of_an_answer() -> None:
    part = {"input_tokens": 1_000_000, "output_tokens": 0}
    usage = {
        **MILLION,
        "iterations": [{"type": "message", **part}, {"type": "advisor_message", "model": "prod-sonnet", **part}],
    }
    # Opus 5.5 at 4, and Sonnet 5.5 at 2 by 1.1.
    assert cost(own(ALIASES), "claude-opus-5-5", usage).usd == Decimal("6.2")


def test_a_session_may_run_a_model_by_a_name() -> None:
    book = own('[aliases.agent]\nid = "claude-sonnet-5-5"')
    assert session_cost_of(MILLION, model="agent", at=NOON, running_ms=0, book=book).usd == 2


@pytest.mark.parametrize(
    ("answered", "priced_as"),
    [
        (None, "prod-sonnet"),
        ("prod-sonnet", "prod-sonnet"),
        ("claude-sonnet-5-5", "prod-sonnet"),  # the name says where it ran
        ("sonnet-of-the-gateway", "prod-sonnet"),
        ("claude-haiku-5-5", "claude-haiku-5-5"),  # the gateway asked another one
    ],
)
def test_the_name_that_was_asked_for_counts_unless_another_model_answered(answered: str | None, priced_as: str) -> None:
    assert model_to_price("anthropic", asked="prod-sonnet", answered=answered, book=own(ALIASES)) == priced_as


def test_without_names_the_answer_says_the_model() -> None:
    assert model_to_price("anthropic", asked="a", answered="b", book=own("")) == "b"


# Discounts


def discounts(*entries: str) -> str:
    return "".join(f"[[discounts]]\nfrom = 2026-11-01\n{entry}\n" for entry in entries)


def test_a_discount_changes_what_is_paid_and_not_the_list_cost() -> None:
    for said in ("percent = 12.5", "percent = '12.5'", "multiplier = 0.875"):
        ours = cost(own(discounts(said)), "claude-opus-5-5")
        assert [ours.usd, ours.net_usd, ours.breakdown["input"]] == [4, Decimal("3.5"), 4]


def test_a_discount_of_nothing_leaves_the_list_cost_and_one_of_all_leaves_zero() -> None:
    for percent, net in ((0, 4), (100, 0)):
        assert cost(own(discounts(f"percent = {percent}")), "claude-opus-5-5").net_usd == net


def test_what_is_not_known_is_not_known_with_a_discount() -> None:
    ours = cost(own(discounts("percent = 10")), "claude-unheard-of")
    assert (ours.usd, ours.net_usd) == (None, None)


def test_a_discount_holds_on_its_days() -> None:
    book = own("[[discounts]]\npercent = 50\nfrom = 2026-11-10\nuntil = 2026-11-12")
    last = datetime(2026, 11, 11, 23, 59, 59, tzinfo=UTC)
    days = [
        datetime(2026, 11, 9, tzinfo=UTC),
        datetime(2026, 11, 10, tzinfo=UTC),
        last,
        datetime(2026, 11, 12, tzinfo=UTC),
    ]
    assert [cost(book, "claude-opus-5-5", at=at).net_usd for at in days] == [4, 2, 2, 4]


def test_the_discount_that_names_the_most_counts_and_they_are_not_multiplied() -> None:
    book = own(
        discounts(
            "percent = 10",
            "percent = 20\nmodel = 'claude-opus-5-5'",
            "percent = 30\nmodel = 'claude-opus-5-5'\nplatform = 'bedrock'",
            "percent = 40\nmodel = 'claude-opus-5-5'\nplatform = 'bedrock'\nworkspace = 'wrkspc_1'",
        )
    )
    regional = "global.anthropic.claude-opus-5-5"
    assert cost(book, "claude-sonnet-5-5").net_usd == Decimal("1.8")
    assert cost(book, "claude-opus-5-5").net_usd == Decimal("3.2")
    assert cost(book, regional, platform="bedrock", workspace_id="wrkspc_2").net_usd == Decimal("2.8")
    assert cost(book, regional, platform="bedrock", workspace_id="wrkspc_1").net_usd == Decimal("2.4")


def test_a_discount_that_depends_on_a_workspace_that_is_not_known_is_not_taken_and_that_is_told() -> None:
    book = own(discounts("percent = 10", "percent = 20\nworkspace = 'wrkspc_1'"))
    unknown, other = cost(book, "claude-opus-5-5"), cost(book, "claude-opus-5-5", workspace_id="wrkspc_2")
    assert (unknown.net_usd, unknown.flags) == (Decimal("3.6"), ("workspace_unreported",))
    assert (other.net_usd, other.flags) == (Decimal("3.6"), ())


def test_each_models_part_of_an_answer_has_its_own_discount_and_searches_that_of_the_call() -> None:
    part = {"input_tokens": 1_000_000, "output_tokens": 0}
    advised = [{"type": "message", **part}, {"type": "advisor_message", "model": "claude-opus-5-5", **part}]
    usage = {**MILLION, "iterations": advised, "server_tool_use": {"web_search_requests": 100}}
    book = own(discounts("percent = 50\nmodel = 'claude-opus-5-5'", "percent = 10\nmodel = 'claude-sonnet-5-5'"))
    ours = cost(book, "claude-sonnet-5-5", usage)
    # 2 and a dollar of searches by 0.9, 4 by 0.5.
    assert [ours.usd, ours.net_usd] == [7, Decimal("4.7")]


def test_what_is_left_is_rounded_once_half_to_even() -> None:
    # A token of Opus 5.5 is 4,000,000 picodollars; the seventh decimal of the multiplier is a part of one.
    tenths = {
        "multiplier = 0.8000001": 3_200_000,
        "multiplier = 0.80000025": 3_200_001,
        "multiplier = 0.800000125": 3_200_000,
    }
    tenths |= {"multiplier = 0.800000375": 3_200_002}
    for said, picodollars in tenths.items():
        charge = charge_of({**MILLION, "input_tokens": 1}, model="claude-opus-5-5", at=NOON, book=own(discounts(said)))
        assert charge.net_picodollars == picodollars, said


def test_the_time_of_a_session_has_the_discount_too() -> None:
    book = own(discounts("percent = 25"))
    ours = session_cost_of(MILLION, model="claude-sonnet-5-5", at=NOON, running_ms=3_600_000, book=book)
    assert (ours.usd, ours.net_usd) == (Decimal("2.08"), Decimal("1.56"))


def test_the_columns_of_a_call_have_both_costs() -> None:
    charges = [
        charge_of(MILLION, model=model, at=NOON, book=own(discounts("percent = 10")))
        for model in ("claude-opus-5-5", "claude-sonnet-5-5", "claude-unheard-of")
    ]
    columns = [cost_columns(charge) for charge in (*charges, together(charges))]
    assert [(row["cost_usd"], row["net_cost_usd"]) for row in columns] == [
        (4, Decimal("3.6")),
        (2, Decimal("1.8")),
        (None, None),
        (6, Decimal("5.4")),
    ]


def test_two_discounts_that_name_as_much_and_meet_are_an_error_that_names_both() -> None:
    for one, other, way_out in (
        ("", "", "each of these days"),
        ("model = 'claude-opus-5-5'", "workspace = 'w'", 'model = "claude-opus-5-5" and workspace = "w"'),
        ("platform = 'bedrock'", "workspace = 'w'", 'platform = "bedrock" and workspace = "w"'),
        ("model = 'claude-haiku-4-5'", "model = 'claude-haiku-4-5-20251001'", "each of these days"),
    ):
        with pytest.raises(
            PriceBookError, match=r"\[\[discounts\]\] 1 and \[\[discounts\]\] 2 .*" + re.escape(way_out)
        ):
            own(discounts(f"percent = 1\n{one}", f"percent = 2\n{other}"))


def test_two_discounts_that_never_meet_are_none() -> None:
    own(discounts("percent = 1\nuntil = 2026-11-02") + "[[discounts]]\npercent = 2\nfrom = 2026-11-02")
    own(discounts("percent = 1\nmodel = 'claude-opus-5-5'", "percent = 2\nmodel = 'claude-opus-5'"))


def test_a_third_discount_says_what_holds_where_two_meet() -> None:
    two = ("percent = 10\nmodel = 'claude-opus-5-5'", "percent = 20\nworkspace = 'w'")
    both = "percent = 25\nmodel = 'claude-opus-5-5'\nworkspace = 'w'"
    book = own(discounts(*two, both))
    assert cost(book, "claude-opus-5-5", workspace_id="w").net_usd == 3
    with pytest.raises(PriceBookError, match="neither is the more specific"):
        own(discounts(*two, f"{both}\nuntil = 2027-01-01"))


# What is wrong with a file


PRICE = '[[prices]]\nmodel = "claude-opus-5-5"\nfrom = 2026-12-01\ninput = 4\noutput = 20\ncache = "standard"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[prices]", "it is no TOML: "),
        ("\udcff", "it is no TOML: "),
        ("[discount]", "discount: there is no such key; did you mean discounts?"),
        ("prices = 3", "prices: 3; give each entry below a line [[prices]]"),
        ("models = 3", "models: 3; give a table: [models]"),
        ("[models]\nx = 3", "[models.x]: 3; give a table"),
        (PRICE + "inptu = 1", "[[prices]] 1, inptu: there is no such key; did you mean input?"),
        (PRICE + "zzz = 1", "[[prices]] 1, zzz: there is no such key; the keys here are model, from,"),
        (PRICE.replace("input = 4", ""), "[[prices]] 1, input: missing; give USD per million tokens, such as 2.5"),
        (PRICE.replace("= 4", "= 'four'"), "[[prices]] 1, input: 'four'; give a decimal number, such as 12.5"),
        (PRICE.replace("= 4", "= '1e3'"), "[[prices]] 1, input: '1e3'; give a decimal number"),
        (PRICE.replace("= 4", "= true"), "[[prices]] 1, input: True; give a decimal number"),
        (PRICE.replace("= 4", "= nan"), "[[prices]] 1, input: NaN; give a decimal number"),
        (PRICE.replace("= 4", "= -4"), "[[prices]] 1, input: -4; give USD per million tokens"),
        (PRICE.replace("= 4", "= 4000000"), "[[prices]] 1, input: 4000000; give USD per million tokens"),
        (PRICE.replace("= 4", "= 0.00001"), "[[prices]] 1, input: 0.00001; give 4 decimals at most"),
        (PRICE.replace("= 4", "= 0.0001"), "[[prices]] 1, cache_write_5m: 0.000125; give 4 decimals at most"),
        (
            PRICE.replace('"standard"', '"usual"'),
            "[[prices]] 1, cache: 'usual'; give cache = \"standard\", or each rate",
        ),
        (PRICE + "cache_read = 1", "[[prices]] 1, cache: 'standard', and cache_read is given too"),
        (PRICE.replace("from = 2026-12-01", ""), "[[prices]] 1, from: missing; give the first UTC day"),
        (PRICE.replace("2026-12-01", "2026-12-01T00:00:00"), "[[prices]] 1, from: 2026-12-01 00:00:00; give a UTC day"),
        (PRICE.replace("2026-12-01", "'soon'"), "[[prices]] 1, from: 'soon'; give a UTC day, such as 2026-12-01"),
        (PRICE + "until = 2026-12-01", "[[prices]] 1, until: 2026-12-01; give a day after 2026-12-01"),
        (
            PRICE.replace("opus-5-5", "opuss-5-5"),
            "'claude-opuss-5-5' is no model that is known; did you mean claude-opus-5-5?",
        ),
        (PRICE.replace("claude-opus-5-5", "gpt"), "[[prices]] 1, model: 'gpt' is no model that is known; give an id"),
        (PRICE + PRICE, "[[prices]] 2: the days from 2026-12-01 on of claude-opus-5-5 overlap [[prices]] 1"),
        (PRICE + "over_prompt_tokens = 5", "[[prices]] 1, over_prompt_tokens and over: only one of them is given"),
        (PRICE + "over_prompt_tokens = 0", "[[prices]] 1, over_prompt_tokens: 0; give a whole number of tokens"),
        (PRICE + "fast = 8", "[[prices]] 1, fast: 8; give a table"),
        (PRICE + "fast = { input = 8 }", "[[prices]] 1, fast, output: missing"),
        (PRICE + "fast = { input = 7.0001, output = 1 }", "[[prices]] 1, fast: "),
        (
            PRICE + "fast = { input = 1, output = 1, platforms = ['mars'] }",
            "[[prices]] 1, fast, platforms: 'mars'; give one of",
        ),
        (PRICE + "fast = { input = 1, output = 1, platforms = 'mars' }", "platforms: 'mars'; give texts in brackets"),
        (PRICE + "note = 5", "[[prices]] 1, note: 5; give a text in quotes"),
        ("[models.claude-opus-5-5]", "[models.claude-opus-5-5]: the price book holds claude-opus-5-5; give its price"),
        ("[models.claude-haiku-4-5-20251001]", "ids: 'claude-haiku-4-5-20251001' is another model's id already"),
        ("[models.new]", '[models.new]: it has no price; give one in [[prices]] with model = "new"'),
        ("[models.new]\nus_only = 1", "[models.new], us_only: 1; give true or false"),
        ("[models.new]\nids = { azure = ['x'] }", "[models.new], ids, azure: there is no such key"),
        ("[models.new]\nids = { bedrock = ['eu.x'] }", "ids, bedrock: 'eu.x' says where it runs; give 'x'"),
        ('[models." "]', "[models.\" \"]: ' ' is no name"),
        ("[aliases.a]", "[aliases.a], id: missing; give the id that it stands for"),
        ("[aliases.a]\nid = 'b'", "[aliases.a], id: 'b' has no price on anthropic (model_unknown); give an id that"),
        ("[aliases.a]\nid = 'anthropic.claude-opus-5-5'\nplatform = 'bedrock'", "(region_unknown); say where it runs"),
        ("[aliases.a]\nid = 'claude-opus-5-5'\nplatform = 'vertex'", "(region_unknown); say where it runs"),
        (f"[aliases.a]\nid = '{ARN}'\nplatform = 'bedrock'", "(model_opaque); give the id of the model behind it"),
        (
            "[aliases.a]\nid = 'claude-opus-5-5'\nplatform = 'x'",
            "[aliases.a], platform: 'x'; give one of anthropic, bedrock",
        ),
        ("[aliases.claude-opus-5-5]\nid = 'claude-opus-5'", "claude-opus-5-5 is an id on anthropic itself"),
        (discounts(""), "[[discounts]] 1, percent or multiplier: neither is given"),
        (discounts("percent = 1\nmultiplier = 0.9"), "percent or multiplier: both are given"),
        (discounts("percent = 101"), "[[discounts]] 1, percent: 101; give what is taken off, from 0 to 100"),
        (discounts("multiplier = 1.1"), "[[discounts]] 1, multiplier: 1.1; give what is left of the list price"),
        (discounts("percent = 1\nmodel = 'x'"), "[[discounts]] 1, model: 'x' is no model that is known"),
        (discounts("percent = 1\nplatform = 'aws'"), "[[discounts]] 1, platform: 'aws'; give one of"),
        (discounts("percent = 1\nworkspace = ''"), "[[discounts]] 1, workspace: ''; give a text in quotes"),
    ],
)
def test_a_file_that_cannot_be_right_is_told_with_its_place_and_the_way_out(text: str, said: str) -> None:
    with pytest.raises(PriceBookError, match=re.escape(said)):
        book_from(BUILTIN, text.encode(errors="surrogateescape"))


def test_rates_of_the_cache_in_the_fast_mode_may_be_given_where_their_ratio_would_be_no_whole_amount() -> None:
    given = "cache_write_5m = 1, cache_write_1h = 2, cache_read = 0.5"
    book = own(PRICE + f"fast = {{ input = 7.0001, output = 1, {given} }}")
    fast = {
        "input_tokens": 0,
        "output_tokens": 0,
        "cache_read_input_tokens": 2,
        "speed": "fast",
        "inference_geo": "global",
    }
    assert cost(book, "claude-opus-5-5", fast, datetime(2026, 12, 2, tzinfo=UTC)).usd == Decimal("0.000001")


# In a process


def test_a_process_uses_a_file_until_it_is_told_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(discounts("percent = 10"))
    use_prices(path)
    assert re.fullmatch(r"2026-11-20\.[0-9a-f]{8}\+[0-9a-f]{8}", price_version())
    assert cost_of(MILLION, model="claude-opus-5-5", at=NOON).net_usd == Decimal("3.6")
    use_prices(None)
    assert "+" not in price_version()
    assert cost_of(MILLION, model="claude-opus-5-5", at=NOON).net_usd == 4


def test_a_file_that_cannot_be_used_is_named_and_what_was_in_use_stays(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text(discounts("percent = 10"))
    bad.write_text("[[discounts]]\npercent = 10")
    use_prices(good)
    for path, said in ((bad, r"bad\.toml: \[\[discounts\]\] 1, from: missing"), (tmp_path, "cannot be read")):
        with pytest.raises(PriceBookError, match=said):
            use_prices(path)
    assert cost_of(MILLION, model="claude-opus-5-5", at=NOON).net_usd == Decimal("3.6")


def test_an_application_with_a_bad_file_is_warned_and_recorded_at_list_prices(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(discounts("percent = 10"))
    try:
        monkeypatch.setenv("CLAUDE_TELEMETRY_PRICES", str(path))
        claude_telemetry.instrument(export=False)
        assert "+" in price_version()
        with caplog.at_level(logging.WARNING, "claude_telemetry"):
            claude_telemetry.instrument(export=False, prices=tmp_path / "none.toml")
        assert "+" not in price_version()
        (said,) = (record.getMessage() for record in caplog.records if "prices" in record.getMessage())
        assert said.startswith("your own prices are not used, and Claude calls are recorded at list prices: ")
        assert "none.toml cannot be read (No such file or directory)" in said
    finally:
        claude_telemetry.uninstrument()


@pytest.mark.parametrize("tracing", ["adopted", "own"])
def test_a_call_tells_what_is_paid_for_it_in_its_workspace_where_that_is_not_the_list_cost(
    claude: FakeClaude, tracing: str, tmp_path: Path
) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(discounts("percent = 25\nworkspace = 'wrkspc_1'") + '[aliases.prod]\nid = "claude-opus-5-5"\n')
    usage = {"input_tokens": 1000, "output_tokens": 10, "inference_geo": "global"}
    paid: dict[str, object] = {}
    with recording(prices=path) as recorded:
        options = sdk_tracing(recorded.provider if tracing == "adopted" else None)
        for workspace in ("wrkspc_1", "wrkspc_2"):
            claude.next(Answer(usage=usage, headers={"anthropic-workspace-id": workspace}))
            with Anthropic(api_key="k", base_url=claude.url, **options) as client:
                client.messages.create(model="prod", max_tokens=9, messages=[{"role": "user", "content": "Hello"}])
            (span,) = recorded.spans()
            call = record_of(span).call
            # 1000 x 4 and 10 x 20 millionths of a dollar, and three quarters of that.
            assert (call.cost_usd, call.price_version) == (Decimal("0.0042"), price_version())
            paid[workspace] = (call.net_cost_usd, (span.attributes or {}).get("claude.cost.net_picodollars"))
    assert paid == {"wrkspc_1": (Decimal("0.00315"), 3_150_000_000), "wrkspc_2": (Decimal("0.0042"), None)}


def test_a_call_that_the_sdk_tells_by_itself_has_the_collectors_discount(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(discounts("percent = 20\nworkspace = 'wrkspc_01SampleWs'"))
    use_prices(path)
    body = (SAMPLES / "anthropic_sdk_native.traces.json").read_bytes()
    calls = [one.record.call for one in decode("traces", "json", body, NOON).calls]
    paid = {call.net_cost_usd / call.cost_usd for call in calls if call.cost_usd and call.net_cost_usd}
    assert paid == {Decimal("0.8")}


def test_the_file_in_the_docs_is_understood_and_means_what_the_docs_say() -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    book = own(text)
    assert cost(book, "claude-opus-6").usd == 4
    assert cost(book, "claude-opus-5-5").net_usd == Decimal("3.4")
    assert cost(book, "prod-sonnet").net_usd == Decimal("1.8")
    assert cost(book, "eu-haiku", {**MILLION, "input_tokens": 1000}).usd == Decimal("0.00011")
    assert cost(book, ARN, platform="bedrock").usd == Decimal("4.4")
    in_december = datetime(2026, 12, 31, 23, tzinfo=UTC)
    assert cost(book, "claude-haiku-5-5", at=in_december).usd == Decimal("0.4")


def test_every_key_is_explained_in_the_docs() -> None:
    rows = PAGE.partition("| table | key | |")[2].partition("\n\n")[0]
    explained = set(re.findall(r"`(\w+)`", rows))
    assert explained >= {
        *("name", "ids", "us_only", "regional", "model", "from", "until", "input", "output", "cache_write_5m"),
        *("cache_write_1h", "cache_read", "over_prompt_tokens", "over", "fast", "platforms", "note", "id", "platform"),
        *("region", "deployment_type", "percent", "multiplier", "workspace"),
    }
