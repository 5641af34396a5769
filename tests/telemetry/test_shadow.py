"""The other package of our import name is noticed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from claude_telemetry.shadow import location, shadow_problem


def install_other(site: Path) -> None:
    """What `pip install claude-telemetry` leaves, as far as importlib.metadata sees it."""
    record = site / "claude_telemetry-0.5.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: claude-telemetry\nVersion: 0.5.0\n")


def test_without_it_there_is_no_problem(tmp_path: Path) -> None:
    assert shadow_problem() is None
    assert shadow_problem(tmp_path) is None


def test_its_presence_is_told_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_other(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    problem = shadow_problem()
    assert problem is not None
    assert "claude-telemetry 0.5.0" in problem
    assert "`pip uninstall claude-telemetry`" in problem
    assert "`pip install --force-reinstall claude-telemetry-sidecar`" in problem


def test_a_file_of_that_name_where_the_program_starts_is_told(tmp_path: Path) -> None:
    (tmp_path / "claude_telemetry.py").write_text("")
    problem = shadow_problem(tmp_path)
    assert problem is not None
    assert str(tmp_path / "claude_telemetry.py") in problem


def test_starting_beside_our_own_source_is_no_problem() -> None:
    assert shadow_problem(location().parent) is None
