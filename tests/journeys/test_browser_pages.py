"""Every page of the navigation in a real browser: empty and full, light and dark, on a desk and on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from claude_telemetry_dashboard.app import Entry
from tests.support import filled, hostile
from tests.support.browser import Browser, needs_chromium
from tests.support.browsing import DESKTOP, ENTRIES, PHONE, ServedStore, Visitor
from tests.support.dashboard import Dashboard

pytestmark = [pytest.mark.browser, needs_chromium, pytest.mark.timeout(400)]  # one test goes through all pages

NOW = datetime.now(UTC)
SPAN = {
    "range": "custom",
    "from": f"{NOW - timedelta(days=2):%Y-%m-%dT%H:%M}",
    "to": f"{NOW - timedelta(hours=1):%Y-%m-%dT%H:%M}",
}
"""A range that stands still, so that its numbers do."""

CALLS = 700

NAMES = tuple(name for name in hostile.NAMES if "\0" not in name)

BECAME_MORE = f"""
const made = 'a[href*="{hostile.MARK}"], img[src*="{hostile.MARK}"], script, strong, em, h1, h2, h3, .katex, mark';
return [...(window.taken === undefined ? [] : ['it ran']), ...[...document.querySelectorAll(made)]
    .filter(element => (element.outerHTML.includes('{hostile.MARK}'))).map(element => element.outerHTML.slice(0, 200))];
"""
"""Elements that a name was made into, and whether one was run."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedStore]:
    with ServedStore(tmp_path_factory.mktemp("pages")) as serving:
        yield serving


@pytest.fixture(scope="module")
def visitor(store: ServedStore) -> Iterator[Visitor]:
    with Dashboard(store.folder, "--otlp-http=127.0.0.1:9") as dashboard, Browser() as browser:
        visitor = Visitor(browser, dashboard.url)
        visitor.open(ENTRIES[0])
        browser.console_errors()
        yield visitor


def looked_at(visitor: Visitor, *looks: tuple[int, bool]) -> list[str]:
    """What is wrong with the page that is open, as it is and in other looks: a width in px, and whether it is dark."""
    wrong = visitor.complaints()
    for width, dark in looks:
        visitor.browser.resize(width, dark=dark)
        visitor.wait()
        wrong += [f"{width} px, {'dark' if dark else 'light'}: {one}" for one in visitor.complaints()]
    visitor.browser.resize(DESKTOP, dark=False)
    return wrong


def test_every_page_makes_sense_before_the_first_call(visitor: Visitor) -> None:
    wrong: list[str] = []
    for entry in ENTRIES:
        visitor.open(entry)
        wrong += looked_at(visitor, (PHONE, True))

    assert wrong == []


def test_a_phone_finds_the_pages_behind_a_button(visitor: Visitor) -> None:
    visitor.browser.resize(PHONE, dark=False)
    visitor.open(ENTRIES[0])
    visitor.browser.wait_for(
        lambda: visitor.browser.all('[data-testid="stExpandSidebarButton"]'), "there is a button for the pages"
    )[0].click()

    visitor.go_to(ENTRIES[-1])

    visitor.browser.resize(DESKTOP, dark=False)
    assert visitor.complaints() == []


def test_every_page_shows_calls_and_names_as_text_and_a_link_brings_the_same_numbers_back(
    store: ServedStore, visitor: Visitor
) -> None:
    store.land(filled.calls(CALLS, now=NOW))
    store.land(filled.calls(CALLS // 2, now=NOW, names=NAMES))
    wrong: list[str] = []
    narrowed = 0
    for entry in ENTRIES:
        visitor.open(entry, **SPAN)
        wrong += looked_at(visitor, (DESKTOP, True), (PHONE, True), (PHONE, False))
        wrong += [f"{visitor.browser.url}: {what}" for what in visitor.browser.script(BECAME_MORE)]
        if entry.labels_apply and visitor.numbers():
            wrong += filtered(visitor, entry)
            narrowed += 1

    assert wrong == []
    assert narrowed >= 3


def filtered(visitor: Visitor, entry: Entry) -> list[str]:
    """What is wrong with the page once a filter is chosen, and with what its link shows."""
    everything, model = visitor.numbers(), filled.MODELS[0]
    visitor.browser.choose("Model", model)
    visitor.browser.wait_for(lambda: f"model={model}" in visitor.browser.url, "the filter is in the URL")
    visitor.browser.wait_for(lambda: visitor.numbers() not in ([], everything), f"{entry.title} has other numbers")
    visitor.wait()
    chosen, link = visitor.numbers(), visitor.browser.url
    visitor.browser.visit(link)
    visitor.wait()
    wrong = visitor.complaints()
    return wrong if visitor.numbers() == chosen else [*wrong, f"{link}: {visitor.numbers()}, and not {chosen}"]
