"""A headless Chromium, and what a person would see in it."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import ActionChains, Chrome, ChromeOptions, Keys
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

T = TypeVar("T")

PATIENCE_S = 60.0

CHROMIUM, CHROMEDRIVER = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None or CHROMEDRIVER is None,
    reason="there is no chromium and chromedriver in PATH (on Debian: apt install chromium chromium-driver)",
)

_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,1100",
)

_STILL = """
const app = document.querySelector('[data-testid="stApp"]');
return app !== null && app.dataset.testScriptState === 'notRunning' && app.dataset.testConnectionState === 'CONNECTED'
    && !document.querySelector('[data-testid="stSkeleton"]');
"""


class Browser:
    """One window of 1280 by 1100. A context manager; it keeps nothing."""

    def __init__(self) -> None:
        self._profile = tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True)
        options = ChromeOptions()
        assert CHROMIUM is not None
        assert CHROMEDRIVER is not None
        options.binary_location = CHROMIUM
        for flag in (*_FLAGS, f"--user-data-dir={self._profile.name}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self._driver = Chrome(options=options, service=Service(CHROMEDRIVER))

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self._driver.quit()
        self._profile.cleanup()

    @property
    def url(self) -> str:
        return str(self._driver.current_url)

    @property
    def text(self) -> str:
        """All that is written on the page, as a person reads it."""
        return str(self.script("return document.body.innerText"))

    def open(self, url: str, until: str) -> None:
        """Opens a page and waits until `until` is written on it."""
        self._driver.get(url)
        self.wait_for_text(until)

    def visit(self, url: str) -> None:
        """Opens a page, and waits for nothing."""
        self._driver.get(url)

    def resize(self, width: int, *, dark: bool) -> None:
        """Makes the page so many pixels wide, on a system that prefers dark or light."""
        size = {"width": width, "height": 1100, "deviceScaleFactor": 1, "mobile": width < 500}
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self._told("Emulation.setDeviceMetricsOverride", size)
        self._told("Emulation.setEmulatedMedia", {"features": scheme})

    def picture(self, path: Path) -> None:
        """Keeps what is to be seen as a PNG."""
        self._driver.save_screenshot(str(path))  # pyright: ignore[reportUnknownMemberType] - selenium leaves it open

    def _told(self, what: str, how: Mapping[str, object]) -> None:
        self._driver.execute_cdp_cmd(what, dict(how))  # pyright: ignore[reportUnknownMemberType] - selenium leaves it open

    def wait_for_text(self, words: str) -> None:
        """Waits until `words` are on the page."""
        self.wait_for(lambda: words in self.text, f"{words!r} is on the page")

    def wait_until_still(self) -> None:
        """Waits until the page is complete. One that draws itself again every second is so between two times."""
        self.wait_for(lambda: self.script(_STILL), f"{self.url} is complete")

    def wait_for_tile(self, title: str, value: str) -> None:
        """Waits until the headline number `title` is `value`."""
        self.wait_for(lambda: self.tile(title) == value, f"{title} is {value}")

    def script(self, source: str) -> Any:
        return self._driver.execute_script(source)  # pyright: ignore[reportUnknownMemberType] - selenium leaves it open

    def tile(self, title: str) -> str | None:
        """What the headline number `title` says; `None` while it is not there."""
        for metric in self.all('[data-testid="stMetric"]'):
            words = metric.text.split("\n")
            if words[0] == title:
                return words[1]
        return None

    def all(self, selector: str) -> list[WebElement]:
        return self._driver.find_elements(By.CSS_SELECTOR, selector)

    def click(self, words: str) -> None:
        """Clicks the button or the link that says `words`."""
        path = f"//*[self::button or self::a][normalize-space()={words!r} or .//*[normalize-space()={words!r}]]"
        found = self.wait_for(
            lambda: [one for one in self._driver.find_elements(By.XPATH, path) if one.is_displayed()],
            f"there is {words!r} to click",
        )
        found[0].click()

    def choose(self, title: str, value: str) -> None:
        """Types `value` into the filter `title`, as with a keyboard only."""
        (box,) = self.wait_for(lambda: self.all(f'input[aria-label*="{title}"]'), f"there is a filter {title!r}")
        box.send_keys(value, Keys.ENTER)

    def click_at(self, selector: str, x: int, y: int) -> None:
        """Clicks so many pixels right and down of the upper left corner of an element."""
        found = self.wait_for(lambda: self.all(selector), f"there is {selector}")[0]
        # Chromium's driver counts from the middle of an element.
        size = cast("dict[str, int]", found.size)  # pyright: ignore[reportUnknownMemberType] - selenium leaves it open
        actions = ActionChains(self._driver)
        actions.move_to_element_with_offset(found, x - size["width"] // 2, y - size["height"] // 2).click().perform()

    def console_errors(self) -> list[str]:
        """What the page has complained about since the last time of asking."""
        entries: list[dict[str, Any]] = self._driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [str(entry["message"]) for entry in entries if entry["level"] == "SEVERE"]

    def wait_for(self, what: Callable[[], T], means: str) -> T:
        """What `what` gives once it is true; fails when that takes too long."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                found = what()
            except StaleElementReferenceException:
                # Drawn anew between finding and looking: a live page does that.
                found = None
            if found:
                return found
            assert time.monotonic() < deadline, f"{means} within {PATIENCE_S:.0f} s; the page says:\n{self.text[:2000]}"
            time.sleep(0.05)
