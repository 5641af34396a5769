"""Models whose calls have no price: which, since when, and what to do. Names are foreign, and shown as text."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from claude_telemetry_collector.queries import WHY, UnpricedModel, price_lines, pricing_commands
from claude_telemetry_dashboard import formats
from claude_telemetry_dashboard.panels import tables

_MODEL_CHARACTERS = 200
"""A longer name is no model's, and would push all else off the page."""


def show(models: Sequence[UnpricedModel], in_all: int, words: str) -> None:
    """The models, of `in_all` that there are, and what to do. `words` says when: `in the last hour`. Draws nothing
    without models."""
    if not models:
        return
    with st.container(border=True, key="unpriced-models"):
        st.markdown(
            "**Calls without a price**",
            help="Their tokens are counted, their cost is not known and in no sum. Calls that nobody knows the tokens "
            "of, such as those that ran out of time, are unpriced too, and not listed here.",
        )
        tables.table([_row(model) for model in models])
        more = in_all - len(models)
        st.caption(f"Most calls first, {words}." + (f" {formats.count(more)} more are not listed." if more else ""))
        with st.expander("What to do"):
            _what_to_do(models)


def _what_to_do(models: Sequence[UnpricedModel]) -> None:
    lines = [found for model in models if (found := price_lines(model)) is not None]
    own_models = [found.own_model for found in lines if found.own_model is not None]
    if lines:
        st.caption("If a name stands for a model that has a price, say so in your price file:")
        st.code("\n\n".join(found.another_name for found in lines), language="toml")
    if own_models:
        st.caption("If it is a model of its own, give its price there instead:")
        st.code("\n\n".join(own_models), language="toml")
    st.caption(
        "The file is the one that `CLAUDE_TELEMETRY_PRICES` names, for the applications and for the collector, which "
        "read it when they start. Then see that a model has its price or what else it lacks, and price these calls "
        "again:"
    )
    st.code(pricing_commands(models), language="sh")


def _row(model: UnpricedModel) -> dict[str, str]:
    return {
        "Model": formats.text(model.model)[:_MODEL_CHARACTERS],
        "Platform": formats.text(model.platform)[:_MODEL_CHARACTERS],
        "Why": "; ".join(WHY[flag] for flag in model.reasons) or formats.UNKNOWN,
        "Calls": formats.count(model.calls),
        "First (UTC)": formats.moment(model.first_at),
        "Last (UTC)": formats.moment(model.last_at),
        "Uncached input": formats.count(model.input_tokens),
        "Cache read": formats.count(model.cache_read_tokens),
        "Cache write": formats.count(model.cache_write_tokens),
        "Output": formats.count(model.output_tokens),
    }
