"""The mark of the tests that take an environment of their own."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "matrix: runs in another environment, which takes a while: `-m 'not matrix'`")
