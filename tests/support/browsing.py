"""Every page of the navigation in a real browser: one Chromium, one dashboard, and a store that is first empty."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from urllib.parse import urlencode

from claude_telemetry.settings import Address
from claude_telemetry_collector.decode import LandedCall
from claude_telemetry_collector.settings import database_path
from claude_telemetry_collector.store import IncidentLog, ReaderServer, new_doors, open_database, publish, withdraw
from claude_telemetry_dashboard.app import GROUPS, Entry
from tests.support.browser import Browser
from tests.support.calls import land

ENTRIES: tuple[Entry, ...] = tuple(entry for group in GROUPS.values() for entry in group)

PHONE, DESKTOP = 390, 1280

_NUMBERS = """
return [...document.querySelectorAll('[data-testid="stMetricValue"]')].map(value => value.innerText.trim());
"""
_ASKED = "return performance.getEntriesByType('resource').map(entry => entry.name)"
"""What the page has loaded: nothing comes from elsewhere, and nobody else is told that it was opened."""

_WIDE = """
const out = document.documentElement.scrollWidth > window.innerWidth ? ['the page scrolls sideways'] : [];
return [...out, ...[...document.querySelectorAll('[data-testid="stMain"] [data-testid]')].filter(element =>
    element.getBoundingClientRect().right > window.innerWidth + 1 && !element.closest('details:not([open])')
    && !element.parentElement.closest('[data-testid="stDataFrame"], [role="tablist"], [role="radiogroup"], pre'))
    .slice(0, 3).map(element => element.dataset.testid)];
"""
"""What sticks out on the right, but for what scrolls in a frame of its own."""

_TO_SETTLE_S = 15.0
"""A chart takes on another width a moment after the window has."""


class ServedStore:
    """A store of calls in `folder` that a dashboard finds. A context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.connection = open_database(database_path(folder), memory_limit="256MB")
        self.incidents = IncidentLog(self.connection)
        self._doors = new_doors(folder)
        self._server = ReaderServer(self.connection, Address("127.0.0.1", 0), "a-token", doors=self._doors)

    def __enter__(self) -> ServedStore:
        self._server.start()
        publish(self.folder, self._server.url, "a-token", self._doors.tokens)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        withdraw(self.folder)
        self._server.stop()
        self.incidents.close()
        self.connection.close()

    def land(self, calls: Iterable[LandedCall]) -> None:
        land(self.connection, calls)


class Visitor:
    """Somebody who looks at one page after the other, and notes what is wrong."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.browser = browser
        self._url = url

    def open(self, entry: Entry, **parameters: str) -> None:
        """Opens a page by its address, and waits until all of it is there."""
        # The first page is at the root.
        path = "" if entry is ENTRIES[0] else entry.url_path
        self.browser.visit(f"{self._url}/{path}?{urlencode(parameters)}")
        self.wait()

    def go_to(self, entry: Entry) -> None:
        """Clicks on its name in the navigation."""
        self.browser.click(entry.title)
        self.browser.wait_for(lambda: f"/{entry.url_path}" in self.browser.url, f"{entry.title} is open")
        self.wait()

    def wait(self) -> None:
        """Until the page is complete."""
        self.browser.wait_until_still()

    def numbers(self) -> Sequence[str]:
        """What the tiles say."""
        found: list[str] = self.browser.script(_NUMBERS)
        return found

    def complaints(self) -> list[str]:
        """What is wrong with the page as it stands: exceptions, errors, what sticks out, what the console says."""
        browser = self.browser
        wrong = [f"exception: {box.text}" for box in browser.all('[data-testid="stException"]')]
        wrong += [f"says: {words}" for words in _APOLOGIES if words in browser.text]
        # Below a page's own address Streamlit looks for its server first, before it looks at the root.
        wrong += [said for said in browser.console_errors() if not re.search(r"/[a-z]+/_stcore/", said)]
        asked: list[str] = browser.script(_ASKED)
        wrong += [f"asked {url}" for url in asked if not url.startswith((self._url, "data:", "blob:"))]
        wide: list[str] = browser.script(_WIDE)
        deadline = time.monotonic() + _TO_SETTLE_S
        while wide and time.monotonic() < deadline:
            time.sleep(0.05)
            wide = browser.script(_WIDE)
        if wide:
            wrong.append(f"wider than the window: {', '.join(wide)}")
        return [f"{browser.url}: {one}" for one in wrong]


_APOLOGIES = (
    "would not answer this question",
    "does not know everything that this page asks for",
    "The collector is not running",
    "There was an error when running the app",
)
