"""What is taken along: nothing in it is a formula, numbers are numbers, and nothing is rounded."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from claude_telemetry_dashboard.panels.export import csv_of, parquet_of

INVISIBLE = ' \t\r\n\x00\x0b"\u00a0\u200b\ufeff\u3000'
SIGNS = "=+-@＝＋－＠"


def cells(written: bytes, separator: str = ",") -> list[list[str]]:
    text = written.decode("utf-8-sig").replace("\x00", " ")
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))


def column(*texts: str | None) -> list[str]:
    return [row[0] for row in cells(csv_of(pa.table({"a": pa.array(texts, pa.string())})))[1:]]


@pytest.mark.parametrize("sign", SIGNS)
def test_a_text_that_begins_as_a_formula_is_a_text(sign: str) -> None:
    assert column(f"{sign}1+1", f" {sign}1", f"\u200b{sign}1", f"a{sign}1") == [
        f"'{sign}1+1",
        f" '{sign}1",
        f"\u200b'{sign}1",
        f"a{sign}1",
    ]


@pytest.mark.parametrize("space", "\t\r\n")
def test_a_text_that_begins_with_a_tab_or_a_line_break_is_a_text(space: str) -> None:
    assert column(f"{space}x", f"{space}=x") == [f"'{space}x", f"'{space}'=x"]


def test_a_heading_is_no_formula_either() -> None:
    assert csv_of(pa.table({"=a": [1], 'b"': [2]})) == '\ufeff"\'=a","b"""\r\n1,2\r\n'.encode()


pieces = st.lists(st.sampled_from([*INVISIBLE, *SIGNS, ";", ",", "'", "cmd", "|", "ü"]), max_size=6).map("".join)


@given(texts=st.lists(pieces, min_size=1, max_size=3), separator=st.sampled_from(",;\t"))
@example(texts=['x;"=1+1;y'], separator=";")
@example(texts=["x\n=1;"], separator=";")
def test_no_separator_that_a_spreadsheet_may_take_makes_a_formula_of_a_text(texts: list[str], separator: str) -> None:
    written = csv_of(
        pa.table({text: pa.array([text]) for text in texts} if len(set(texts)) == len(texts) else {"a": texts})
    )
    for row in cells(written, separator):
        for cell in row:
            assert not cell.lstrip(INVISIBLE).startswith(tuple(SIGNS)), (cell, written)


@given(st.lists(st.text(max_size=20).filter(lambda text: "\x00" not in text), min_size=1, max_size=5))
def test_apart_from_apostrophes_a_text_comes_back_as_it_was(texts: list[str]) -> None:
    assert [text.replace("'", "") for text in column(*texts)] == [text.replace("'", "") for text in texts]


def test_numbers_stay_numbers_and_what_is_not_known_is_empty() -> None:
    at = datetime(2026, 11, 20, 12, 0, 0, 250_000, UTC)
    words: Any = pa.array(["=a", None])
    columns: dict[str, Any] = {
        "whole": pa.array([-1, None]),
        "money": pa.array([Decimal("-0.000000000001"), None], pa.decimal128(38, 12)),
        "share": pa.array([-0.5, float("-inf")]),
        "at": pa.array([at.replace(tzinfo=None), None], pa.timestamp("us")),
        "zoned": pa.array([at, None], pa.timestamp("ms", "UTC")),
        "day": pa.array([date(2026, 11, 20), None]),
        "yes": pa.array([True, None]),
        "word": words.dictionary_encode(),
        "bytes": pa.array([b"\x0f", None]),
        "nested": pa.array([["=a", "b"], None]),
    }
    assert csv_of(pa.table(columns)).decode("utf-8-sig").split("\r\n") == [
        '"whole","money","share","at","zoned","day","yes","word","bytes","nested"',
        (
            "-1,-0.000000000001,-0.5,2026-11-20T12:00:00.250000Z,2026-11-20T12:00:00.250000Z,2026-11-20,true,"
            '"\'=a",0f,"[""=a"", ""b""]"'
        ),
        ",,,,,,,,,",
        "",
    ]


def test_no_rows_and_no_columns_make_a_file_too() -> None:
    assert csv_of(pa.table({"a": pa.array([], pa.string())})).decode("utf-8-sig") == '"a"\r\n'
    assert csv_of(pa.table({})).decode("utf-8-sig") == ""


def test_parquet_holds_what_the_table_holds() -> None:
    table = pa.table({"=a": ["=1", None], "b": pa.array([Decimal("0.000000000001"), None], pa.decimal128(38, 12))})
    again: Any = pq.read_table(  # pyright: ignore[reportUnknownMemberType] - pyarrow's stubs leave it open
        io.BytesIO(parquet_of(table))
    )
    assert again.equals(table)


def test_nothing_is_made_before_somebody_asks() -> None:
    def page() -> None:
        import pyarrow as pa

        from claude_telemetry_dashboard.panels import export

        def never() -> pa.Table:
            raise AssertionError("nobody asked")

        export.offer(never, "some")
        export.offer(pa.table({"a": [1]}), "others")

    test = AppTest.from_function(page).run()
    assert not test.exception
    buttons: Any = test.get("download_button")
    assert [button.label for button in buttons] == [
        "CSV, for spreadsheets",
        "Parquet, for programs",
    ] * 2
