"""Writes `pins/`: the exact versions of each environment. `make pins` runs it.

What an environment does not ask for itself is as in `constraints.txt`, where that fits.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from tests.matrix.environments import ASKED_FOR, PINS, ROOT, entries

NEEDED = ["pytest", "hypothesis", "aiohttp", "boto3", "brotli", "trio"]
"""What the tests use, or the scenarios where it is there."""
NEEDED_WITH = {
    "httpx": ["httpx-aiohttp", "opentelemetry-instrumentation-httpx", "zstandard"],
    "httpx2": ["backports-zstd"],
}
"""By the HTTP library of the SDK: before anthropic 1.0 that is `httpx`."""


def main() -> None:
    core = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    known = entries((ROOT / "constraints.txt").read_text("utf-8"))
    unknown: dict[str, str] = {}
    PINS.mkdir(exist_ok=True)
    for name, asked_for in ASKED_FOR.items():
        library = "httpx" if any(pin.startswith("anthropic==0.") for pin in asked_for) else "httpx2"
        pinned = entries(_compiled([*core, *NEEDED, *NEEDED_WITH[library], *asked_for]))
        (PINS / f"{name}.txt").write_text("".join(f"{pin}\n" for pin in sorted(pinned)), encoding="utf-8")
        unknown.update((pin.partition(" ;")[0], ends) for pin, ends in pinned.items())
    bare = {pin.partition(" ;")[0] for pin in known}
    lines = [f"{pin}{ends}\n" for pin, ends in sorted(unknown.items()) if pin not in bare]
    (PINS / "hashes.txt").write_text("".join(lines), encoding="utf-8")


def _compiled(requirements: list[str]) -> str:
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    with tempfile.TemporaryDirectory() as place:
        asked, compiled = Path(place) / "asked.in", Path(place) / "compiled.txt"
        asked.write_text("\n".join(requirements), encoding="utf-8")
        # What is in the file already is preferred.
        shutil.copy(ROOT / "constraints.txt", compiled)
        which = ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-emit-index-url"]
        how = ["--quiet", "--no-header", "--no-annotate", "-o", str(compiled)]
        subprocess.run([uv, "pip", "compile", str(asked), *which, *how], check=True)
        return compiled.read_text("utf-8")


if __name__ == "__main__":
    main()
