"""Does the collector keep up, does anything get lost, who sends, and by which settings it goes."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from claude_telemetry.settings import SETTINGS
from claude_telemetry_collector.queries import Segment
from claude_telemetry_collector.queries import health as asked
from claude_telemetry_collector.queries.status import Status, length_in_words
from claude_telemetry_dashboard import data, filters, formats
from claude_telemetry_dashboard.panels import away, first_call, tables, unpriced
from claude_telemetry_dashboard.panels.box import box

REFRESH_S = 5.0
UNPRICED_DAYS = 30

MEANINGS = {setting.name: setting.meaning for setting in SETTINGS}


def show() -> None:
    """The page. Its numbers draw themselves again every few seconds; the check waits for a click."""
    _live()
    with st.container(border=True, key="self-test"):
        st.markdown("**Self-test**", help="One made-up call goes the way that an application's calls go.")
        first_call.check()
    away.guarded(_settings)


@st.fragment(run_every=REFRESH_S)
def _live() -> None:
    away.guarded(_draw, comes_back=True)


def _draw() -> None:
    now = datetime.now(UTC)
    health = data.health()
    _verdict(health)
    _tiles(health, now)
    with st.grid(2, min_column_width=420, gap="medium", key="health"):
        _lost(health)
        _files(health)
    if not health.status.running:
        return
    _sources(now)
    window = filters.whole_days(filters.chosen().window, UNPRICED_DAYS)
    unpriced.show(*data.unpriced_models(window, Segment()), f"in {window.length.days} days")


def _verdict(health: asked.Health) -> None:
    status = health.status
    if not status.running:
        st.error("No collector runs on this data folder.", icon=":material/cloud_off:")
        st.code(away.start_command(data.place().data), language="shell")
    with st.container(horizontal=True, vertical_alignment="center", key="verdict"):
        if status.running and not status.problems:
            st.badge("All is well", icon=":material/check_circle:", color="green")
        elif status.running:
            st.badge("Something is wrong", icon=":material/error:", color="red")
        if status.running:
            st.text(
                f"Version {status.version} has been listening on {status.otlp_http} for {_since(status.started_at)}"
                f"{', with tokens' if status.token_required else ''}."
            )
    for problem in status.problems:
        st.text(f"✗ {problem}")


def _since(started_at: str | None) -> str:
    if started_at is None:
        return formats.UNKNOWN
    return length_in_words((datetime.now(UTC) - datetime.fromisoformat(started_at)).total_seconds())


def _tiles(health: asked.Health, now: datetime) -> None:
    status = health.status
    lost = None if health.lost is None else sum(one.count for one in health.lost)
    shown = {
        "Last call": (_ago(status.last_call_received_at, now), "When the newest call came in."),
        "Waits to land": (
            formats.size(status.backlog_bytes) if not status.backlog_bytes else _waits(status),
            "What is received and durable, and not in the database yet; for how long the oldest of it has waited.",
        ),
        "Landing takes": (
            formats.ms(health.landing_lag_ms),
            "From receiving the last portion to its calls being here.",
        ),
        "Not kept": (
            formats.count(lost),
            "What was turned away or could not be kept since the collector started; by reason below.",
        ),
        "In the spool": (
            formats.count(status.spool_calls),
            "Calls that processes on this machine have left on disk while no collector was there. It picks them up.",
        ),
        "Disk used": (formats.size(status.disk_used_bytes), "By the data folder."),
        "Disk free": (formats.size(status.disk_free_bytes), "On the data folder's disk."),
        "Price book": (_day_of(status.price_version), "The date of the prices that calls are priced with."),
    }
    with st.grid(4, min_column_width=160, gap="small", key="health-tiles"):
        for title, (value, meaning) in shown.items():
            st.metric(title, value, help=meaning, border=True, height="stretch")


def _ago(at: str | None, now: datetime) -> str:
    return formats.UNKNOWN if at is None else formats.ago(datetime.fromisoformat(at), now)


def _waits(status: Status) -> str:
    waited = formats.UNKNOWN if status.landing_lag_s is None else length_in_words(status.landing_lag_s)
    return f"{formats.size(status.backlog_bytes)}, {waited}"


def _day_of(price_version: str | None) -> str:
    return formats.UNKNOWN if price_version is None else price_version.partition(".")[0]


def _lost(health: asked.Health) -> None:
    meaning = "Counted since the collector started. Whoever sent it was told, and sends again what may be taken later."
    with box("Turned away or not kept", meaning):
        if health.lost is None:
            st.caption("The collector does not say.")
        elif not health.lost:
            st.caption("Nothing: all that came was kept.")
        else:
            tables.table(
                [{"What": one.what, "Why": one.why, "How many": formats.count(one.count)} for one in health.lost]
            )
        if health.lost is not None and not health.receiver_tells:
            st.caption("The receiver tells its part to senders with a token: see `/metrics` there.")
        if health.landing_troubles:
            st.caption(f"Landing has waited {formats.count(health.landing_troubles)} times for disk or database.")


def _files(health: asked.Health) -> None:
    with box("Files", "What lies in the data folder."):
        if not health.files:
            st.caption("There is no data folder yet.")
            return
        tables.table(
            [{"File": one.name, "Size": formats.size(one.size_bytes), "Holds": one.meaning} for one in health.files]
        )


def _sources(now: datetime) -> None:
    chosen = filters.chosen()
    found = data.answer(asked.sources, chosen.window)
    meaning = (
        "Several may tell of the same call, which is one call all the same. Whose dialects are read: see the docs."
    )
    with box("Who tells of calls", meaning):
        if not found:
            st.caption(f"Nobody {chosen.words}.")
            return
        tables.table(
            [
                {
                    "Source": one.name,
                    "Told": formats.count(one.told),
                    "Last": formats.ago(one.last_at, now),
                    "Versions": ", ".join(one.versions) or formats.UNKNOWN,
                }
                for one in found
            ]
        )


def _settings() -> None:
    settings = data.health().settings
    if not settings:
        return
    with st.expander("Settings in force"):
        st.caption(
            "What the collector goes by. Secrets are left out; `claude-telemetry doctor --settings` says who set what."
        )
        tables.table(
            [{"Setting": name, "Value": value, "Meaning": MEANINGS.get(name, "")} for name, value in settings.items()]
        )
