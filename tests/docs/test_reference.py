"""The reference pages say what the code says."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def pages() -> dict[str, str]:
    generated: dict[str, str] = runpy.run_path(str(DOCS / "generate.py"))["pages"]()
    return generated


@pytest.mark.parametrize("name", sorted(pages()))
def test_a_generated_page_is_not_stale(name: str) -> None:
    kept = (DOCS / "reference" / name).read_text(encoding="utf-8")
    assert kept == pages()[name], "run `make docs`"


def test_every_setting_and_every_column_has_a_line() -> None:
    settings, calls = pages()["settings.md"], pages()["calls.md"]
    assert "| `--otlp-http` | `CLAUDE_TELEMETRY_OTLP_HTTP` | `127.0.0.1:4318` |" in settings
    assert "| `endpoint=` | `CLAUDE_TELEMETRY_ENDPOINT` | not set |" in settings
    assert "| `cost_usd` | `DECIMAL(18,12)` | USD | `claude.cost.picodollars` |" in calls


def test_a_secret_has_no_flag_on_the_page() -> None:
    assert "--slack-webhook-url" not in pages()["settings.md"]
    assert "CLAUDE_TELEMETRY_SLACK_WEBHOOK_URL" in pages()["settings.md"]
