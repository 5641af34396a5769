"""Tables: headings and formats that follow from the record."""

from __future__ import annotations

import pyarrow as pa
import pytest

from claude_telemetry.record import Call, columns_of
from claude_telemetry_dashboard.panels import call_cards, call_list, tables


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("cache_read_tokens", "Cache read"),
        ("input_tokens", "Uncached input"),
        ("cost_usd", "Cost"),
        ("duration_ms", "Duration"),
        ("ttft_ms", "Time to first token"),
        ("request_id", "Request ID"),
        ("stop_reason", "Stop reason"),
        ("first_event_ms", "First event"),
        ("prompt_fingerprint", "Prompt fingerprint"),
        ("run_id", "Run ID"),
    ],
)
def test_a_heading_is_the_name_in_words_without_its_unit(name: str, title: str) -> None:
    assert tables.titled(name) == title


def test_a_column_is_configured_by_its_unit_and_explains_itself() -> None:
    config = tables.configured(Call, {"cost_usd": 80, "started_at": 120, "model": 100})

    assert (config["cost_usd"]["label"], config["cost_usd"]["type_config"]["format"]) == ("Cost", "$%.6f")
    assert config["cost_usd"]["help"] == "What the call costs at list price, exact; unknown without a price."
    assert config["started_at"]["label"] == "Started (UTC)"
    assert config["started_at"]["type_config"]["timezone"] == "UTC"
    assert config["model"]["type_config"]["type"] == "text"


def test_the_list_of_calls_fits_a_page_of_1280_pixels() -> None:
    marker, page = 33, 910  # beside the navigation

    assert sum(call_list.WIDTHS.values()) + marker <= page


def test_a_call_shows_every_fact_that_there_is_about_it_once() -> None:
    shown = [
        *call_cards.TIMES,
        *call_cards.OUTCOME,
        *call_cards.MODEL,
        *call_cards.ASKED,
        *call_cards.TOKENS,
        *call_cards.PRICE,
        *call_cards.LABELS,
        *call_cards.PROMPT,
        *call_cards.FRAMEWORK,
        *call_cards.IDS,
        *call_cards.MORE,
        *call_cards.DRAWN,
    ]

    assert sorted(shown) == sorted(column.name for column in columns_of(Call))


def test_a_call_that_failed_shows_the_model_that_was_asked_for() -> None:
    rows = pa.table({"model": ["claude-haiku-5-5", None], "request_model": ["claude-haiku-5-5", "claude-opus-5-5"]})

    assert tables.with_a_model(rows)["model"].to_pylist() == ["claude-haiku-5-5", "claude-opus-5-5"]
