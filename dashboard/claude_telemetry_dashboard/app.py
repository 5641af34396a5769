"""What Streamlit runs for each page: its configuration, the filters, and the way to the pages. No numbers here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from claude_telemetry_dashboard import data, filters
from claude_telemetry_dashboard.panels import door
from claude_telemetry_dashboard.views import (
    alerts,
    batches,
    cache,
    calls,
    cost,
    errors,
    health,
    latency,
    live,
    overview,
    prompts,
    readiness,
    reconciliation,
    savings,
    sql,
    tools,
    users,
)

MARK = Path(__file__).with_name("mark.svg")

SIDEBAR_PX = 200
"""As narrow as Streamlit lets it be: the charts want the room."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A page, as the navigation names it. Its URL is its name in lower case unless `url` gives another."""

    title: str
    show: Callable[[], None]
    icon: str
    """A name of https://fonts.google.com/icons, which Streamlit brings along."""
    url: str = ""
    labels_apply: bool = True
    """Whether the label filters narrow what it shows. The time range always does."""

    @property
    def url_path(self) -> str:
        return self.url or self.title.lower()


GROUPS: Mapping[str, tuple[Entry, ...]] = {
    "": (Entry("Overview", overview.show, "monitoring"),),
    "Calls": (
        Entry("Explore", calls.show, "list", url="calls"),
        Entry("Live", live.show, "sensors"),
        Entry("SQL", sql.show, "terminal", labels_apply=False),
    ),
    "Money": (
        Entry("Cost", cost.show, "payments"),
        Entry("Cache", cache.show, "cached"),
        Entry("Savings", savings.show, "savings"),
        Entry("Reconciliation", reconciliation.show, "receipt_long", labels_apply=False),
    ),
    "Reliability": (
        Entry("Latency", latency.show, "speed"),
        Entry("Errors & limits", errors.show, "error", url="errors"),
    ),
    "Usage": (
        Entry("Users & sessions", users.show, "group", url="users"),
        Entry("Prompts", prompts.show, "edit_note"),
        Entry("Tools & agents", tools.show, "build", url="tools"),
        Entry("Batches", batches.show, "stacks"),
    ),
    # Rules look at the calls that they are about.
    "Operations": (
        Entry("Alerts", alerts.show, "notifications", labels_apply=False),
        Entry("Readiness", readiness.show, "checklist"),
        Entry("Health", health.show, "monitor_heart", labels_apply=False),
    ),
}
"""All pages by what they are about, in the order of the sidebar. The first one is what the bare address opens."""


def run() -> None:
    """Draws the page that the URL names."""
    st.set_page_config(page_title="claude-telemetry", page_icon=MARK, layout="wide", initial_sidebar_state=SIDEBAR_PX)
    st.logo(MARK, size="large")
    entries = {_page(entry): entry for group in GROUPS.values() for entry in group}
    pages = iter(entries)
    groups = {name: [next(pages) for _ in group] for name, group in GROUPS.items()}
    if data.role() is None:
        st.navigation(groups, position="hidden")
        door.closed()
        return
    page = st.navigation(groups, expanded=True)
    door.who()
    filters.bar(lambda column: data.choices(filters.chosen().window, column), labels_apply=entries[page].labels_apply)
    page.run()


def _page(entry: Entry) -> st.Page:
    return st.Page(
        entry.show,
        title=entry.title,
        icon=f":material/{entry.icon}:",
        url_path=entry.url_path,
        default=entry.show is overview.show,
    )


if __name__ == "__main__":
    run()
