"""The page about batches: without any, with some, one of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from claude_telemetry_collector.decode import LandedCall
from tests.dashboard.conftest import Store
from tests.support.calls import a_call
from tests.support.pages import Pages
from tests.support.selecting import select_first_rows

OpenPage = Callable[..., Pages]

HOSTILE = "[a](javascript:alert(1)) **b** <script>"


def ago(**length: float) -> datetime:
    return datetime.now(UTC) - timedelta(**length)


def an_item(custom_id: str, **facts: Any) -> LandedCall:
    usual: dict[str, Any] = {
        "batch_id": "msgbatch_1",
        "started_at": ago(minutes=30),
        "service_tier": "batch",
        "cost_usd": Decimal(2),
    }
    return a_call(custom_id=custom_id, **(usual | facts))


def created(batch_id: str) -> LandedCall:
    return a_call(
        operation="batch_create", batch_id=batch_id, started_at=ago(minutes=20), cost_usd=None, billed=False, model=None
    )


def test_without_calls_the_page_says_how_to_begin(open_page: OpenPage) -> None:
    assert "No calls yet" in open_page("batches").said


def test_without_batches_the_page_says_what_they_are_good_for(store: Store, open_page: OpenPage) -> None:
    store.land(a_call(started_at=ago(minutes=2)))

    page = open_page("batches")

    assert "No batch was created in the last 24 hours" in page.said
    assert "costs half in a batch" in page.said


def test_batches_are_told_with_what_they_saved(store: Store, open_page: OpenPage) -> None:
    failed = an_item("b", status="error", error_type="api_error", cost_usd=None, billed=False, stop_reason=None)
    store.land(an_item("a"), failed, created("msgbatch_2"))

    page = open_page("batches")

    assert page.texts[0] == (
        "2 batches were created in the last 24 hours, 1 of them without results so far. 2 items came back, "
        "1 succeeded; they cost $2.00, $2.00 less than one by one."
    )
    assert (page.tile("Batches"), page.tile("Failed items"), page.tile("Saved")) == ("2", "50.0%", "\\$2.00")
    assert page.tables[0]["batch_id"] == ["msgbatch_2", "msgbatch_1"]
    assert page.tables[0]["state"] == ["no results, created 20 min ago", "results read"]


def test_one_batch_is_in_the_url_with_its_items(store: Store, open_page: OpenPage) -> None:
    store.land(an_item("a"), an_item("b", status="cancelled", stop_reason=None), created("msgbatch_2"))

    page = open_page("batches", batch="msgbatch_1")

    assert page.tables[1]["custom_id"] == ["b", "a"]
    assert page.tables[1]["outcome"] == ["canceled", "succeeded"]
    assert open_page("batches", batch="msgbatch_1", **{"item-outcome": "succeeded"}).tables[1]["custom_id"] == ["a"]
    page.click("All batches")
    assert len(page.tables[0]["batch_id"]) == 2
    assert "This batch was not created" in open_page("batches", batch="msgbatch_9").said


def test_names_on_the_page_are_only_ever_text(
    store: Store, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    select_first_rows(monkeypatch)
    store.land(an_item(HOSTILE, batch_id=HOSTILE, feature=HOSTILE, model=HOSTILE, error_type=HOSTILE))

    page = open_page("batches", batch=HOSTILE)

    assert HOSTILE in str(page.tables)
    assert not [kind for kind, text in page.rendered_markdown() if HOSTILE in text]
