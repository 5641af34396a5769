"""An application asks Claude, Anthropic bills what it has served, and `claude-telemetry reconcile` holds one against
the other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from claude_telemetry.fake import FakeClaude
from claude_telemetry_collector.commands import reconcile
from tests.support.applications import finished, started
from tests.support.billing import ADMIN_KEY
from tests.support.collecting import Collecting

APPLICATION = """
import sys
import anthropic

collector, claude, instrumented = sys.argv[1:4]
if instrumented == "yes":
    import claude_telemetry
    claude_telemetry.instrument(endpoint=collector)
client = anthropic.Anthropic(api_key="k", base_url=claude)
asked = {"model": "claude-sonnet-5-5", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]}
client.messages.create(**asked)
client.messages.create(**asked)
with client.messages.stream(**asked) as stream:
    stream.get_final_message()
client.messages.create(**asked)
if instrumented == "yes":
    assert claude_telemetry.flush(30)
"""

PLAIN: dict[str, Any] = {
    "input_tokens": 1000,
    "output_tokens": 70,
    "cache_read_input_tokens": 500,
    "service_tier": "standard",
    "speed": "standard",
    "inference_geo": "global",
}
WRITES: dict[str, Any] = {
    **PLAIN,
    "cache_creation_input_tokens": 300,
    "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
    "server_tool_use": {"web_search_requests": 2},
}
ADVISED: dict[str, Any] = {
    **PLAIN,
    "iterations": [
        {"type": "compaction", "input_tokens": 4000, "output_tokens": 200},
        {"type": "message", "input_tokens": 1000, "output_tokens": 70, "cache_read_input_tokens": 500},
        {"type": "advisor_message", "model": "claude-opus-5-5", "input_tokens": 600, "output_tokens": 40},
    ],
}
TOKENS = 3 * 1570 + 300 + 1570 + 4200 + 640
"""Of the four answers: three plain ones, one of them with writes, and the advised one."""


@pytest.fixture
def claude(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeClaude]:
    with FakeClaude() as fake:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", fake.url)
        monkeypatch.setenv("ANTHROPIC_ADMIN_KEY", ADMIN_KEY)
        fake.billing.discount("claude-sonnet-5-5", Decimal("0.875"))
        yield fake


def runs(claude: FakeClaude, collecting: Collecting, *, instrumented: bool) -> None:
    """The application, of which one call has to be asked twice."""
    claude.answer(usage=PLAIN)
    claude.fail(529)
    for usage in (PLAIN, WRITES, ADVISED):
        claude.answer(usage=usage)
    with_telemetry = "yes" if instrumented else "no"
    finished([started(APPLICATION, f"http://127.0.0.1:{collecting.port}", claude.url, with_telemetry)])


def reconciled(claude: FakeClaude, data: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    # Today is over for the reports, so that it counts.
    claude.billing.refresh(datetime.now(UTC) + timedelta(days=2))
    since = (datetime.now(UTC) - timedelta(days=1)).date()
    capsys.readouterr()
    code = reconcile.main([f"--data={data}", f"--since={since}", "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_the_bill_of_what_an_application_did_fits_and_that_of_another_one_is_missing(
    tmp_path: Path, claude: FakeClaude, capsys: pytest.CaptureFixture[str]
) -> None:
    with Collecting(tmp_path / "data") as collecting:
        runs(claude, collecting, instrumented=True)
        collecting.land_all()
        code, found = reconciled(claude, collecting.data, capsys)
        assert (code, found["coverage"]["billed"], found["coverage"]["missing"]) == (0, TOKENS, 0)
        assert (found["coverage"]["surplus"], found["coverage"]["searches_billed"]) == (0, 2)
        assert (found["findings"], found["price_error"]) == ([], "0")
        multipliers = {one["model"]: one["multiplier"] for one in found["discounts"]}
        assert multipliers == {"claude-sonnet-5-5": "0.875", "claude-opus-5-5": "1"}

        runs(claude, collecting, instrumented=False)
        code, found = reconciled(claude, collecting.data, capsys)
        assert (code, found["coverage"]["billed"], found["coverage"]["missing"]) == (3, 2 * TOKENS, TOKENS)
        assert found["coverage"]["of_tokens"] == "0.5"
