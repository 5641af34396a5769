"""What the calls would have cost otherwise: at another model, in batches, with another life of the cache."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

import pyarrow as pa
import streamlit as st

from claude_telemetry.pricing import known_models
from claude_telemetry.record.attributes import usd
from claude_telemetry_collector.queries.what_if import (
    STAYS,
    UNKNOWN,
    CacheTtl,
    Change,
    Compared,
    Outcome,
    assumptions,
    outcome_of,
)
from claude_telemetry_dashboard import data, filters, formats
from claude_telemetry_dashboard.panels import box, grouped, numbers
from claude_telemetry_dashboard.panels.grouped import Amount

MOST_CALLS = 50_000
"""Each call is priced twice; more would take longer than anybody waits for a page."""

_LIVES: Mapping[str, CacheTtl] = {"5 minutes": "5m", "1 hour": "1h", "No cache": "none"}

_USD = pa.decimal128(38, 12)
_AMOUNTS = {
    "calls": Amount(title="Calls", help="Those of which both costs are known.", unit="{call}"),
    "now": Amount(title="Now", help="At list price, by the price book of today's edition.", unit="USD"),
    "then": Amount(title="Then", help="The same calls with the change.", unit="USD"),
    "more": Amount(title="Difference", help="Below zero: cheaper.", unit="USD"),
    "share": Amount(title="Share", help="Of what they cost now.", unit="ratio"),
    "left_out": Amount(title="Left out", help="Calls of which one of the two costs is not known.", unit="{call}"),
}


def show(chosen: filters.Chosen, calls: int) -> None:
    """The choice of a change, and what it comes to. `calls` is how many there are to price."""
    with box.box(
        "What if",
        "What these calls would have cost with a change: exact arithmetic on the usage that was kept, by one price "
        "book for now and then.",
    ):
        change = _change()
        if change == Change():
            st.caption("Choose a model, batches or a life of the cache.")
        elif calls > MOST_CALLS:
            st.text(
                f"{formats.count(calls)} calls are too many for a page: choose a shorter time range or more filters, "
                "or let the command line work it out:"
            )
            st.code(command(change, chosen), language="sh")
        else:
            _outcome(data.answer(outcome_of, chosen.window, chosen.segment, change), change)


def command(change: Change, chosen: filters.Chosen) -> str:
    """The same question for the command line."""
    words = ["claude-telemetry", "what-if", "--since", f"{chosen.window.start:%Y-%m-%d}"]
    words += [] if change.model is None else ["--to", change.model]
    words += ["--batch"] if change.batch else []
    words += [] if change.cache_ttl is None else ["--cache-ttl", change.cache_ttl]
    words += [] if chosen.segment.feature is None else ["--feature", chosen.segment.feature]
    return shlex.join(words)


def _change() -> Change:
    models = [model.ids["anthropic"][0] for model in known_models() if model.ids["anthropic"]]
    with st.container(horizontal=True, vertical_alignment="bottom", key="what-if"):
        model = st.selectbox(
            "At the model",
            models,
            index=None,
            placeholder="As it is",
            key="if-model",
            bind="query-params",
            width=230,
        )
        life = st.selectbox(
            "Cache lives",
            list(_LIVES),
            index=None,
            placeholder="As it does",
            key="if-cache",
            bind="query-params",
            width=150,
        )
        batch = st.toggle("In batches, what can wait", key="if-batch", bind="query-params")
    return Change(model=model, batch=batch, cache_ttl=None if life is None else _LIVES[life])


def _outcome(outcome: Outcome, change: Change) -> None:
    whole = outcome.all
    if not whole.compared:
        st.text("Of none of these calls both costs are known.")
    else:
        st.text(sentence(whole))
        groups = sorted(outcome.groups.items(), key=lambda item: (-item[1].list_now, item[0] or ""))
        rows = pa.Table.from_pylist([_row(label, group) for label, group in groups], pa.schema(_COLUMNS))
        grouped.table(rows, {"model": "Model"}, _AMOUNTS, name="what-if")
    # A list in Markdown: all of it is ours, but for flags, which have letters only.
    st.caption("\n".join(f"- {note}" for note in notes(outcome, change)))


def notes(outcome: Outcome, change: Change) -> list[str]:
    """What is not as was asked, what is left out, and what is taken for granted."""
    stay = [
        f"{numbers.calls(count)} {'stays as it is' if count == 1 else 'stay as they are'} ({STAYS[why]})."
        for why, count in outcome.stays.items()
    ]
    unknown = (outcome.unknown_now + outcome.unknown_then).items()
    left_out = [
        f"{numbers.calls(count)} left out ({UNKNOWN.get(why, why.replace('_', ' '))})." for why, count in unknown
    ]
    return [*stay, *left_out, *(f"Assumed: {assumed}" for assumed in assumptions(change))]


def sentence(whole: Compared) -> str:
    """What the change comes to, with discounts where there are any."""
    now, then = usd(whole.list_now), usd(whole.list_then)
    said = f"{formats.usd(now)} as it was, {formats.usd(then)} with the change"
    share = formats.change(then, now)
    if share is not None and then != now:
        said += f": {formats.percent_change(share)}"
    if (whole.net_now, whole.net_then) != (whole.list_now, whole.list_then):
        said += f"; after your discounts {formats.usd(usd(whole.net_now))} and {formats.usd(usd(whole.net_then))}"
    if whole.lower_bounds:
        said += f". At least: of {numbers.calls(whole.lower_bounds)} the output is not known"
    return said + "."


_COLUMNS: Mapping[str, pa.DataType] = {
    "model": pa.string(),
    "calls": pa.int64(),
    "now": _USD,
    "then": _USD,
    "more": _USD,
    "share": pa.float64(),
    "left_out": pa.int64(),
}


def _row(label: str | None, group: Compared) -> dict[str, object]:
    now, then = usd(group.list_now), usd(group.list_then)
    return {
        "model": label,
        "calls": group.compared,
        "now": now if group.compared else None,
        "then": then if group.compared else None,
        "more": then - now if group.compared else None,
        "share": formats.change(then, now),
        "left_out": group.calls - group.compared,
    }
