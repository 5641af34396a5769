"""Whether the prompt cache pays: what it saves, where it fails, and how long it should live."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import streamlit as st

from claude_telemetry_collector import queries
from claude_telemetry_collector.queries import Reading
from claude_telemetry_collector.queries.cache import cache_misses, prefixes
from claude_telemetry_dashboard import data, filters, formats
from claude_telemetry_dashboard.panels import away, box, cache_charts, cache_prefixes, grouped, nothing, numbers
from claude_telemetry_dashboard.panels.grouped import Amount

REFRESH_S = 60.0
"""What it shows takes a while to add up, and changes slowly."""

TILES = (
    "cache_net_saving_usd",
    "cache_saved_usd",
    "cache_premium_usd",
    "cache_hit_ratio",
    "cache_hit_calls_ratio",
)
NAMES = ("requests", *TILES, "cache_read_tokens", "cache_write_tokens")
BY = (
    "cache_net_saving_usd",
    "cache_saved_usd",
    "cache_premium_usd",
    "cache_hit_ratio",
    "cache_read_tokens",
    "cache_write_tokens",
)
ROWS = 50

_AMOUNTS: Mapping[str, Amount] = {
    "cache_net_saving_usd": Amount(title="Net saving", help="Saved, less paid for writes.", unit="USD"),
    "cache_saved_usd": Amount(title="Saved", help="What reads would have cost more as uncached input.", unit="USD"),
    "cache_premium_usd": Amount(title="Paid for writes", help="What writes cost on top of plain input.", unit="USD"),
    "cache_hit_ratio": Amount(title="Hit rate", help="The share of all input that was read.", unit="ratio"),
    "cache_read_tokens": Amount(title="Read", help="Tokens read from the cache.", unit="token"),
    "cache_write_tokens": Amount(title="Written", help="Tokens written to the cache.", unit="token"),
    "calls": Amount(title="Calls", help="All calls, with the cache or without.", unit="{call}"),
    "cache_net_saving_usd_unknown": Amount(
        title="Unknown", help="Calls with the cache whose input price is not known: in no amount.", unit="{call}"
    ),
}


def show() -> None:
    """The page. It draws itself again now and then."""
    _live()


@st.fragment(run_every=REFRESH_S)
def _live() -> None:
    away.guarded(_draw, comes_back=True)


def _draw() -> None:
    chosen = filters.chosen()
    found = data.overview(NAMES, NAMES, chosen.window, chosen.before, chosen.segment, chosen.step, chosen.zone)
    if not found.now["requests"].value:
        nothing.show(chosen)
        return
    st.text(sentence(found.now, chosen.words))
    if not uses_cache(found.now):
        st.caption(
            "No call read from the prompt cache or wrote to it. Mark the end of what stays the same in your prompts "
            "with `cache_control`, and this page says what that saves."
        )
        return
    numbers.tiles(found.now, found.before, found.course, TILES)
    with st.grid(2, min_column_width=420, gap="medium", key="charts"):
        _charts(chosen, found)
    _by(chosen)
    # Last, since they take longest: calls are compared with each other.
    cache_prefixes.show(data.answer(prefixes, chosen.window, chosen.segment))
    cache_prefixes.misses(data.answer(cache_misses, chosen.window, chosen.segment))


def uses_cache(now: Mapping[str, Reading]) -> bool:
    """Whether any call read from the cache or wrote to it."""
    return bool(now["cache_read_tokens"].value or now["cache_write_tokens"].value)


def sentence(now: Mapping[str, Reading], words: str) -> str:
    """Whether it pays, in a sentence. `words` says when: `in the last hour`."""
    if not uses_cache(now):
        return f"The prompt cache was not used {words}."
    net, saved, paid = (now[name] for name in ("cache_net_saving_usd", "cache_saved_usd", "cache_premium_usd"))
    if net.value is None:
        said = f"What the prompt cache saved {words} is not known"
    else:
        amount = formats.usd(abs(Decimal(net.value)))
        verdict = f"saved {amount}" if net.value >= 0 else f"cost {amount} more than it saved"
        parts = f"{formats.usd(saved.value)} by reads, less {formats.usd(paid.value)} for writes"
        said = f"The prompt cache {verdict} {words}: {parts}"
    ratio = now["cache_hit_ratio"].value
    said += "." if ratio is None else f". {formats.ratio(ratio)} of all input was read from it."
    return said + (f" Not known of {numbers.calls(net.unknown)}." if net.unknown and net.value is not None else "")


def _charts(chosen: filters.Chosen, found: data.Overview) -> None:
    box.chart(
        "Saved and paid",
        "Above: what reads would have cost more as uncached input. Below: what writes cost on top of it.",
        cache_charts.saving(found.course, chosen.on_clocks, chosen.step),
        f"Of no call {chosen.words} is known what the cache saved.",
    )
    box.chart(
        "Hit rate",
        "The share of all input tokens that was read from the cache, and the share of calls that read anything.",
        cache_charts.hit_rates(found.course),
        f"No input is known {chosen.words}.",
    )


def _by(chosen: filters.Chosen) -> None:
    by, then = grouped.choose_two(data.answer_for_a_while(queries.tag_names, chosen.window))
    rows = data.answer(queries.breakdown, BY, chosen.window, chosen.segment, by, then, limit=ROWS)
    with box.box("Who it pays for", "Most saved first. A row without a name is of calls without that label."):
        grouped.table(rows, grouped.labels(by, then), _AMOUNTS, name="cache-saving")
