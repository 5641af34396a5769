"""The label filters: which labels there are to choose from, and what is chosen, in the URL.

A few stand in the row of filters; the others, and the application's own tags, are behind a button.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from claude_telemetry_collector.queries import TAG, Segment

Choices = Callable[[str], Sequence[str]]
"""The values of a column to choose from; for `TAG`, the tags, each as `name:value`."""

LABELS: Mapping[str, tuple[str, str, str]] = {
    "environment": ("environment", "Environment", "All environments"),
    "model": ("model", "Model", "All models"),
    "feature": ("feature", "Feature", "All features"),
    "user": ("user_id", "User", "All users"),
}
"""The filters in the row, by their name in the URL: the column, its title, and what is shown when nothing is chosen."""

MORE_LABELS: Mapping[str, tuple[str, str, str]] = {
    "service": ("service", "Service", "All services"),
    "prompt_name": ("prompt_name", "Prompt", "All prompts"),
    "prompt": ("prompt_version", "Prompt version", "All versions"),
    "fingerprint": ("prompt_fingerprint", "Prompt fingerprint", "All fingerprints"),
    "session": ("session_id", "Session", "All sessions"),
    "tenant": ("tenant", "Tenant", "All tenants"),
    "outcome": ("status", "Outcome", "All outcomes"),
    "error_type": ("error_type", "Error type", "All error types"),
    "stop_reason": ("stop_reason", "Stop reason", "All stop reasons"),
    "platform": ("platform", "Platform", "All platforms"),
    "region": ("region", "Region", "All regions"),
    "workspace": ("workspace_id", "Workspace", "All workspaces"),
    "key": ("api_key_alias", "API key", "All API keys"),
    "framework": ("framework", "Framework", "All frameworks"),
    "run": ("run_name", "Run", "All runs"),
    "tier": ("service_tier", "Service tier", "All service tiers"),
    "stream": ("stream", "Streamed", "Streamed or not"),
    "batch": ("batch_id", "Batch", "All batches"),
}
"""Those behind the button."""

TAGS = "tag"
"""In the URL each tag that is chosen is one `tag=name:value`."""


def draw(row: DeltaGenerator, choices: Choices, *, apply: bool) -> None:
    """Draws all of them into `row`.

    Also where they do not apply: a filter that is not drawn is forgotten.
    """
    for name, label in LABELS.items():
        _draw(row, name, label, choices if apply else _none, disabled=not apply, title="collapsed", width=165)
    hidden = len(asked_for()) - sum(_chosen(name) is not None for name in LABELS)
    more = row.popover(
        f"More filters ({hidden})" if hidden else "More filters",
        icon=":material/filter_list:",
        key="more-filters",
        # What there is to choose from is only asked for when somebody looks.
        on_change="rerun",
        disabled=not apply,
    )
    looked_at = choices if apply and more.open else _none
    more.multiselect(
        "Tags",
        _with(_tags_chosen(), looked_at(TAG)),
        key=TAGS,
        bind="query-params",
        accept_new_options=True,
        placeholder="All tags",
        help="The application's own labels, each as name:value. A call has to have all of them.",
        disabled=not apply,
    )
    columns = more.columns(2)
    for place, (name, label) in enumerate(MORE_LABELS.items()):
        _draw(columns[place % 2], name, label, looked_at, disabled=not apply, title="visible", width="stretch")


def chosen_segment() -> Segment:
    """The calls that the labels in the URL leave."""
    labels = {column: _chosen(name) for name, (column, _, _) in {**LABELS, **MORE_LABELS}.items()}
    return Segment(**labels, tags=tuple(_pair(tag) for tag in _tags_chosen()))


def asked_for() -> tuple[str, ...]:
    """What the label filters are set to, as `name=value`."""
    labels = ((name, _chosen(name)) for name in (*LABELS, *MORE_LABELS))
    return (*(f"{name}={value}" for name, value in labels if value is not None), *_tags_chosen())


def with_chosen(name: str, values: Sequence[str]) -> list[str]:
    """`values`, and what is chosen at present in the filter `name`, so that it stays chosen where nothing has it."""
    current = _chosen(name)
    return _with(() if current is None else (current,), values)


def _draw(
    place: DeltaGenerator,
    name: str,
    label: tuple[str, str, str],
    choices: Choices,
    *,
    disabled: bool,
    title: Literal["visible", "collapsed"],
    width: int | Literal["stretch"],
) -> None:
    column, words, everything = label
    place.selectbox(
        words,
        with_chosen(name, choices(column)),
        index=None,
        placeholder=everything,
        key=name,
        bind="query-params",
        # A shared link may name a value that the last days do not have.
        accept_new_options=True,
        label_visibility=title,
        width=width,
        disabled=disabled,
    )


def _none(_: str) -> Sequence[str]:
    return ()


def _with(current: Sequence[str], values: Sequence[str]) -> list[str]:
    return [*(value for value in current if value not in values), *values]


def _chosen(name: str) -> str | None:
    # Before it is first drawn, only the URL has it.
    return _label(st.session_state.get(name) or st.query_params.get(name))


def _tags_chosen() -> tuple[str, ...]:
    told = st.session_state.get(TAGS) or st.query_params.get_all(TAGS)
    return tuple(tag for tag in told if isinstance(tag, str) and ":" in tag)


def _pair(tag: str) -> tuple[str, str]:
    name, _, value = tag.partition(":")
    return name, value


def _label(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
