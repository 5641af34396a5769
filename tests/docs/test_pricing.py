"""`docs/pricing.md` is true: its example runs, and its flags are the flags."""

from __future__ import annotations

import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "pricing.md").read_text()
SOURCES = (ROOT / "telemetry" / "claude_telemetry" / "pricing").glob("*.py")


EXAMPLES = re.findall(r"```python\n([^`]*)```\n\n```text\n([^`]*)```", PAGE)
WORKED = PAGE.partition("## A worked example\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize(("program", "output"), EXAMPLES, ids=["first", "worked"])
def test_an_example_prints_what_the_page_says(program: str, output: str) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", program], capture_output=True, encoding="utf-8", check=True, timeout=60
    )
    assert done.stdout == output


def test_every_amount_that_the_worked_example_tells_of_is_one_that_it_has_computed() -> None:
    output = re.findall(r"```text\n(.*?)```", WORKED, re.DOTALL)[0]
    prose = re.sub(r"```.*?```", "", WORKED, flags=re.DOTALL)
    computed = {Decimal(amount) for amount in re.findall(r"\$(\d+\.\d+)", output)}
    told = {Decimal(amount) for amount in re.findall(r"\$(\d+\.\d+)", prose)}
    # The price of input is what the question gives: 10,000 tokens at three dollars a million are three cents.
    assert told - {Decimal("3.00")} <= computed
    assert Decimal("0.03") in computed
    assert set(re.findall(r"\d+\.\d%", prose)) <= set(re.findall(r"\d+\.\d%", output))


def test_the_worked_example_is_what_a_hand_works_out() -> None:
    # 1,000 times 10,000 tokens are ten million, at $3.00 a million. Cached: one write at $3.75, 999 reads at $0.30.
    uncached = Decimal(10) * 3
    cached = Decimal("0.01") * Decimal("3.75") + Decimal("9.99") * Decimal("0.30")
    # 89 writes and 911 reads: one query in eleven comes late.
    late = Decimal("0.89") * Decimal("3.75") + Decimal("9.11") * Decimal("0.30")
    assert (uncached, cached, uncached - cached, late) == (
        Decimal(30),
        Decimal("3.0345"),
        Decimal("26.9655"),
        Decimal("6.0705"),
    )
    for amount in (uncached, cached, uncached - cached, late):
        assert f"${amount:.5f}" in WORKED
    assert round(late / cached, 2) == 2


def test_every_flag_is_explained_and_every_explained_flag_exists() -> None:
    raised = {
        flag
        for source in SOURCES
        for flag in re.findall(r'(?:UnpricedError|flags\.append)\("(\w+)"\)', source.read_text())
    }
    flags_of_the_page = PAGE.partition("## Flags")[2].partition("## How far")[0]
    explained = {
        flag
        for row in re.findall(r"^\| (`.*?) \|", flags_of_the_page, re.MULTILINE)
        for flag in re.findall(r"`(\w+)`", row)
    }
    assert explained == raised
