"""The filters on a page: every label and tag narrows its numbers, and the URL says which."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from claude_telemetry_dashboard import filters
from tests.support.calls import a_call

if TYPE_CHECKING:
    from tests.dashboard.conftest import Store
    from tests.support.pages import Pages

NOW = datetime.now(UTC)


def test_a_link_may_name_any_label_and_tag(store: Store, open_page: Callable[..., Pages]) -> None:
    labels = {**filters.LABELS, **filters.MORE_LABELS}
    facts: dict[str, Any] = {column: f"this {name}" for name, (column, _, _) in labels.items()}
    facts |= {"stream": True, "status": "ok", "tags": '{"plan":"free:er"}'}
    links = {name: str(facts[column]) for name, (column, _, _) in labels.items()}
    store.land(a_call(started_at=NOW - timedelta(minutes=5), **facts), a_call(started_at=NOW - timedelta(minutes=5)))

    page = open_page("overview", range="1h", **{**links, "stream": "true"}, tag="plan:free:er")

    assert page.tile("Requests") == "1"
    assert f"More filters ({len(filters.MORE_LABELS) + 1})" in [block.label for block in popovers(page)]


def test_a_tag_that_no_call_has_leaves_none(store: Store, open_page: Callable[..., Pages]) -> None:
    store.land(a_call(started_at=NOW - timedelta(minutes=5), tags='{"plan":"free"}'))

    assert open_page("overview", range="1h", tag="plan:free").tile("Requests") == "1"
    assert open_page("overview", range="1h", tag="plan:team").tile("Requests") == "0"
    # What is no tag is as good as not there.
    assert open_page("overview", range="1h", tag="nonsense").tile("Requests") == "1"


@pytest.mark.parametrize(
    ("zone", "calls"), [("", "1"), ("UTC", "1"), ("Pacific/Kiritimati", "0"), ("Mars/Olympus", "1")]
)
def test_today_is_that_of_the_zone_in_the_url(
    store: Store, open_page: Callable[..., Pages], monkeypatch: pytest.MonkeyPatch, zone: str, calls: str
) -> None:
    # At 11:00 UTC it is past midnight in Kiritimati, 14 hours ahead. A zone that there is not is none.
    noon = datetime(2026, 11, 20, 11, tzinfo=UTC)
    store.land(a_call(started_at=noon - timedelta(hours=2)))
    monkeypatch.setattr("claude_telemetry_dashboard.filters.choosing.datetime", _Stopped(noon))

    page = open_page("overview", range="today", tz=zone)

    assert page.tile("Requests") == calls


class _Stopped:
    """A clock that shows one time."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def now(self, zone: object) -> datetime:
        return self._at


def popovers(page: Pages) -> list[Any]:
    def found(block: Any) -> list[Any]:
        own = [block.proto.popover] if getattr(block, "type", "") == "popover" else []
        return own + [one for child in getattr(block, "children", {}).values() for one in found(child)]

    return found(page.test.main)
