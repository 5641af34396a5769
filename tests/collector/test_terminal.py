"""What a terminal is given: nothing from a record steers it, and columns stand below each other."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_telemetry_collector.terminal import cells_wide, columns, cut, printable


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("plain ✓ ü 漢", "plain ✓ ü 漢"),
        ("\x1b[31mred\x1b]0;title\x07", r"\x1b[31mred\x1b]0;title\x07"),
        ("a\r\nb\tc\x00", r"a\r\nb\tc\x00"),
        ("\x9b2J\x7f", r"\x9b2J\x7f"),
        ("\u202egpj.exe\u2066", r"\u{202e}gpj.exe\u{2066}"),
        ("zero\u200bwidth\ufeff", r"zero\u{200b}width\u{feff}"),
        ("two\u2028lines", r"two\u{2028}lines"),
    ],
)
def test_what_would_steer_a_terminal_is_written_out(told: str, shown: str) -> None:
    assert printable(told) == shown


@given(st.text(max_size=30))
def test_whatever_is_printed_is_one_line_of_seen_characters(text: str) -> None:
    assert all(unicodedata.category(one)[0] not in "C" for one in printable(text))
    assert len(printable(text).splitlines()) <= 1


def test_wide_characters_take_two_cells_and_marks_none() -> None:
    assert [cells_wide(text) for text in ("abc", "漢字", "e\u0301", "")] == [3, 4, 1, 0]


def test_a_text_is_cut_by_the_cells_that_it_takes() -> None:
    assert [cut("abcdef", 6), cut("abcdef", 5), cut("漢字漢字", 5), cut("ab", 1)] == ["abcdef", "abcd…", "漢字…", "…"]


def test_columns_stand_below_each_other_whatever_is_in_them() -> None:
    assert list(columns(("name", "n"), [("漢字漢", "1"), ("a", "1,000")], left=1)) == [
        "name        n",
        "──────  ─────",
        "漢字漢      1",
        "a       1,000",
    ]
