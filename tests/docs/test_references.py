"""What the pages point at is there: other pages, files, tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md")))
PACKAGES = (
    "telemetry/claude_telemetry",
    "collector/claude_telemetry_collector",
    "dashboard/claude_telemetry_dashboard",
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not target.startswith("http") and not (page.parent / target).exists()] == []


def test_there_are_links_to_follow() -> None:
    assert "docs/guide.md" in re.findall(r"\]\(([^)#]+)", PAGES[0].read_text(encoding="utf-8"))


def test_every_file_on_the_way_of_a_call_is_there() -> None:
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    named = re.findall(r"`([\w/.]+(?:\.py|\.json|/))`", page)
    assert len(named) > 30
    places = [ROOT, *(ROOT / package for package in PACKAGES)]
    assert [name for name in named if not any((place / name).exists() for place in places)] == []


def test_tests_that_decisions_rest_on_exist() -> None:
    decisions = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs/decisions").glob("*.md"))
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", decisions))
    assert named
    assert {name for name in named if f"def {name}(" not in tests} == set()
