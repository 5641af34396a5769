"""What is believed of a fact, where there is a short way to tell."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_telemetry.record import Call
from claude_telemetry_collector.decode import facts
from claude_telemetry_collector.decode.door import MAX_ITEMS
from claude_telemetry_collector.decode.facts import believable

NAMES = st.text(max_size=3) | st.sampled_from(["input_tokens", "claude-opus-4-8", "", "x" * 101])
VALUES = NAMES | st.booleans() | st.none() | st.integers(-3, 10**19) | st.floats()
OBJECTS = st.dictionaries(NAMES, VALUES | st.dictionaries(NAMES, VALUES, max_size=3), max_size=5)


@given(OBJECTS, st.sampled_from([(",", ":"), (", ", ": ")]))
def test_the_short_way_to_tell_that_a_usage_is_sound_says_what_the_long_one_does(
    usage: dict[str, object], separators: tuple[str, str]
) -> None:
    text = json.dumps(usage, separators=separators)
    short = believable({"usage": text}, Call)
    with pytest.MonkeyPatch.context() as without:
        without.setattr(facts, "MAX_SIMPLE", -1)
        assert believable({"usage": text}, Call) == short


def test_a_usage_with_more_entries_than_are_kept_is_cut() -> None:
    usage = {f"{number:03}": 1 for number in range(MAX_ITEMS + 1)}
    (kept,) = believable({"usage": json.dumps(usage, separators=(",", ":"))}, Call).values()
    assert len(json.loads(kept)) == MAX_ITEMS
