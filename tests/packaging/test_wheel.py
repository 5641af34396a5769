"""The wheel in a fresh environment, without extras: light, typed, and clear about what is missing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from claude_telemetry.fake import FakeClaude
from tests.support.otlp import OtlpReceiver

ROOT = Path(__file__).parents[2]
EVERYDAY_USE = Path(__file__).parent / "everyday_use.py"


def done(command: Sequence[str | Path], cwd: Path) -> str:
    """What it says on standard output. Fails with all that it says when it fails."""
    # Of this checkout nothing may be found: only what is installed.
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    ran = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel."""
    folder = tmp_path_factory.mktemp("dist")
    done([sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder], cwd=ROOT)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def light(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of an environment with the wheel and what it requires, in the pinned versions."""
    folder = tmp_path_factory.mktemp("light")
    pins = folder / "pins.txt"
    # Without hashes, which pip would then want for the wheel too.
    pins.write_text("\n".join(re.findall(r"^[\w.-]+==[^\\\n]+", (ROOT / "constraints.txt").read_text(), re.MULTILINE)))
    venv = folder / "venv"
    if uv := shutil.which("uv"):
        done([uv, "venv", "--quiet", "--python", sys.executable, venv], cwd=folder)
        done([uv, "pip", "install", "--quiet", "--python", venv, "--constraint", pins, wheel], cwd=folder)
    else:
        done([sys.executable, "-m", "venv", venv], cwd=folder)
        done([venv / "bin/python", "-m", "pip", "install", "--quiet", "--constraint", pins, wheel], cwd=folder)
    return venv / "bin"


def test_it_holds_the_three_parts_their_types_and_the_licence_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    parts = {"claude_telemetry", "claude_telemetry_collector", "claude_telemetry_dashboard"}
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == parts
    assert {f"{part}/py.typed" for part in parts} <= set(names)
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    sources = {
        str(path.relative_to(path_of_part.parent))
        for part in ("telemetry", "collector", "dashboard")
        for path_of_part in (ROOT / part).glob("claude_telemetry*")
        for path in path_of_part.rglob("*.py")
    }
    assert sources <= set(names)


def test_importing_it_loads_nothing_heavy(light: Path, tmp_path: Path) -> None:
    program = (
        "import sys, claude_telemetry\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules if name.split('.')[0] in {\n"
        "    'anthropic', 'httpx', 'httpx2', 'opentelemetry', 'duckdb', 'pyarrow', 'streamlit', 'uvicorn'}}))\n"
        "print(claude_telemetry.__file__)"
    )
    loaded, place = done([light / "python", "-c", program], cwd=tmp_path).splitlines()
    assert loaded == ""
    assert Path(place).is_relative_to(light.parent)


def test_the_command_answers(light: Path, tmp_path: Path) -> None:
    assert done([light / "claude-telemetry", "version"], cwd=tmp_path).startswith("claude-telemetry-sidecar ")
    assert "Commands:" in done([light / "claude-telemetry", "--help"], cwd=tmp_path)
    assert "USD per million" in done([light / "claude-telemetry", "price", "claude-haiku-5-5"], cwd=tmp_path)


@pytest.mark.parametrize(
    ("command", "extra"), [("collect", "collector"), ("query", "collector"), ("dashboard", "dashboard"), ("up", "all")]
)
def test_a_part_without_its_packages_says_what_to_install(light: Path, command: str, extra: str) -> None:
    asked = [str(light / "claude-telemetry"), command, *(["SELECT 1"] if command == "query" else [])]
    ran = subprocess.run(asked, capture_output=True, text=True)
    assert ran.returncode == 1
    assert ran.stderr.endswith(f'run `pip install "claude-telemetry-sidecar[{extra}]"`\n')
    assert ran.stderr.count("\n") == 1


def test_everyday_use_runs_on_it(light: Path, tmp_path: Path) -> None:
    with FakeClaude() as claude, OtlpReceiver() as receiver:
        said = done([light / "python", "-W", "error", EVERYDAY_USE, claude.url, receiver.url], cwd=tmp_path)
    assert said == "delivered: True; said: True\n"
    assert len(receiver.spans) == 4


def test_everyday_use_type_checks_against_it(light: Path, tmp_path: Path) -> None:
    shutil.copy(EVERYDAY_USE, tmp_path)
    (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
    pyright = Path(sys.executable).with_name("pyright")
    said = done([pyright, "--pythonpath", light / "python", EVERYDAY_USE.name], cwd=tmp_path)
    assert "0 errors" in said
