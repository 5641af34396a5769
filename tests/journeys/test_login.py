"""Who comes to the dashboard over a login, and what each one sees: a real provider, a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from claude_telemetry import probe
from claude_telemetry.settings import Address
from tests.support.browser import Browser, needs_chromium
from tests.support.browsing import ServedStore
from tests.support.calls import a_call
from tests.support.dashboard import Dashboard
from tests.support.oidc import CLIENT_ID, CLIENT_SECRET, Provider

pytestmark = [pytest.mark.browser, needs_chromium]

VISITORS = {
    "viewer": {"sub": "1", "email": "vera@example.org", "email_verified": True},
    "admin": {"sub": "2", "email": "Ada@example.org", "email_verified": True},
    "stranger": {"sub": "3", "email": "mallory@elsewhere.org", "email_verified": True},
    "pretender": {"sub": "4", "email": "ada@example.org", "email_verified": False},
}


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Provider() as serving:
        yield serving


@pytest.fixture(scope="module")
def dashboard(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    port = probe.bound(Address("127.0.0.1", 0)).port
    call = a_call(started_at=datetime.now(UTC) - timedelta(minutes=5), user_id="ann-the-user", feature="chat")
    with pytest.MonkeyPatch.context() as environment, ServedStore(tmp_path_factory.mktemp("login")) as store:
        store.land([call])
        environment.setenv("CLAUDE_TELEMETRY_LOGIN_CLIENT_SECRET", CLIENT_SECRET)
        with Dashboard(
            store.folder,
            f"--dashboard=127.0.0.1:{port}",
            f"--dashboard-url=http://127.0.0.1:{port}",
            f"--login-metadata-url={provider.metadata_url}",
            f"--login-client-id={CLIENT_ID}",
            "--login-viewers=@example.org",
            "--login-admins=ada@example.org",
        ) as serving:
            yield serving


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as opened:
        yield opened


def log_in(browser: Browser, provider: Provider, dashboard: Dashboard, who: str) -> None:
    provider.visitor = VISITORS[who]
    browser.open(f"{dashboard.url}/users?range=24h", "Log in to see the calls.")
    assert "ann-the-user" not in browser.text
    assert not browser.all('[data-testid="stMetric"], [data-testid="stDataFrame"]')
    browser.click("Log in")


def log_out(browser: Browser) -> None:
    browser.click("Log out")
    browser.wait_for_text("Log in to see the calls.")


def test_each_role_sees_what_is_for_it_and_nobody_else_sees_anything(
    browser: Browser, provider: Provider, dashboard: Dashboard
) -> None:
    for who in ("stranger", "pretender"):
        log_in(browser, provider, dashboard, who)
        browser.wait_for_text("Nothing here is for this account.")
        assert not browser.all('[data-testid="stMetric"], [data-testid="stDataFrame"]')
        log_out(browser)

    log_in(browser, provider, dashboard, "viewer")
    browser.wait_for_tile("Requests", "1")
    assert "vera@example.org" in browser.text
    browser.wait_for(lambda: browser.all('input[aria-label*="User"]'), "there is a filter for users")[0].click()
    options = browser.wait_for(lambda: browser.all('[role="option"]'), "the users to choose from are there")
    (shown,) = [option.text for option in options if option.text]
    assert shown.startswith("user-")
    options[0].click()
    browser.wait_for(lambda: f"user={shown}" in browser.url, "the filter is in the URL")
    browser.wait_for_tile("Requests", "1")
    browser.open(f"{dashboard.url}/?user=ann-the-user", "No calls with these filters")
    log_out(browser)

    log_in(browser, provider, dashboard, "admin")
    browser.wait_for_tile("Requests", "1")
    browser.wait_for(lambda: browser.all('input[aria-label*="User"]'), "there is a filter for users")[0].click()
    options = browser.wait_for(lambda: browser.all('[role="option"]'), "the users to choose from are there")
    assert [option.text for option in options if option.text] == ["ann-the-user"]
    assert [error for error in browser.console_errors() if "_stcore" not in error] == []
