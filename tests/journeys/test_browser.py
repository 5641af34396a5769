"""What a user sees: real collector, real dashboard, real browser."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from claude_telemetry_collector.decode import LandedCall
from tests.support.browser import Browser, needs_chromium
from tests.support.calls import a_call
from tests.support.collecting import Collecting
from tests.support.dashboard import Dashboard
from tests.support.receiving import JSON, ask
from tests.support.spans import a_body, our_span
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.browser, needs_chromium]

HOSTILE = ("<img src=x onerror=window.taken=1>", "**bold**", "[a](javascript:window.taken=1)", ":red[x]")

CHARTS = """[...document.querySelectorAll('[data-testid="stVegaLiteChart"] svg.marks')]"""

_DICE = random.Random(20261120)

CALLS = [
    a_call(
        trace_id=f"{_DICE.getrandbits(128):032x}",
        span_id=f"{_DICE.getrandbits(64):016x}",
        started_at=datetime.now(UTC) - timedelta(minutes=30, seconds=number),
        duration_ms=_DICE.randrange(10, 900),
        model=_DICE.choice(["claude-opus-5", "claude-haiku-4-5"]),
        status="error" if number % 20 == 0 else "ok",
        error_type=HOSTILE[number // 20 % 4] if number % 20 == 0 else None,
        cost_usd=Decimal("0.25"),
        feature=HOSTILE[number % 4],
    )
    for number in range(200)
]


@pytest.fixture(scope="module")
def collecting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collecting]:
    with Collecting(tmp_path_factory.mktemp("browser") / "data") as collector:
        send(collector, CALLS)
        wait_until(lambda: collector.has_landed(len(CALLS)), "all calls have landed")
        yield collector


@pytest.fixture(scope="module")
def dashboard(collecting: Collecting) -> Iterator[Dashboard]:
    with Dashboard(collecting.data, f"--otlp-http=127.0.0.1:{collecting.port}") as serving:
        yield serving


@pytest.fixture(scope="module")
def window() -> Iterator[Browser]:
    with Browser() as opened:
        yield opened


@pytest.fixture
def browser(window: Browser, dashboard: Dashboard) -> Iterator[Browser]:
    """A browser on the overview, which must find nothing to complain about."""
    window.open(dashboard.url, "Requests")
    window.console_errors()
    yield window
    assert complaints(window) == []
    assert not window.all('[data-testid="stException"]')


def send(collector: Collecting, calls: Sequence[LandedCall]) -> None:
    answer = ask(collector.port, "POST", "/v1/traces", a_body([our_span(call.record) for call in calls]), JSON)
    assert answer.status == 200, answer.body


def complaints(browser: Browser) -> list[str]:
    # Below a page's own address Streamlit looks for its server first, before it looks at the root.
    return [error for error in browser.console_errors() if not re.search(r"/[a-z]+/_stcore/", error)]


def p95(values: Sequence[int]) -> float:
    """As textbooks have it: between the two neighbours of rank 0.95 (n - 1), in proportion."""
    ordered = sorted(values)
    rank = 0.95 * (len(ordered) - 1)
    below = int(rank)
    return ordered[below] + (rank - below) * (ordered[min(below + 1, len(ordered) - 1)] - ordered[below])


def test_the_p95_on_the_page_is_the_p95_of_the_rows(browser: Browser) -> None:
    browser.wait_for_tile("Error rate", "5.0%")
    assert browser.tile("Requests") == "200"
    assert browser.tile("P95 latency") == f"{p95([call.record.call.duration_ms or 0 for call in CALLS]):.0f} ms"
    assert browser.tile("Cost") == "$50.00"


def test_a_filter_changes_the_numbers_and_the_url_brings_them_back(browser: Browser, dashboard: Dashboard) -> None:
    mine = [call.record.call.duration_ms or 0 for call in CALLS if call.record.call.model == "claude-opus-5"]

    browser.choose("Model", "claude-opus-5")

    browser.wait_for_tile("Requests", str(len(mine)))
    assert "model=claude-opus-5" in browser.url
    browser.wait_for_tile("P95 latency", f"{p95(mine):.0f} ms")
    link = browser.url
    browser.open(dashboard.url, "200 calls")
    browser.open(link, f"{len(mine)} calls")
    browser.wait_for_tile("P95 latency", f"{p95(mine):.0f} ms")


def test_a_filter_goes_along_from_page_to_page(browser: Browser, dashboard: Dashboard) -> None:
    browser.open(f"{dashboard.url}/?range=7d&model=claude-opus-5", "in the last 7 days")

    for page, words in (("Explore", "newest first"), ("Alerts", "Rules"), ("Overview", "in the last 7 days")):
        browser.click(page)
        browser.wait_for_text(words)
        browser.wait_for(lambda: "range=7d" in browser.url and "model=claude-opus-5" in browser.url, "the URL says so")


def test_a_call_that_is_selected_shows_all_of_it(browser: Browser, dashboard: Dashboard) -> None:
    browser.open(f"{dashboard.url}/calls?status=error", "newest first")
    newest = next(call.record.call for call in CALLS if call.record.call.status == "error")

    browser.wait_until_still()
    # The first row below the heading, in the column of the model.
    browser.click_at('[data-testid="stDataFrame"] canvas', 420, 52)

    browser.wait_for_text("All calls")
    assert f"call={newest.trace_id}-{newest.span_id}" in browser.url
    browser.wait_for_text(str(newest.request_id))
    browser.click("All calls")
    browser.wait_for_text("newest first")
    assert "call=" not in browser.url


def test_newer_calls_are_offered_and_come_when_they_are_wanted(
    browser: Browser, collecting: Collecting, dashboard: Dashboard
) -> None:
    browser.open(f"{dashboard.url}/calls?feature=brand-new", "No calls here")
    first, second = (
        a_call(
            trace_id=f"{_DICE.getrandbits(128):032x}",
            started_at=datetime.now(UTC) - timedelta(minutes=age),
            model="claude-opus-5",
            feature="brand-new",
        )
        for age in (9, 8)
    )
    send(collecting, [first])
    browser.wait_for_text("Show 1 newer")
    browser.click("Show 1 newer")
    browser.wait_for_text("Nothing newer")
    browser.wait_for(lambda: browser.all('[data-testid="stDataFrame"] canvas'), "the list is there")

    send(collecting, [second])

    browser.wait_for_text("Show 1 newer")
    browser.click("Show 1 newer")
    browser.wait_for_text("Nothing newer")
    browser.wait_until_still()
    browser.click_at('[data-testid="stDataFrame"] canvas', 420, 52)
    browser.wait_for_text(str(second.record.call.request_id))


def test_names_that_want_to_be_more_are_text(browser: Browser, dashboard: Dashboard) -> None:
    call = CALLS[0].record.call
    for path, words in (
        ("/", "Errors by type"),
        (f"/?feature={HOSTILE[1]}&user={HOSTILE[2]}", "No calls with these filters"),
        ("/calls", "newest first"),
        (f"/calls?call={call.trace_id}-{call.span_id}", str(call.request_id)),
    ):
        browser.open(f"{dashboard.url}{path}", words)
        if path == "/":
            browser.wait_for(lambda: browser.all('input[aria-label*="Feature"]'), "there is a filter")[0].click()
            options = browser.wait_for(lambda: browser.all('[role="option"]'), "the features to choose from are there")
            assert {option.text for option in options} >= set(HOSTILE)
        assert browser.script("return window.taken === undefined")
        assert not browser.all('a[href^="javascript"], img[src="x"], main strong ~ strong')
        assert "bold" not in [element.text for element in browser.all("strong, b, em")]


def test_a_call_that_has_just_ended_is_on_the_page_without_reloading(
    browser: Browser, collecting: Collecting, record_property: Callable[[str, object], None]
) -> None:
    waits: list[float] = []
    before = len(collecting.landed())
    for turn in range(5):
        # Anywhere between two refreshes.
        time.sleep(0.37 * turn)
        sent_at = time.monotonic()
        send(collecting, [a_call(started_at=datetime.now(UTC), trace_id=f"{_DICE.getrandbits(128):032x}")])
        browser.wait_for_tile("Requests", str(before + turn + 1))
        waits.append(time.monotonic() - sent_at)
        if turn == 0:
            # From here on nothing changes but numbers: the first call had brought a model of its own.
            browser.wait_for(lambda: browser.script(f"return {CHARTS}.length >= 4"), "the charts are there")
            browser.script(f"{CHARTS}.forEach(chart => chart.kept = true)")

    assert browser.script(f"return {CHARTS}.every(chart => chart.kept)"), "a chart flickered: it was drawn anew"
    shown = ", ".join(f"{wait:.2f} s" for wait in waits)
    record_property("seconds_from_sending_to_the_page", shown)
    print(f"from sending a span to seeing it on the page: {shown} (target: 3 s at most)")


def test_a_page_survives_its_collector_and_goes_on_with_the_next(
    browser: Browser, collecting: Collecting, dashboard: Dashboard
) -> None:
    browser.open(f"{dashboard.url}/?range=7d", "in the last 7 days")

    assert collecting.stop() == 0
    browser.wait_for_text("The collector is not running")
    assert f"claude-telemetry collect --data {collecting.data}" in browser.text
    collecting.__exit__()
    collecting.start()

    browser.wait_for(lambda: "The collector is not running" not in browser.text, "the page has noticed")
    browser.wait_for_text("in the last 7 days")


@pytest.mark.parametrize(("page", "words"), [("calls", "Page 1"), ("alerts", "Rules")])
def test_a_page_that_was_opened_without_a_collector_waits_for_it(
    browser: Browser, collecting: Collecting, dashboard: Dashboard, page: str, words: str
) -> None:
    assert collecting.stop() == 0
    collecting.__exit__()
    browser.open(f"{dashboard.url}/{page}", "The collector is not running")

    collecting.start()

    browser.wait_for_text(words)
    assert "The collector is not running" not in browser.text


def test_a_dashboard_stops_cleanly_while_somebody_looks_at_it(window: Browser, collecting: Collecting) -> None:
    with Dashboard(collecting.data) as short_lived:
        window.open(short_lived.url, "Requests")
        assert short_lived.stop() == (0, "")
        window.console_errors()


def test_before_the_first_call_a_test_call_shows_the_way(window: Browser, tmp_path: Path) -> None:
    with (
        Collecting(tmp_path / "data") as collector,
        Dashboard(collector.data, f"--otlp-http=127.0.0.1:{collector.port}") as fresh,
    ):
        window.open(fresh.url, "No calls yet")
        window.console_errors()
        snippet = f'claude_telemetry.instrument(endpoint="http://127.0.0.1:{collector.port}")'
        window.wait_for_text(snippet)

        window.click("Send a test call")

        window.wait_for_text("The test call landed after")
        window.wait_for_tile("Requests", "1")
        window.wait_for(lambda: "Send a test call" not in window.text, "nothing is left of the page before")
        assert complaints(window) == []
