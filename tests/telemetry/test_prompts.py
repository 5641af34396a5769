"""A prompt's name, text and version stay together."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_telemetry import Prompt, label, prompt
from claude_telemetry.errors import LabelError
from claude_telemetry.labels import current_labels

SUMMARY = prompt("summary", "Summarise {text} in {count} sentences.", version="3")
FINGERPRINT = hashlib.sha256(b"Summarise {text} in {count} sentences.").hexdigest()[:8]


def test_using_it_gives_the_text_and_labels_the_calls_inside() -> None:
    with label(feature="chat"):
        with SUMMARY.using(text="this", count=2) as question:
            assert question == "Summarise this in 2 sentences."
            assert current_labels() == {
                "feature": "chat",
                "prompt_name": "summary",
                "prompt_version": f"3+{FINGERPRINT}",
            }
        assert current_labels() == {"feature": "chat"}


def test_one_prompt_is_used_by_many_tasks_at_once_and_within_itself() -> None:
    async def ask(text: str) -> tuple[str, bool]:
        with SUMMARY.using(text=text, count=1) as outer, SUMMARY.using(text=outer, count=2) as question:
            await asyncio.sleep(0)
            return question, current_labels()["prompt_name"] == "summary"

    async def main() -> list[tuple[str, bool]]:
        answers = list(await asyncio.gather(ask("a"), ask("b")))
        assert current_labels() == {}
        return answers

    assert asyncio.run(main()) == [
        (f"Summarise Summarise {text} in 1 sentences. in 2 sentences.", True) for text in ("a", "b")
    ]


def test_the_version_changes_with_the_text_also_when_nobody_gives_a_new_one() -> None:
    changed = prompt("summary", "Summarise {text} in {count} short sentences.", version="3")
    assert changed.version.startswith("3+")
    assert changed.version != SUMMARY.version


def test_the_version_is_the_same_in_every_process_and_needs_not_be_given() -> None:
    # printf 'Answer in JSON: {"a": {name}}' | sha256sum
    assert prompt("answer", 'Answer in JSON: {"a": {name}}').version == "e924216c"
    assert prompt("answer", 'Answer in JSON: {"a": {name}}', version=12).version == "12+e924216c"


def test_braces_that_are_no_place_for_a_value_stay_as_they_are() -> None:
    template = 'Answer {question} as {"answer": {"of": {question}, "tags": []}} or {} or { question } or {0} or {a b}.'
    assert prompt("json", template).format(question="Why?") == (
        'Answer Why? as {"answer": {"of": Why?, "tags": []}} or {} or { question } or {0} or {a b}.'
    )


def test_double_braces_around_a_name_are_the_name_in_braces() -> None:
    template = prompt("mail", "Write to {{customer}}, who is {customer}: {{}} {{ x }}")
    assert template.format(customer="Ann") == "Write to {customer}, who is Ann: {{}} {{ x }}"


def test_a_value_is_never_looked_into_for_places() -> None:
    assert SUMMARY.format(text="{count} {{text}} \\1", count=2) == "Summarise {count} {{text}} \\1 in 2 sentences."


def test_a_place_may_have_any_name_that_python_has() -> None:
    assert prompt("odd", "{self} {größe} {_x1}").format(self="a", größe="b", _x1="c") == "a b c"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"text": "this"}, r"the prompt summary needs a value for count, or \{\{count\}\} where no value is meant"),
        ({}, "needs a value for count, text"),
        ({"text": None, "count": 1}, "needs a value for text"),
        ({"text": "this", "count": 1, "txet": "that"}, "has no place for txet: it has count, text"),
    ],
)
def test_a_value_that_is_missing_or_has_no_place_is_told_before_any_call(values: dict[str, Any], told: str) -> None:
    with pytest.raises(LabelError, match=told):
        SUMMARY.format(**values)
    with pytest.raises(LabelError, match=told):
        SUMMARY.using(**values)
    assert current_labels() == {}


@pytest.mark.parametrize(
    ("name", "template", "version"),
    [("", "text", None), ("summary", "text", ""), (None, "text", None), ("summary", b"text", None)],
)
def test_what_can_be_no_prompt_is_told_when_it_is_made(name: Any, template: Any, version: Any) -> None:
    with pytest.raises(LabelError, match="prompt"):
        prompt(name, template, version=version)


def test_a_long_version_keeps_its_fingerprint() -> None:
    made = prompt("n" * 600, "text", version="v" * 600)
    assert (made.name, made.version) == ("n" * 128, "v" * 128 + "+982d9e3e")  # printf text | sha256sum


def test_a_log_of_a_prompt_has_its_name_and_not_its_text(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        logging.getLogger("app").info("using %s, %r", SUMMARY, SUMMARY)
    assert "summary" in caplog.text
    assert "Summarise" not in caplog.text


@given(
    st.lists(
        st.sampled_from(['{"a": 1}', "{}", "}} ", "{ x }", "{1}", "{x:>3}", "{x.y}", "text ", "{{ x }}", "\n", "ü"])
    ),
    st.text(),
)
def test_a_text_is_its_template_with_values_in_place_and_nothing_else_touched(pieces: list[str], value: str) -> None:
    made: Prompt = prompt("any", "{value}".join(pieces))
    values = {"value": value} if len(pieces) > 1 else {}
    assert made.format(**values) == value.join(pieces)
