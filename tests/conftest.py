"""Fixtures that tests of every part share, by name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from claude_telemetry.fake import FakeClaude, FakeSlack


@pytest.fixture(autouse=True)
def _no_folder_of_the_user(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept on disk, such as the key of fingerprints or calls that nobody takes, is kept where it is gone after
    the test: a collector of another test would pick it up. And whoever runs the tests may have settings in a file."""
    folder = tmp_path_factory.mktemp("data")
    monkeypatch.setenv("CLAUDE_TELEMETRY_DATA", str(folder))
    monkeypatch.setenv("CLAUDE_TELEMETRY_SPOOL", str(folder / "spool"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))


@pytest.fixture
def claude() -> Iterator[FakeClaude]:
    """A stand-in for the Claude API on loopback, which does as it is told."""
    with FakeClaude() as fake:
        yield fake


@pytest.fixture
def slack() -> Iterator[FakeSlack]:
    """A stand-in for a Slack incoming webhook on loopback."""
    with FakeSlack() as fake:
        yield fake
