"""Places where a framework, or another instrumentation, is installed beside us: as in `tests/matrix`, in other company.

What is in each stands in `pins/`, which `python -m tests.frameworks.environments` writes.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.matrix.environments import KEPT, ROOT, entries, hashes

PINS = Path(__file__).parent / "pins"

ASKED_FOR: Mapping[str, Sequence[str]] = {
    "frameworks": ("langchain", "langchain-anthropic", "pydantic-ai-slim[anthropic]"),
    "instructor": ("instructor[anthropic]",),
    "peers": (
        "langfuse",
        "logfire",
        "openinference-instrumentation-anthropic",
        "opentelemetry-distro",
        "opentelemetry-instrumentation-anthropic",
        "opentelemetry-instrumentation-genai-anthropic",
    ),
}
"""What an environment has beside what the tests need. Instructor is alone, since it pins the SDK."""
_NEEDED = ("pytest",)


def interpreter_of(name: str) -> Path:
    """The Python of an environment, which is made if it is not there. Kept by its pins in `.venv/matrix`.
    By one process at a time."""
    pins = _pins_of(name)
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / f"{name}.lock").open("w") as making:
        fcntl.flock(making, fcntl.LOCK_EX)  # whoever else runs tests waits, and finds it made
        return _made(name, pins) / "bin" / "python"


def _made(name: str, pins: str) -> Path:
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    place = KEPT / f"{name}-{version}-{hashlib.sha256(pins.encode()).hexdigest()[:12]}"
    if not place.exists():
        # Made beside and then moved, so that half an environment is never taken for a whole one.
        with tempfile.TemporaryDirectory(dir=KEPT) as beside:
            _install(pins, Path(beside) / "made")
            (Path(beside) / "made").rename(place)
    return place


def ran_in(name: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Python of the environment `name` with these arguments, and this project on its path."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(_NOT_PASSED_ON)}
    kept |= {"PYTHONPATH": f"{ROOT / 'telemetry'}{os.pathsep}{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [str(interpreter_of(name)), *arguments],
        env={**kept, **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
    )


_NOT_PASSED_ON = ("PYTHONPATH", "VIRTUAL_ENV", "PYTEST_", "OTEL_", "ANTHROPIC_", "LANGCHAIN_", "LANGSMITH_")
_PATIENCE_S = 120


def _pins_of(name: str) -> str:
    """With hashes, as an installer takes them."""
    return "".join(f"{pin}{_hashes()[pin.partition(' ;')[0]]}\n" for pin in pins_of(name))


def pins_of(name: str) -> list[str]:
    """Lines such as `anyio==4.16.0`, some with a marker."""
    return (PINS / f"{name}.txt").read_text(encoding="utf-8").splitlines()


@functools.cache
def _hashes() -> Mapping[str, str]:
    further = entries((PINS / "hashes.txt").read_text("utf-8"))
    return {**hashes(), **further}


def _install(pins: str, place: Path) -> None:
    wanted = place.with_suffix(".txt")
    wanted.write_text(pins, encoding="utf-8")
    _run([sys.executable, "-m", "venv", "--without-pip", str(place)])
    python, which = str(place / "bin" / "python"), ["--require-hashes", "--only-binary", ":all:", "-r", str(wanted)]
    uv = _uv()
    if uv is not None:
        _run([uv, "pip", "install", "--quiet", "--python", python, "--no-deps", *which])
    else:
        pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check"]
        _run([*pip, "install", "--quiet", "--no-compile", "--no-deps", *which])


def _uv() -> str | None:
    beside = Path(sys.executable).with_name("uv")
    return shutil.which("uv") or (str(beside) if beside.exists() else None)


def _run(command: Sequence[str]) -> None:
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    ran = subprocess.run(command, env=kept, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{ran.stdout}{ran.stderr}")


def pin() -> None:
    """Writes `pins/`. What an environment does not ask for itself is as in `constraints.txt`, where that fits."""
    core = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    found: dict[str, str] = {}
    for name, asked_for in ASKED_FOR.items():
        pinned = entries(_compiled([*core, *_NEEDED, *asked_for]))
        (PINS / f"{name}.txt").write_text("".join(f"{each}\n" for each in sorted(pinned)), encoding="utf-8")
        found.update((each.partition(" ;")[0], ends) for each, ends in pinned.items())
    unknown = sorted(each for each in found if each not in hashes())
    (PINS / "hashes.txt").write_text("".join(f"{each}{found[each]}\n" for each in unknown), encoding="utf-8")


def _compiled(requirements: Sequence[str]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        asked, compiled = Path(folder) / "asked.in", Path(folder) / "compiled.txt"
        asked.write_text("\n".join(requirements), encoding="utf-8")
        shutil.copy(ROOT / "constraints.txt", compiled)  # what is in it already is preferred
        which = ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-emit-index-url"]
        how = ["--quiet", "--no-header", "--no-annotate", "-o", str(compiled)]
        _run([_uv() or "uv", "pip", "compile", str(asked), *which, *how])
        return compiled.read_text("utf-8")


if __name__ == "__main__":
    pin()
