"""`docs/pricing.md` is true: its example runs, and its flags are the flags."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "pricing.md").read_text()
SOURCES = (ROOT / "telemetry" / "claude_telemetry" / "pricing").glob("*.py")


def test_the_example_prints_what_the_page_says() -> None:
    program, output = re.findall(r"```(?:python|text)\n(.*?)```", PAGE, re.DOTALL)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == output


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
