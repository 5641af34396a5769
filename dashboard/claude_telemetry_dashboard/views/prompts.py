"""Prompts and their versions: when each came, what its calls were like, and whether two differ for sure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC

import pyarrow as pa
import streamlit as st

from claude_telemetry_collector.queries import prompts as questions
from claude_telemetry_collector.queries import zone_named
from claude_telemetry_collector.queries.prompt_verdict import ENOUGH_CALLS, compared
from claude_telemetry_collector.queries.prompts import Prompt, Version
from claude_telemetry_dashboard import data, filters, formats
from claude_telemetry_dashboard.panels import away, box, prompt_versions
from claude_telemetry_dashboard.panels.prompt_charts import Mark, versions_over_time

WHICH, BEFORE, AFTER = "which", "first", "second"
"""The choices of the page in the URL: the prompt, and the two versions that are compared."""


_EXAMPLE = """\
SUPPORT = claude_telemetry.prompt("support", "Answer this customer in two sentences: {question}", version="2")

with SUPPORT.using(question=question) as text:
    client.messages.create(..., messages=[{"role": "user", "content": text}])"""


def show() -> None:
    """The page."""
    away.guarded(_draw)


def _draw() -> None:
    chosen = filters.chosen()
    listed = data.answer(questions.prompts, chosen.window, chosen.segment)
    if not listed:
        _empty(chosen.words)
        return
    prompt = _which(listed)
    found, in_all = data.answer(questions.versions, chosen.window, chosen.segment, prompt)
    if not found:
        st.info(f"No calls of this prompt {chosen.words}.", icon=":material/search_off:")
        return
    texts = data.answer(questions.texts, chosen.window, chosen.segment, prompt)
    st.text(_status(found, in_all, texts, chosen.words))
    _timeline(chosen, prompt, found, texts)
    with box.box("Versions", "What the calls of each version were like, oldest first."):
        prompt_versions.table(found, in_all)
    _compare(found)


def _empty(words: str) -> None:
    st.info(f"No call {words} tells which prompt it was made with.", icon=":material/edit_note:")
    st.text("Name the prompt where you ask. Its version then changes by itself whenever its text does:")
    st.code(_EXAMPLE, language="python")


def _which(listed: Sequence[tuple[Prompt, int, int]]) -> Prompt:
    prompts = {_called(prompt): prompt for prompt, _, _ in reversed(listed)}
    asked = st.selectbox(
        "Prompt",
        [_called(prompt) for prompt, _, _ in listed],
        key=WHICH,
        bind="query-params",
        help="What is not named goes by its feature or service, and its versions by the fingerprint of its text.",
    )
    return prompts.get(asked or "", listed[0][0])


def _called(prompt: Prompt) -> str:
    return prompt.name if prompt.named == "prompt" else f"{prompt.name} ({prompt.named})"


def _status(found: Sequence[Version], in_all: int, texts: pa.Table, words: str) -> str:
    new = [version for version in found if version.is_new]
    said = f"{formats.count(in_all)} {'version' if in_all == 1 else 'versions'} {words}"
    if new:
        latest = new[-1]
        said += f"; the latest new one, {prompt_versions.named(latest)}, since {formats.moment(latest.first_at)} UTC"
    changed = len(set(texts.column("version").to_pylist()))
    if changed:
        said += f"; {changed} changed {'its' if changed == 1 else 'their'} text and kept the name"
    return said + "."


def _timeline(chosen: filters.Chosen, prompt: Prompt, found: Sequence[Version], texts: pa.Table) -> None:
    zone = zone_named(chosen.zone)
    marks = [
        Mark(version.first_at.astimezone(zone), f"{prompt_versions.named(version)} came")
        for version in found
        if version.is_new
    ]
    seen: set[str] = set()
    for row in texts.to_pylist():
        if row["version"] in seen:  # the first text of a version came with it
            at = row["first_at"].replace(tzinfo=UTC).astimezone(zone)
            marks.append(Mark(at, f"the text of {row['version']} changed"))
        seen.add(row["version"])
    table = data.answer(questions.versions_over_time, chosen.window, chosen.segment, prompt, chosen.step, chosen.zone)
    box.chart(
        "Calls by version",
        "Dashed lines: a version came that the period before had not, or the text changed under the same name.",
        versions_over_time(
            table, marks, chosen.on_clocks, chosen.step, {each.name: prompt_versions.named(each) for each in found}
        ),
        f"No calls {chosen.words}.",
    )


def _compare(found: Sequence[Version]) -> None:
    by_name = {prompt_versions.named(version): version for version in found}
    if len(by_name) < 2:
        return
    enough = [name for name, version in by_name.items() if version.calls >= ENOUGH_CALLS]
    first, second = (enough if len(enough) >= 2 else list(by_name))[-2:]
    with box.box("Two versions", "Whether they differ for sure, and by how much."):
        with st.container(horizontal=True):
            before = _version("Before", BEFORE, by_name, first)
            after = _version("After", AFTER, by_name, second)
        if before is after:
            st.caption("Choose two different ones.")
        else:
            prompt_versions.comparison(compared(before, after))


def _version(title: str, key: str, by_name: Mapping[str, Version], default: str) -> Version:
    names = list(by_name)
    name = st.selectbox(title, names, index=names.index(default), key=key, bind="query-params", width=260)
    return by_name.get(name or default, by_name[default])
