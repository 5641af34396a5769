"""Fixtures that tests of every part share, by name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from claude_telemetry.fake import FakeClaude, FakeSlack


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
