"""The exact versions that everybody gets are those that the project asks for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PINS = (ROOT / "constraints.txt").read_text(encoding="utf-8")


def pinned() -> dict[str, list[str]]:
    """The versions of each package: more than one where they differ by Python version."""
    versions: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==([^\s;\\]+)", PINS, re.MULTILINE):
        versions.setdefault(canonicalize_name(name), []).append(version)
    return versions


def asked_for() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = [
        project["build-system"]["requires"],
        project["project"]["dependencies"],
        *project["project"]["optional-dependencies"].values(),
        project["dependency-groups"]["dev"],
    ]
    return [Requirement(text) for group in groups for text in group]


def test_all_that_the_project_asks_for_is_pinned_to_versions_that_fit() -> None:
    ours = "claude-telemetry-sidecar"
    versions = pinned()
    for requirement in asked_for():
        name = canonicalize_name(requirement.name)
        if name != ours:
            assert name in versions, f"{name} is not pinned: run `make pins`"
            assert all(requirement.specifier.contains(version) for version in versions[name]), requirement


def test_every_pin_has_hashes() -> None:
    entries = re.split(r"\n(?=[\w])", PINS.split("\n", 2)[2])
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_no_address_and_no_place_on_a_machine_is_in_the_pins() -> None:
    assert re.findall(r"https?:|file:|--index|--find-links|^-|(?<!\w)/\w", PINS, re.MULTILINE) == []
