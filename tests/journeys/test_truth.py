"""A thousand calls of a real application, and what the collector says of them: equal to what was served, to the last
token and picodollar."""

from __future__ import annotations

import math
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from claude_telemetry.fake import FakeClaude
from claude_telemetry.fake.ledger import Served
from claude_telemetry.fake.weather import Weather
from claude_telemetry_collector.queries import Segment, Window, connect, readings
from tests.support.collecting import Collecting
from tests.support.waiting import wait_until
from tests.telemetry.price_oracle import Question, lines_of

CALLS = 1000


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Served], list[dict[str, Any]], dict[str, Any]]:
    """What the stand-in served, the rows of `calls`, and the metrics of the page over the same time."""
    data = tmp_path_factory.mktemp("truth") / "data"
    start = datetime.now(UTC)
    with FakeClaude(behaviour=Weather(seed=7, pace=0)) as claude, Collecting(data) as collector:
        app = subprocess.run(
            [
                sys.executable, "-m", "claude_telemetry.demo.app", f"--base-url={claude.url}",
                f"--endpoint=http://127.0.0.1:{collector.port}", f"--calls={CALLS}", "--seed=7", "--pause=0",
                "--workers=8",
            ],
            capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
        assert app.returncode == 0, app.stdout + app.stderr
        reader = connect(data)
        counting = "SELECT count(*) AS calls FROM calls"
        wait_until(lambda: reader.ask(counting).to_pylist() == [{"calls": CALLS}], f"{CALLS} calls are landed")
        rows: list[dict[str, Any]] = reader.ask("SELECT * FROM calls").to_pylist()
        window = Window(start, datetime.now(UTC))
        shown = readings(reader, ["requests", "cost_usd", "duration_p95_ms", "error_ratio"], window, Segment())
        assert collector.stop() == 0
        return claude.ledger, rows, {name: reading.value for name, reading in shown.items()}


def usd(cost: Fraction) -> Decimal:
    """Exact, or not at all."""
    picodollars = cost * 10**12
    assert picodollars.denominator == 1
    return Decimal(picodollars.numerator).scaleb(-12)


def priced(served: Served, *, without_output: bool) -> Decimal:
    """What an answer costs by the second opinion on prices, without or with what it put out."""
    lines = lines_of(Question(usage=dict(served.usage), model=served.model, at=datetime.now(UTC)))
    assert lines is not None
    return usd(sum((cost for name, cost in lines.items() if not (without_output and name == "output")), Fraction(0)))


def test_every_answer_is_one_row_with_its_tokens_and_its_picodollars(
    run: tuple[list[Served], list[dict[str, Any]], dict[str, Any]],
) -> None:
    ledger, rows, _ = run
    answers = {served.message_id: served for served in ledger if served.status == 200}
    answered = {row["message_id"]: row for row in rows if row["message_id"] is not None}
    assert answered.keys() == answers.keys()
    left_early = 0
    for message_id, row in answered.items():
        served = answers[message_id]
        usage = dict(served.usage)
        split: dict[str, int] = usage.get("cache_creation") or {}
        early = row["stream_end"] == "closed"
        left_early += early
        told = (
            "input_tokens",
            "cache_read_tokens",
            "cache_write_tokens",
            "cache_write_5m_tokens",
            "cache_write_1h_tokens",
        )
        assert {name: row[name] or 0 for name in told} == {
            "input_tokens": usage["input_tokens"],
            "cache_read_tokens": usage.get("cache_read_input_tokens") or 0,
            "cache_write_tokens": usage.get("cache_creation_input_tokens") or 0,
            "cache_write_5m_tokens": split.get("ephemeral_5m_input_tokens") or 0,
            "cache_write_1h_tokens": split.get("ephemeral_1h_input_tokens") or 0,
        }
        assert row["output_tokens"] == (None if early else usage["output_tokens"])
        assert row["cost_usd"] == priced(served, without_output=early)
        assert row["cost_status"] == ("partial" if early else "priced")
        assert row["request_id"] == served.request_id
    assert 0 < left_early < CALLS / 4
    assert len(answered) > CALLS * 0.9


def test_every_attempt_was_served_once_and_failed_calls_cost_nothing(
    run: tuple[list[Served], list[dict[str, Any]], dict[str, Any]],
) -> None:
    ledger, rows, _ = run
    assert sum(row["attempts"] for row in rows) == len(ledger)
    failed = [row for row in rows if row["status"] == "error"]
    assert failed
    assert {(row["cost_usd"], row["billed"]) for row in failed} == {(Decimal(0), False)}
    assert {row["request_id"] for row in failed} <= {served.request_id for served in ledger if served.status >= 400}
    assert any(row["attempts"] > 1 and row["status"] == "ok" for row in rows)


def test_the_page_shows_the_sum_and_the_percentile_that_the_rows_have(
    run: tuple[list[Served], list[dict[str, Any]], dict[str, Any]],
) -> None:
    _, rows, shown = run
    assert shown["requests"] == CALLS
    assert shown["cost_usd"] == sum((row["cost_usd"] for row in rows), Decimal(0))
    ended = sorted(row["duration_ms"] for row in rows if row["status"] in ("ok", "error"))
    place = 0.95 * (len(ended) - 1)
    below, above = ended[math.floor(place)], ended[math.ceil(place)]
    assert shown["duration_p95_ms"] == pytest.approx(below + (above - below) * (place - math.floor(place)))
    errors = sum(row["status"] == "error" for row in rows)
    assert shown["error_ratio"] == pytest.approx(errors / len(ended))


def test_every_call_has_its_labels(run: tuple[list[Served], list[dict[str, Any]], dict[str, Any]]) -> None:
    _, rows, _ = run
    for name in ("user_id", "session_id", "feature", "prompt_name", "prompt_version"):
        assert all(row[name] for row in rows), name
    assert {row["source"] for row in rows} == {"claude_telemetry"}
    assert {(row["service"], row["environment"]) for row in rows} == {("sample-app", "demo")}


def test_no_word_of_the_talk_and_no_key_is_in_anything_that_was_written(tmp_path: Path) -> None:
    data = tmp_path / "data"
    words = ("canary-question", "canary-answer", "canary-system", "sk-ant-canary")
    program = f"""
import anthropic, claude_telemetry, sys
claude_telemetry.instrument(endpoint=sys.argv[2])
with anthropic.Anthropic(api_key="sk-ant-canary", base_url=sys.argv[1]) as client:
    asked = dict(model="claude-haiku-4-5", max_tokens=9, system="{words[2]}",
                 messages=[{{"role": "user", "content": "{words[0]}"}}])
    client.messages.create(**asked)
    list(client.messages.create(stream=True, **asked))
assert claude_telemetry.flush(20)
"""
    with FakeClaude() as claude, Collecting(data) as collector:
        claude.answer(words[1], times=2)
        endpoint = f"http://127.0.0.1:{collector.port}"
        subprocess.run([sys.executable, "-c", program, claude.url, endpoint], check=True, timeout=60)
        reader = connect(data)
        wait_until(lambda: reader.ask("SELECT count(*) AS n FROM calls").to_pylist() == [{"n": 2}], "both are landed")
        written = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
        assert collector.stop() == 0
    written |= {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    written[collector.log] = collector.log.read_bytes()
    assert any(b"claude-haiku-4-5" in content for content in written.values())
    assert [(path.name, word) for path, content in written.items() for word in words if word.encode() in content] == []
