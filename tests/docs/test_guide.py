"""What the README and the guide show works as shown."""

from __future__ import annotations

import gc
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

import claude_telemetry
from claude_telemetry.cli import COMMANDS
from claude_telemetry.cli import main as cli
from claude_telemetry.fake import FakeClaude
from claude_telemetry.settings import SETTINGS
from tests.support.otlp import OtlpReceiver

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *(ROOT / "docs" / name for name in ("guide.md", "deploying.md", "terminal.md")))


def blocks(language: str) -> list[str]:
    return [
        block
        for page in PAGES
        for block in re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.M)
    ]


def commands() -> list[list[str]]:
    """Every `claude-telemetry …` of a shell block, in words."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("claude-telemetry")]


@pytest.fixture
def recorded(claude: FakeClaude, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names of the spans that the examples deliver; their questions are answered by the stand-in."""
    monkeypatch.setenv("ANTHROPIC_BASE_URL", claude.url)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "any")
    with OtlpReceiver() as receiver:
        monkeypatch.setenv("CLAUDE_TELEMETRY_ENDPOINT", receiver.url)
        claude_telemetry.instrument()
        yield receiver.spans
        claude_telemetry.uninstrument()


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # examples leave their client open, as applications do
@pytest.mark.parametrize("source", [source for source in blocks("python") if "..." not in source], ids=len)
def test_an_example_in_python_runs_and_its_calls_are_recorded(source: str, recorded: list[str]) -> None:
    names: dict[str, object] = {}
    exec(compile(source, "example", "exec"), names)
    assert claude_telemetry.flush(10)
    makes_a_call = "messages.create" in source
    assert ("anthropic.messages.create" in recorded) is makes_a_call
    names.clear()
    gc.collect()  # here, where what an open client says on going is not an error


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_what_the_guide_says_was_spent_is_what_is_printed(
    recorded: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    source = next(source for source in blocks("python") if "tracking()" in source)
    shown = next(line.partition("# ")[2] for line in source.splitlines() if line.startswith("print(spent)"))
    names: dict[str, object] = {}
    exec(compile(source, "example", "exec"), names)
    assert capsys.readouterr().out.splitlines()[0] == shown
    names.clear()
    gc.collect()


def test_there_are_examples_to_run() -> None:
    assert len(blocks("python")) >= 7
    assert len(commands()) >= 8


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_a_command_that_is_shown_exists_with_its_flags(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert words[0] in {command.name for command in COMMANDS}
    with pytest.raises(SystemExit) as left:
        cli([words[0], "--help"])
    assert left.value.code == 0
    described = capsys.readouterr().out
    assert [word for word in words if word.startswith("--") and word not in described] == []


def test_the_price_in_the_guide_is_what_the_command_says(capsys: pytest.CaptureFixture[str]) -> None:
    shown = next(block for block in blocks("text") if "USD for these tokens" in block)
    words = next(words for words in commands() if words[0] == "price")
    assert cli([*words, "--at", "2026-11-20"]) == 0
    assert shown in capsys.readouterr().out


def test_variables_that_are_named_exist() -> None:
    named = {name for page in PAGES for name in re.findall(r"CLAUDE_TELEMETRY_\w+", page.read_text())}
    assert named <= {setting.variable for setting in SETTINGS}
    assert named
