"""The command `claude-telemetry`."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata

import pytest

from claude_telemetry import cli
from claude_telemetry.cli import COMMANDS, Command, main


def test_help_names_every_command_and_how_to_start(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    said = capsys.readouterr().out
    assert all(f"\n  {command.name} " in said for command in COMMANDS)
    assert "claude-telemetry demo" in said


def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    for command in COMMANDS:
        with pytest.raises(SystemExit) as left:
            main([command.name, "--help"])
        assert left.value.code == 0
        assert capsys.readouterr().out.startswith(f"usage: claude-telemetry {command.name}")


def test_the_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert capsys.readouterr().out == f"claude-telemetry-sidecar {metadata.version('claude-telemetry-sidecar')}\n"


def test_a_slip_of_the_pen_gets_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["colect"]) == 2
    assert capsys.readouterr().err == "claude-telemetry: there is no command 'colect'; did you mean `collect`?\n"


def test_a_setting_that_cannot_be_used_is_told_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLAUDE_TELEMETRY_FAKE_CLAUDE", "nonsense")
    assert main(["fake-claude"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("claude-telemetry fake-claude: CLAUDE_TELEMETRY_FAKE_CLAUDE is 'nonsense': give HOST:PORT")
    assert said.count("\n") == 1


def test_a_missing_extra_is_told_with_the_command_that_installs_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = Command("collect", "a_package_that_is_not_there.collector", "", "collector")
    monkeypatch.setattr(cli, "COMMANDS", (missing,))
    assert main(["collect"]) == 1
    assert capsys.readouterr().err == (
        "claude-telemetry collect: needs the package a_package_that_is_not_there, which is not installed: "
        'run `pip install "claude-telemetry-sidecar[collector]"`\n'
    )


def test_a_command_can_be_left_with_ctrl_c_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(argv: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("claude_telemetry.price.main", interrupted)
    assert main(["price", "claude-haiku-5-5"]) == 130


def test_a_reader_that_has_had_enough_is_no_error() -> None:
    pipeline = f"set -o pipefail; {sys.executable} -m claude_telemetry price claude-haiku-5-5 | true"
    ran = subprocess.run(["bash", "-c", pipeline], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_asking_for_help_loads_nothing_heavy() -> None:
    heavy = "('anthropic', 'opentelemetry', 'duckdb', 'streamlit', 'pyarrow', 'claude_telemetry_collector')"
    program = (
        f"from claude_telemetry.cli import main; main([]); import sys; print([m for m in {heavy} if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said.endswith("[]\n")


def test_it_also_runs_as_a_module() -> None:
    ran = subprocess.run([sys.executable, "-m", "claude_telemetry", "version"], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("claude-telemetry-sidecar ")


def test_a_flag_that_is_not_there_is_told_in_two_lines_and_not_in_twenty(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["up", "--prot", "3"])
    assert left.value.code == 2
    assert capsys.readouterr().err == (
        "usage: claude-telemetry up [OPTION ...]\nclaude-telemetry up: error: unrecognized arguments: --prot 3\n"
    )
