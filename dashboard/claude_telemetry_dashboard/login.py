"""The login, as the settings have it: which provider says who somebody is, and who may come in as what.

Without a login there is one person, who has the data folder anyway: an admin. With one, everybody who is not in a list
gets nothing. An entry of a list is an e-mail address that the provider has verified, all of a domain (`@example.com`),
or a claim of the login with its value (`groups=oncall`, `sub=1234`).

What a role may see is decided in the store, which is asked with that role's token. Here is decided who has which.
Streamlit speaks OpenID Connect with the provider, through Authlib, and keeps who has logged in in a signed cookie.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, cast
from urllib.parse import urlsplit

from claude_telemetry.errors import SettingsError
from claude_telemetry.settings import Address
from claude_telemetry_collector.queries import Role

_NEEDED = ("login_metadata_url", "login_client_id", "login_client_secret")
_LISTS = ("login_viewers", "login_operators", "login_admins")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guests:
    """Who may come in, and as what."""

    viewers: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    admins: tuple[str, ...] = ()

    def role_of(self, claims: Mapping[str, object]) -> Role | None:
        """The most that somebody with these claims may be. `None` for who is in no list."""
        lists: tuple[tuple[Role, tuple[str, ...]], ...] = (
            ("admin", self.admins),
            ("operator", self.operators),
            ("viewer", self.viewers),
        )
        return next((role for role, entries in lists if any(_is_about(entry, claims) for entry in entries)), None)


def guests(settings: Mapping[str, Any]) -> Guests | None:
    """Who may come in. `None` where no login is set up.

    Raises `SettingsError` for half a login: what was meant to keep people out must not let them in.
    """
    if not any(settings[name] for name in (*_NEEDED, *_LISTS)):
        return None
    missing = [name for name in _NEEDED if not settings[name]]
    if missing:
        raise SettingsError(f"a login needs {', '.join(_NEEDED)}: {_variable(missing[0])} is not set")
    for name in _LISTS:
        for entry in filter(_is_amiss, settings[name]):
            raise SettingsError(
                f"{_variable(name)} has {entry!r}: "
                "give e-mail addresses, @domains, or claim=value, such as groups=oncall"
            )
    if not any(settings[name] for name in _LISTS):
        raise SettingsError(f"nobody may log in: name people in {', '.join(map(_variable, _LISTS))}")
    if find_spec("authlib") is None:
        raise SettingsError('a login needs the extra `auth`: pip install "claude-telemetry-sidecar[auth]"')
    _check_address(settings["dashboard_url"])
    return Guests(
        viewers=settings["login_viewers"], operators=settings["login_operators"], admins=settings["login_admins"]
    )


def provider(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The section `auth` of Streamlit's secrets, for a login that `guests` has found complete."""
    secret: str = settings["login_client_secret"]
    return {
        "redirect_uri": f"{settings['dashboard_url'].rstrip('/')}/oauth2callback",
        # The same at each start, so that nobody has to log in anew; another one when the client's secret changes.
        "cookie_secret": hmac.digest(secret.encode(), b"claude-telemetry dashboard cookie", hashlib.sha256).hex(),
        "client_id": settings["login_client_id"],
        "client_secret": secret,
        "server_metadata_url": settings["login_metadata_url"],
    }


def _check_address(dashboard_url: str) -> None:
    parts = urlsplit(dashboard_url)
    if parts.scheme != "https" and not Address(parts.hostname or "", 0).is_loopback:
        raise SettingsError(
            f"--dashboard-url (CLAUDE_TELEMETRY_DASHBOARD_URL) is {dashboard_url}: whoever reads along on the way "
            "could come in with somebody's login. Put a proxy with a certificate before the dashboard, and give its "
            "https address"
        )


def _variable(name: str) -> str:
    return "CLAUDE_TELEMETRY_" + name.upper()


def _is_amiss(entry: str) -> bool:
    """Whether it can be about nobody."""
    return not all(entry.partition("=")) if "=" in entry else not entry.partition("@")[2]


def _is_about(entry: str, claims: Mapping[str, object]) -> bool:
    claim, equals, value = entry.partition("=")
    if equals:
        said = claims.get(claim)
        return (
            value in cast("list[object]", said) if isinstance(said, list) else isinstance(said, str) and said == value
        )
    email = claims.get("email")
    # An address that nobody has checked may be anybody's.
    if not isinstance(email, str) or claims.get("email_verified") not in (True, "true"):
        return False
    if entry.startswith("@"):
        return email.rpartition("@")[2].lower() == entry[1:].lower()
    return email.lower() == entry.lower()
