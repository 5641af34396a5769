"""`claude-telemetry top` against a running store."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from claude_telemetry_collector.commands.top import main
from tests.support.answering import Answering
from tests.support.calls import a_call


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Answering]:
    with Answering(tmp_path) as answering:
        yield answering


def a_minute_ago() -> datetime:
    return datetime.now(UTC) - timedelta(minutes=1)


def land_some(store: Answering) -> None:
    """Three calls of $0.25 that read 3000 of 4000 tokens of input, one of which failed; one of $1; one unpriced."""
    at = a_minute_ago()
    cached: dict[str, Any] = {
        "feature": "chat",
        "cost_usd": Decimal("0.25"),
        "cache_read_tokens": 3000,
        "started_at": at,
    }
    store.land(
        a_call(duration_ms=1000, **cached),
        a_call(duration_ms=2000, **cached),
        a_call(duration_ms=3000, status="error", error_type="api_error", **cached),
        a_call(feature="\x1b[2Jevil", cost_usd=Decimal(1), started_at=at, duration_ms=500, ttft_ms=120),
        a_call(feature=None, cost_usd=None, cost_status="unknown", started_at=at, duration_ms=500),
    )


def test_in_a_pipe_it_is_printed_once(store: Answering, capsys: pytest.CaptureFixture[str]) -> None:
    land_some(store)

    assert main(["--by", "feature", "--data", str(store.data)]) == 0

    first, *rest = capsys.readouterr().out.splitlines()
    # 5 calls in 15 minutes are a third of a call a minute; 1 of 5 failed; 3 x 0.25 + 1.
    assert re.fullmatch(
        r"5 calls from ..:..:.. to ..:..:.. UTC, 0\.3 a minute, 20\.0 % failed, at least \$1\.75", first
    )
    assert rest == [
        "1 call unpriced",
        "",
        # P95 of 1, 2, 3 s: rank 0.95 x 2 = 1.9, so 2.9 s; 3 x 4400 tokens, 9000 of 12000 of the input read.
        "feature      calls  errors   cost     p50     p95  ttft p95  tokens  cache hit  of cost",
        "───────────  ─────  ──────  ─────  ──────  ──────  ────────  ──────  ─────────  ───────",
        "\\x1b[2Jevil      1   0.0 %  $1.00  500 ms  500 ms    120 ms   1,400      0.0 %   57.1 %",
        "chat             3  33.3 %  $0.75   2.0 s   2.9 s         —  13,200     75.0 %   42.9 %",
        "—                1   0.0 %      —  500 ms  500 ms         —   1,400      0.0 %        —",
    ]


def test_another_number_can_come_first_and_labels_narrow(store: Answering, capsys: pytest.CaptureFixture[str]) -> None:
    land_some(store)

    assert main(["--by", "feature", "--sort", "errors", "--once", "--data", str(store.data)]) == 0
    assert capsys.readouterr().out.splitlines()[5].startswith("chat ")
    assert main(["--where", "error_type=api_error", "--once", "--data", str(store.data)]) == 0
    assert capsys.readouterr().out.startswith("1 call from ")


def test_without_calls_it_says_so(store: Answering, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(store.data)]) == 0

    first, *rest = capsys.readouterr().out.splitlines()
    assert first.endswith("UTC, 0.0 a minute, — failed, —")
    assert len(rest) == 3


class Screen(io.StringIO):
    """A terminal that keeps what it was sent."""

    def isatty(self) -> bool:
        return True


def test_in_a_terminal_it_keeps_itself_new_and_leaves_the_screen_as_it_was(
    store: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Screen()
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setenv("COLUMNS", "50")
    monkeypatch.setenv("LINES", "9")
    turns = iter((lambda: land_some(store), store.go_away))

    def sleep(seconds: float) -> None:
        assert seconds == 0.5
        turn = next(turns, None)
        if turn is None:
            raise KeyboardInterrupt
        turn()

    assert main(["--every", "0.5", "--data", str(store.data)], sleep=sleep) == 0

    enter, nothing, calls, away = screen.getvalue().split("\x1b[H")
    assert enter == "\x1b[?1049h\x1b[?25l"
    assert nothing.startswith("0 calls ")
    assert calls.startswith("5 calls ")
    assert all(len(line.removesuffix("\x1b[K")) <= 50 for line in calls.split("\n"))
    assert "no collector is running" in away
    assert away.endswith("\x1b[J\x1b[?25h\x1b[?1049l")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--by", "weather"], "give tag:NAME, or one of model"),
        (["--since", "2026-11-20"], "give a length of time, such as 15m"),
        (["--since", "0s"], "give a length above zero"),
        (["--every", "often"], "give seconds from 0.2 to 3600"),
    ],
)
def test_what_is_not_understood_is_said_with_what_to_give(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    assert words in capsys.readouterr().err
