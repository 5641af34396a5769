"""Ids of what is told more than once: the same from whatever process, another for each thing."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_telemetry.record.identity import (
    AGENT_MODEL_REQUEST,
    batch_result_ids,
    ids_named,
    ids_of_told,
    session_event_ids,
)

names = st.text(st.characters(), max_size=12)
written = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
"""As the API's ids and an application's custom ids are."""


def test_ids_are_the_same_in_every_process_and_in_every_version() -> None:
    """Other versions of us, and the rows of years, have these: they can never change."""
    assert batch_result_ids("msgbatch_01", "r1") == (0x47602B024F3F8D4B510FD59C16DB4F3D, 0xF3B2ADF4D97882F6)
    assert session_event_ids("sevt_01") == (0xD0BF7F067C78C330B6A7CA1A1BC71418, 0xD56633C6201B291F)


def test_they_do_not_depend_on_the_seed_of_hashes() -> None:
    program = "from claude_telemetry.record.identity import *; print(batch_result_ids('b', 'c'))"
    told = {
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert told == {f"{batch_result_ids('b', 'c')}\n"}


@given(names, names)
def test_ids_are_such_as_a_span_can_have(one: str, other: str) -> None:
    trace_id, span_id = batch_result_ids(one, other)
    assert 0 < trace_id < 2**128
    assert 0 < span_id < 2**64


@given(st.lists(written, min_size=1, max_size=3), st.lists(written, min_size=1, max_size=3))
def test_other_names_have_other_ids(some: list[str], others: list[str]) -> None:
    assert (ids_named("kind", *some) == ids_named("kind", *others)) == (some == others)


def test_a_result_and_an_event_of_the_same_name_are_two() -> None:
    assert ids_named("batch result", "x") != ids_named("session event", "x")


@pytest.mark.parametrize(
    ("facts", "ids"),
    [
        (("chat", "msgbatch_1", "r1", "msg_1"), batch_result_ids("msgbatch_1", "r1")),
        (("chat", "msgbatch_1", "r1", None), batch_result_ids("msgbatch_1", "r1")),
        ((AGENT_MODEL_REQUEST, None, None, "sevt_1"), session_event_ids("sevt_1")),
        ((AGENT_MODEL_REQUEST, None, None, None), None),
        (("batch_create", "msgbatch_1", None, None), None),
        (("chat", None, "r1", "msg_1"), None),
        (("chat", None, None, "msg_1"), None),
        ((None, None, None, None), None),
    ],
)
def test_only_what_was_told_within_another_call_has_ids_by_its_names(
    facts: tuple[str | None, str | None, str | None, str | None], ids: tuple[int, int] | None
) -> None:
    assert ids_of_told(*facts) == ids
