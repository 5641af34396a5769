"""Pulling: whole days of one family of Anthropic's reports, or nothing."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from claude_telemetry.errors import SettingsError
from claude_telemetry_collector.store.billed import Family, Pulled


def pull(since: date, until: date, *, key: str, base_url: str | None, family: Family | None = None) -> Pulled:
    """All that is said about the UTC days from `since` up to, and without, `until`, which tomorrow may be.

    Without a `family` it is the analytics one, unless the SDK is too old for it, the days are, or Anthropic does not
    serve it for this key: then the older one. Without a `base_url` it is where the SDK asks (ANTHROPIC_BASE_URL).

    Waits when it is asked to, for three minutes in all. Raises `SettingsError` for days that cannot be had, and
    `BillingError` for all else; then nothing was fetched.
    """
    # Here and not above: the store process, which does the job of keeping what was pulled, does without the SDK.
    from claude_telemetry_collector.reconcile.families import fetch

    now = datetime.now(UTC)
    _check(since, until, now.date())
    return fetch(since, until, key=key, base_url=base_url, family=family, now=now)


def _check(since: date, until: date, today: date) -> None:
    if since >= until:
        raise SettingsError(
            f"from {since} until {until} is no day: the end comes after the start, and is not part of it"
        )
    if until > today + timedelta(days=1):
        raise SettingsError(f"the days end at {until}: give tomorrow, {today + timedelta(days=1)} UTC, at the latest")
