"""An application that uses a framework, watched."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from claude_telemetry.fake import FakeClaude
from tests.frameworks.watched import Watched
from tests.support.recorded import recording


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "matrix: runs in another environment, which takes a while: `-m 'not matrix'`")


@pytest.fixture
def watched(claude: FakeClaude, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    """Instrumented; what its SDK asks by default is answered by the stand-in."""
    monkeypatch.setenv("ANTHROPIC_BASE_URL", claude.url)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-canary")
    with recording() as recorded:
        yield Watched(claude, recorded)
