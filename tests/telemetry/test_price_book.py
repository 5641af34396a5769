"""The price book that ships: what is in it, where that was read, and what it says to people."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import anthropic.types
import pytest

from claude_telemetry.errors import PriceBookError
from claude_telemetry.pricing import Source, book_from, known_models, price_of, price_version

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SHIPPED = resources.files("claude_telemetry.pricing").joinpath("prices.json").read_bytes()
HANDED_OVER: dict[str, Any] = json.loads((Path(__file__).parents[1] / "data" / "claude_prices.json").read_text())


def test_the_book_says_everything_that_the_reference_table_says() -> None:
    """It may say more: on which platforms a price holds, and what has been read since."""
    missing = [path for path, value in _leaves(HANDED_OVER) if value not in _values_at(json.loads(SHIPPED), path)]
    assert missing == [("modifiers", "refusal", "rule")]


def test_its_version_is_its_day_and_a_hash_of_its_content() -> None:
    assert re.fullmatch(r"2026-11-20\.[0-9a-f]{8}", price_version())
    assert book_from(SHIPPED + b"\n").version != price_version()


def test_every_model_that_the_sdk_lists_has_a_price_today() -> None:
    listed = [name for name in _literals(anthropic.types.Model) if isinstance(name, str)]
    assert len(listed) >= 20
    assert [name for name in listed if price_of(name, NOW) is None] == []


def test_it_is_read_once_whoever_asks_first() -> None:
    program = """
import threading
from claude_telemetry.pricing import in_use
reads = []
real = in_use.book_from
in_use.book_from = lambda text: (reads.append(1), real(text))[1]
start = threading.Barrier(8)
def ask():
    start.wait()
    in_use.the_book()
threads = [threading.Thread(target=ask) for _ in range(8)]
assert in_use._book is None, "importing has read it"
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(reads))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "1"


def test_a_price_tells_what_it_is_since_when_and_who_says_so() -> None:
    price = price_of("claude-opus-5-5", NOW)
    assert price is not None
    assert (price.model.name, price.since, price.until) == ("Claude Opus 5.5", date(2026, 9, 22), None)
    assert price.rates == {
        "input": 4,
        "output": 20,
        "cache_write_5m": 5,
        "cache_write_1h": 8,
        "cache_read": Decimal("0.2"),
    }
    assert price.fast_rates == {
        "input": 8,
        "output": 40,
        "cache_write_5m": 10,
        "cache_write_1h": 16,
        "cache_read": Decimal("0.4"),
    }
    assert (price.over_prompt_tokens, price.over_rates) == (None, None)
    assert (price.batch_multiplier, price.us_only_multiplier) == (Decimal("0.5"), Decimal("1.1"))
    assert price.evidence.certainty == "high"
    assert price.evidence.sources == (
        Source(
            name="pricing-2026-10-09",
            path="platform.claude.com/docs/en/about-claude/pricing",
            as_of="2026-10-09",
            kind="official page, table and footnotes quoted in several public repositories",
        ),
    )


def test_a_price_says_which_of_its_facts_are_less_certain() -> None:
    price = price_of("claude-fable-5-2", NOW)
    assert price is not None
    assert price.fast_evidence is not None
    assert (price.evidence.certainty, price.fast_evidence.certainty) == ("high", "medium")


def test_a_price_of_the_past_has_an_end() -> None:
    price = price_of("claude-sonnet-5-5", datetime(2026, 10, 1, tzinfo=UTC))
    assert price is not None
    assert (price.since, price.until, price.rates["cache_read"]) == (
        date(2026, 9, 28),
        date(2026, 10, 7),
        Decimal("0.2"),
    )


def test_a_price_begins_anew_when_the_fast_mode_comes_or_goes() -> None:
    price = price_of("claude-opus-4-6", datetime(2026, 2, 6, tzinfo=UTC))
    assert price is not None
    assert (price.since, price.until, price.fast_rates) == (date(2026, 2, 5), date(2026, 2, 7), None)


def test_a_price_has_a_limit_on_the_prompt_where_there_is_one() -> None:
    price = price_of("claude-haiku-5-5", NOW)
    assert price is not None
    assert price.over_rates is not None
    assert (price.over_prompt_tokens, price.rates["output"], price.over_rates["output"]) == (
        100_000,
        Decimal("0.5"),
        Decimal("2.5"),
    )


def test_a_price_is_that_of_the_endpoint() -> None:
    price = price_of("eu.anthropic.claude-opus-5-5", NOW, platform="bedrock")
    assert price is not None
    assert price.rates["input"] == Decimal("4.4")
    assert (price.fast_rates, price.batch_multiplier, price.us_only_multiplier) == (None, None, None)


@pytest.mark.parametrize(
    ("model", "platform"),
    [("claude-opus-6", "anthropic"), ("claude-opus-5-5", "vertex"), ("anthropic.claude-opus-5-5", "bedrock")],
)
def test_there_is_no_price_where_none_is_known(model: str, platform: str) -> None:
    assert price_of(model, NOW, platform) is None


def test_there_is_no_price_before_the_model() -> None:
    assert price_of("claude-opus-5-5", datetime(2026, 9, 21, tzinfo=UTC)) is None


def test_it_knows_its_models_and_when_they_retired() -> None:
    models = {model.family: model for model in known_models()}
    assert len(models) == len(HANDED_OVER["models"])
    assert (models["claude-opus-4-1"].retired, models["claude-opus-5-5"].retired) == (date(2026, 8, 5), None)
    assert models["claude-opus-4-5"].ids["vertex"] == ("claude-opus-4-5@20251101",)


def test_no_two_models_share_an_id_and_no_price_overlaps_another() -> None:
    for model in known_models():
        newest_first = [(span.first_day, span.day_after) for span in model.spans]
        assert all(first < after for first, after in newest_first)
        assert all(earlier[1] <= later[0] for later, earlier in pairwise(newest_first))
    ids = [(platform, name) for model in known_models() for platform in model.ids for name in model.ids[platform]]
    assert len(ids) == len(set(ids))


def test_a_price_that_has_ended_without_another_leaves_days_without_a_price() -> None:
    ended = json.loads(SHIPPED)
    ended["models"][0]["prices"][-1]["effective_to"] = "2026-12-01"
    model = book_from(json.dumps(ended).encode()).models[0]
    assert model.span_on(date(2026, 11, 30).toordinal()) is not None
    assert model.span_on(date(2026, 12, 1).toordinal()) is None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b'"as_of"', b'"as_at"', "as_of"),
        (b"2026-11-09", b"2026-13-09", "month"),
        (b'"cache_read": "0.2"', b'"cache_read": "0.0000001"', "picodollars"),
        (b'"cache_read": "0.2"', b'"cache_read": "-1"', "picodollars"),
        (b'"claude-mythos-5-2"\n', b'"claude-fable-5-2"\n', "claude-fable-5-2 stands for two models"),
        (b"{", b"", "JSONDecodeError"),
    ],
)
def test_a_book_that_cannot_be_right_is_refused(old: bytes, new: bytes, said: str) -> None:
    assert old in SHIPPED
    with pytest.raises(PriceBookError, match=said):
        book_from(SHIPPED.replace(old, new, 1))


def test_importing_the_price_book_reads_nothing_and_needs_no_network_library() -> None:
    program = "import sys, claude_telemetry.pricing; print(sorted({'anthropic', 'httpx', 'duckdb'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def _leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    if isinstance(value, dict):
        for key, inner in cast("dict[str, Any]", value).items():
            yield from _leaves(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(cast("list[object]", value)):
            yield from _leaves(inner, (*path, index))
    else:
        yield path, value


def _values_at(data: Any, path: tuple[str | int, ...]) -> list[Any]:
    for key in path:
        try:
            data = data[key]
        except (KeyError, IndexError):
            return []
    return [data]


def _literals(hint: Any) -> Iterator[object]:
    for inner in getattr(hint, "__args__", ()):
        yield from _literals(inner) if hasattr(inner, "__args__") else (inner,)
