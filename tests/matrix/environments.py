"""The versions that everything has to hold with, and a place to run each in.

An *environment* is a virtual environment without packages of its own that sees two *layers*: folders with the packages
that all environments have in common, and with those that are its own. A layer is made once and kept in `.venv/matrix`,
by the digest of its pins; what is in it stands in `pins/`, which `python -m tests.matrix.pin` writes.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PINS = Path(__file__).parent / "pins"
KEPT = ROOT / ".venv" / "matrix"
_ENTRY = re.compile(r"^([\w.-]+)==([^\s;\\]+)( ; [^\\\n]+?)?((?: \\\n +--hash=\S+)+)", re.MULTILINE)

SDKS = ("0.40.0", "0.49.0", "0.73.0", "0.93.0", "0.125.0", "1.13.0", "1.17.0")
"""Of anthropic, beside the newest: the oldest, and those that widely used packages pin or that were the last without
something (httpx 2 from 1.0, tracing of its own from 1.14)."""
OLDEST_OPENTELEMETRY = "1.33.1"
OTHER_PYTHONS = ("3.13",)
"""The newest; the suite itself runs in the oldest, if that is what the project was set up with."""

_making: defaultdict[Path, threading.Lock] = defaultdict(threading.Lock)
"""So that a layer that two environments share is made once."""

ASKED_FOR = {
    **{f"anthropic-{version}": [f"anthropic=={version}"] for version in SDKS},
    "newest": [],
    f"opentelemetry-{OLDEST_OPENTELEMETRY}": [
        f"opentelemetry-{part}=={OLDEST_OPENTELEMETRY}" for part in ("api", "sdk", "exporter-otlp-proto-common")
    ],
}
"""What an environment pins by hand, by its name."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    name: str
    pins: str
    """The name of its pins: those of `newest` serve more than one."""
    python: str
    """The interpreter."""


def environments() -> list[Environment]:
    """Those that this machine can run: one more for each other Python that is found on it. The newest of everything,
    with this Python, is what the whole suite runs in."""
    here = [Environment(name=name, pins=name, python=sys.executable) for name in ASKED_FOR if name != "newest"]
    others = [
        Environment(name=f"python-{version}", pins="newest", python=found)
        for version in OTHER_PYTHONS
        if (found := _python(version)) is not None
    ]
    return here + others


def made(environment: Environment) -> Path:
    """The interpreter of `environment`, which is made if it is not there. Thread-safe."""
    own, common = _split(environment.pins)
    layers = [_layer(environment, pins) for pins in (common, own)]
    place = KEPT / environment.name
    interpreter = place / "bin" / "python"
    if not interpreter.exists():
        _said([environment.python, "-m", "venv", "--without-pip", "--clear", str(place)])
    (packages,) = place.glob("lib/python*/site-packages")
    (packages / "layers.pth").write_text("".join(f"{layer}\n" for layer in layers))
    return interpreter


def pins_of(name: str) -> list[str]:
    """Lines such as `anyio==4.16.0`, some with a marker."""
    return (PINS / f"{name}.txt").read_text(encoding="utf-8").splitlines()


@functools.cache
def hashes() -> dict[str, str]:
    """What to write behind a pin for the installer to check what it gets, by pin without marker."""
    texts = [(ROOT / "constraints.txt").read_text("utf-8"), (PINS / "hashes.txt").read_text("utf-8")]
    return {f"{name}=={version}": ends for text in texts for name, version, _, ends in _ENTRY.findall(text)}


def entries(compiled: str) -> dict[str, str]:
    """The pins in a compiled file, with their marker, and the hashes of each."""
    return {f"{name}=={version}{marker}": ends for name, version, marker, ends in _ENTRY.findall(compiled)}


def _split(name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The pins that are its own, and those that all have."""
    common = set(pins_of(name)).intersection(*(pins_of(each) for each in ASKED_FOR))
    pins = pins_of(name)
    return tuple(pin for pin in pins if pin not in common), tuple(sorted(common))


def _layer(environment: Environment, pins: Sequence[str]) -> Path:
    version = _said([environment.python, "-c", "import sys; print(*sys.version_info[:2], sep='.')"]).strip()
    digest = hashlib.sha256("\n".join(pins).encode()).hexdigest()[:12]
    place = KEPT / "layers" / f"{version}-{digest}"
    with _making[place]:
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            # Made beside and then moved, so that half a layer is never taken for a whole one.
            with tempfile.TemporaryDirectory(dir=place.parent) as beside:
                _install(environment.python, pins, Path(beside) / "layer")
                (Path(beside) / "layer").rename(place)
    return place


def _install(python: str, pins: Iterable[str], target: Path) -> None:
    wanted = target.with_suffix(".txt")
    wanted.write_text("".join(f"{pin}{hashes()[pin.partition(' ;')[0]]}\n" for pin in pins), encoding="utf-8")
    beside = Path(sys.executable).with_name("uv")
    uv = shutil.which("uv") or (str(beside) if beside.exists() else None)
    which = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--target", str(target), "-r", str(wanted)]
    if uv is not None:
        _said([uv, "pip", "install", "--quiet", "--python", python, *which])
    else:
        # Its own pip, where it has one: an old pip cannot install for a newer Python than it knows.
        own = subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0
        pip = [python, "-m", "pip"] if own else [sys.executable, "-m", "pip", "--python", python]
        _said([*pip, "--disable-pip-version-check", "install", "--quiet", "--no-compile", *which])


def _python(version: str) -> str | None:
    """An interpreter of that version which works, unless it is the one that runs this."""
    if version == f"{sys.version_info[0]}.{sys.version_info[1]}":
        return None
    on_path = shutil.which(f"python{version}")
    by_pyenv = sorted(Path("~/.pyenv/versions").expanduser().glob(f"{version}.*/bin/python"))
    for found in [*([on_path] if on_path else []), *map(str, by_pyenv)]:
        ran = subprocess.run([found, "-c", "import ssl, venv"], capture_output=True, check=False)
        if ran.returncode == 0:
            return found
    return None


def _said(command: Sequence[str]) -> str:
    """What it says on standard output. Raises `RuntimeError` with all that it says when it fails."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{ran.stdout}{ran.stderr}")
    return ran.stdout
