"""Who may come in, as the settings have it, and that an answer for one role is shown to no other."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from claude_telemetry.errors import CollectorError, SettingsError
from claude_telemetry.settings import settle
from claude_telemetry_collector.queries import Role
from claude_telemetry_dashboard import data, login
from claude_telemetry_dashboard.__main__ import main
from claude_telemetry_dashboard.app import GROUPS, Entry
from claude_telemetry_dashboard.login import Guests
from tests.dashboard.conftest import NOBODY, Store
from tests.support import filled
from tests.support.calls import a_call
from tests.support.pages import Pages

OpenPage = Callable[..., Pages]

ENTRIES = [entry for group in GROUPS.values() for entry in group]

COMPLETE = {
    "CLAUDE_TELEMETRY_LOGIN_METADATA_URL": "https://id.example.com/.well-known/openid-configuration",
    "CLAUDE_TELEMETRY_LOGIN_CLIENT_ID": "dashboard",
    "CLAUDE_TELEMETRY_LOGIN_CLIENT_SECRET": "hush",
    "CLAUDE_TELEMETRY_LOGIN_VIEWERS": "@example.com, groups=everyone",
    "CLAUDE_TELEMETRY_LOGIN_OPERATORS": "groups=oncall",
    "CLAUDE_TELEMETRY_LOGIN_ADMINS": "ada@example.com",
    "CLAUDE_TELEMETRY_DASHBOARD_URL": "https://calls.example.com",
}


def settings(**changed: str) -> dict[str, Any]:
    return settle("dashboard", environ={**COMPLETE, **changed}, use_file=False)


def verified(email: str, **claims: object) -> dict[str, object]:
    return {"email": email, "email_verified": True, **claims}


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        (verified("ada@example.com"), "admin"),
        (verified("Ada@Example.COM"), "admin"),
        (verified("bob@example.com"), "viewer"),
        (verified("bob@example.com", groups=["oncall", "cooks"]), "operator"),
        ({"groups": "oncall"}, "operator"),
        ({"groups": ["everyone"]}, "viewer"),
        (verified("bob@sub.example.com"), None),
        (verified("bob@example.com.evil.test"), None),
        (verified("ada@example.com@evil.test"), None),
        ({"email": "ada@example.com"}, None),
        ({"email": "ada@example.com", "email_verified": False}, None),
        ({"email": "ada@example.com", "email_verified": "false"}, None),
        ({"email": "ada@example.com", "email_verified": "true"}, "admin"),
        ({"groups": "oncall,cooks"}, None),
        ({"groups": {"oncall": True}}, None),
        ({"email": ["ada@example.com"], "email_verified": True}, None),
        ({}, None),
    ],
)
def test_the_role_is_the_most_that_a_list_gives(claims: dict[str, object], role: Role | None) -> None:
    guests = login.guests(settings())

    assert guests is not None
    assert guests.role_of(claims) == role


def test_without_settings_there_is_no_login() -> None:
    assert login.guests(settle("dashboard", environ={}, use_file=False)) is None


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"CLAUDE_TELEMETRY_LOGIN_CLIENT_SECRET": ""}, "CLAUDE_TELEMETRY_LOGIN_CLIENT_SECRET is not set"),
        ({"CLAUDE_TELEMETRY_LOGIN_METADATA_URL": ""}, "CLAUDE_TELEMETRY_LOGIN_METADATA_URL is not set"),
        (
            {"CLAUDE_TELEMETRY_LOGIN_VIEWERS": "everybody"},
            "'everybody': give e-mail addresses, @domains, or claim=value",
        ),
        ({"CLAUDE_TELEMETRY_LOGIN_ADMINS": "=x"}, "'=x': give"),
        ({"CLAUDE_TELEMETRY_LOGIN_ADMINS": "@"}, "'@': give"),
        ({"CLAUDE_TELEMETRY_DASHBOARD_URL": "http://calls.example.com"}, "give its https address"),
        (
            {f"CLAUDE_TELEMETRY_LOGIN_{name}": "none" for name in ("VIEWERS", "OPERATORS", "ADMINS")},
            "nobody may log in",
        ),
    ],
)
def test_half_a_login_is_no_way_in(changed: dict[str, str], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        login.guests(settings(**changed))


def test_without_the_extra_the_message_is_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:

    def nothing(name: str) -> None:
        """No package of that name."""

    monkeypatch.setattr("claude_telemetry_dashboard.login.find_spec", nothing)

    with pytest.raises(SettingsError, match=r'pip install "claude-telemetry-sidecar\[auth\]"'):
        login.guests(settings())


def test_a_list_of_people_without_a_provider_starts_nothing() -> None:
    with pytest.raises(SettingsError, match="CLAUDE_TELEMETRY_LOGIN_METADATA_URL is not set"):
        main(["--login-viewers", "@example.com"])


def test_logins_survive_a_restart_and_end_with_another_secret() -> None:
    first, again = (login.provider(settings())["cookie_secret"] for _ in range(2))
    other = login.provider(settings(CLAUDE_TELEMETRY_LOGIN_CLIENT_SECRET="new"))["cookie_secret"]

    assert first == again != other
    assert login.provider(settings())["redirect_uri"] == "https://calls.example.com/oauth2callback"


@pytest.fixture
def looked_at_by(store: Store, monkeypatch: pytest.MonkeyPatch) -> Callable[[str | None], None]:
    """From now on somebody looks whose login says that he is `sub`; or who has not logged in."""
    guests = Guests(viewers=("sub=viewer",), admins=("sub=admin",))
    data.configure(data.Place(data=store.folder, otlp_http=NOBODY, guests=guests))

    def looks(sub: str | None) -> None:
        def claims() -> Mapping[str, object] | None:
            return None if sub is None else {"sub": sub}

        monkeypatch.setattr("claude_telemetry_dashboard.data.visitor.claims_of_visitor", claims)

    return looks


def test_an_answer_for_one_role_is_shown_to_no_other(
    store: Store, looked_at_by: Callable[[str | None], None], open_page: OpenPage
) -> None:
    store.land(a_call(started_at=datetime.now(UTC) - timedelta(minutes=2), user_id="ann@example.org"))

    def users(role: str) -> list[str]:
        looked_at_by(role)
        return list(open_page("overview").test.selectbox(key="user").options)

    assert users("admin") == ["ann@example.org"]
    (shown,) = users("viewer")
    assert shown.startswith("user-")
    assert users("admin") == ["ann@example.org"]


@pytest.mark.parametrize("who", [None, "a stranger"])
@pytest.mark.parametrize("name", ["overview", "calls", "health"])
def test_who_has_no_role_gets_a_closed_door_and_no_answer(
    store: Store, looked_at_by: Callable[[str | None], None], open_page: OpenPage, name: str, who: str | None
) -> None:
    store.land(a_call(started_at=datetime.now(UTC) - timedelta(minutes=2), user_id="ann@example.org"))
    looked_at_by(who)

    page = open_page(name)

    assert page.texts == ["Log in to see the calls."]
    assert [button.label for button in page.test.button] == ["Log in"]
    assert not page.tables
    assert not list(page.test.metric)
    with pytest.raises(CollectorError, match="nobody is logged in"):
        data.latest_call_at()


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: str(entry.url_path))
def test_every_page_is_for_a_viewer_too_and_names_nobody(
    store: Store, looked_at_by: Callable[[str | None], None], open_page: OpenPage, entry: Entry
) -> None:
    store.land(*filled.calls(100))
    looked_at_by("viewer")

    page = open_page(entry.url_path, range="7d")

    shown = page.said + "".join(map(str, page.tables)) + "".join(str(one) for one in page.test.selectbox)
    assert not [error.value for error in page.test.error if "No collector runs" not in error.value]
    # As `filled` has them; a pseudonym is longer.
    assert not re.findall(r"\b(?:user|session)-\d{1,3}\b", shown)
