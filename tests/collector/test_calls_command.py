"""`claude-telemetry calls` and `tail` against a running store."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from claude_telemetry.record import Attempt
from claude_telemetry_collector.commands import calls, tail
from claude_telemetry_collector.decode import LandedCall
from tests.support.answering import Answering
from tests.support.calls import a_call

Run = Callable[..., str]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Answering]:
    with Answering(tmp_path) as answering:
        yield answering


@pytest.fixture
def run(store: Answering, capsys: pytest.CaptureFixture[str]) -> Run:
    def asked(*arguments: str) -> str:
        assert calls.main([*arguments, "--data", str(store.data)]) == 0
        printed = capsys.readouterr()
        assert printed.err == ""
        return printed.out

    return asked


def ago(**length: float) -> datetime:
    return datetime.now(UTC) - timedelta(**length)


def some(*features: str) -> list[LandedCall]:
    """A call for each feature, the first one a minute ago and each further one a minute older."""
    return [a_call(feature=name, started_at=ago(minutes=place)) for place, name in enumerate(features, start=1)]


def features(out: str) -> list[str]:
    return [json.loads(line)["feature"] for line in out.splitlines()]


def test_a_list_is_for_people(store: Answering, run: Run) -> None:
    at = ago(minutes=1).replace(microsecond=250_999)
    store.land(a_call(started_at=at, feature="\x1b[31mred", model=None, request_model="claude-漢"))

    out = run("--columns", "started_at,model,feature,duration_ms,ttft_ms")

    assert out.splitlines() == [
        "started_at               model                       feature             duration_ms      ttft_ms",
        f"{'─' * 23}  {'─' * 26}  {'─' * 18}  {'─' * 11}  {'─' * 11}",
        f"{at:%Y-%m-%d %H:%M:%S}.250  claude-漢{' ' * 17}  \\x1b[31mred               1.0 s            —",
        "(1 call)",
    ]


def test_a_terminal_is_given_as_many_columns_as_it_has_room_for(
    store: Answering, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    for width, columns in ((62, ["started_at", "status", "model"]), (10, ["started_at"])):
        monkeypatch.setenv("COLUMNS", str(width))
        assert calls.main(["--data", str(store.data)]) == 0
        assert capsys.readouterr().out.splitlines()[0].split() == columns


def test_json_is_one_exact_object_a_line(store: Answering, run: Run) -> None:
    store.land(a_call(started_at=datetime(2026, 11, 20, 12, tzinfo=UTC), cost_usd=Decimal("0.000000000001")))

    (line,) = run("--since", "2026-11-20", "--until", "2026-11-21", "--json").splitlines()

    told = json.loads(line)
    assert (told["started_at"], told["cost_usd"], told["input_tokens"], told["ttft_ms"]) == (
        "2026-11-20T12:00:00Z",
        "0.000000000001",
        1000,
        None,
    )
    assert "received_at" not in told


def test_more_than_a_page_comes_newest_first_and_once(
    store: Answering, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "_PAGE", 2)
    store.land(*some("a", "b", "c", "d", "e"))
    assert features(run("--json", "--columns", "feature")) == ["a", "b", "c", "d", "e"]
    assert features(run("--json", "--columns", "feature", "--limit", "3")) == ["a", "b", "c"]


def test_calls_can_be_chosen_by_time_label_tag_and_id(store: Answering, run: Run) -> None:
    retried = a_call(
        feature="retried",
        started_at=ago(minutes=9),
        attempt_rows=[Attempt(started_at=ago(minutes=9), http_status=529, request_id="req_first")],
    )
    gold = a_call(feature="gold", started_at=ago(minutes=8), tags='{"tier": "gold"}', tenant="acme")
    failed = a_call(feature="failed", started_at=ago(minutes=7), status="error", tenant="acme")
    store.land(retried, gold, failed, a_call(feature="old", started_at=ago(days=3)))

    def chosen(*arguments: str) -> list[str]:
        return features(run("--json", "--columns", "feature", *arguments))

    assert chosen() == ["failed", "gold", "retried"]
    assert chosen("--since", "1w") == ["failed", "gold", "retried", "old"]
    assert chosen("--until", "450s") == ["gold", "retried"]
    assert chosen("--status", "error") == ["failed"]
    assert chosen("--where", "tenant=acme", "--where", "tag:tier=gold") == ["gold"]
    assert chosen("--find", "req_first") == ["retried"]
    assert chosen("--feature", "' OR 1=1 --") == []


def test_the_largest_can_come_first(store: Answering, run: Run) -> None:
    store.land(
        a_call(feature="dear", cost_usd=Decimal(2), duration_ms=1, started_at=ago(minutes=3)),
        a_call(feature="slow", cost_usd=Decimal(1), duration_ms=99_000, started_at=ago(minutes=2)),
        a_call(feature="unpriced", cost_usd=None, duration_ms=2, started_at=ago(minutes=1)),
    )
    assert features(run("--json", "--order", "dearest")) == ["dear", "slow"]
    assert features(run("--json", "--order", "slowest", "--limit", "1")) == ["slow"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--since", "yesterday"], "give a length such as 24h or 7d, a day"),
        (["--since", "1h", "--until", "2h"], "is not before --until"),
        (["--where", "tenant"], "give LABEL=VALUE, such as tenant=acme"),
        (["--where", "weather=fine"], "give tag:NAME, or one of model"),
        (["--columns", "usage"], "'usage' is no column of a list: give some of started_at"),
        (["--limit", "0"], "give a whole number above zero"),
    ],
)
def test_what_is_not_understood_is_said_with_what_to_give(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    with pytest.raises(SystemExit) as left:
        calls.main(arguments)
    assert left.value.code == 2
    assert words in capsys.readouterr().err


def test_without_a_collector_it_says_how_to_start_one(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert calls.main(["--data", str(tmp_path)]) == 1
    assert f"start one with `claude-telemetry collect --data {tmp_path}`" in capsys.readouterr().err


class Turns:
    """Sleeps by doing one thing after the other, and is interrupted after the last."""

    def __init__(self, *turns: Callable[[], None]) -> None:
        self._turns = list(turns)

    def __call__(self, seconds: float) -> None:
        if not self._turns:
            raise KeyboardInterrupt
        self._turns.pop(0)()


def arriving(feature: str, started: float, received: float) -> LandedCall:
    """A call that began and came in so many seconds ago."""
    return a_call(feature=feature, started_at=ago(seconds=started), received_at=ago(seconds=received))


def test_a_tail_prints_each_call_once_as_it_comes_in(store: Answering, capsys: pytest.CaptureFixture[str]) -> None:
    store.land(arriving("before", 40, 30), arriving("just before", 30, 25), arriving("long ago", 900, 800))
    turns = Turns(
        lambda: store.land(arriving("second", 6, 5), arriving("first", 700, 6)),
        lambda: None,
        # Put together of what several told, it is there later than one that came in after it.
        lambda: store.land(arriving("late", 20, 15)),
    )

    assert tail.main(["--json", "--lines", "1", "--data", str(store.data)], sleep=turns) == 0

    printed = capsys.readouterr()
    assert features(printed.out) == ["just before", "first", "second", "late"]
    assert printed.err == ""


def test_a_tail_can_begin_with_nothing_and_keep_to_some_calls(
    store: Answering, capsys: pytest.CaptureFixture[str]
) -> None:
    store.land(arriving("chat", 40, 30))
    turns = Turns(lambda: store.land(arriving("chat", 5, 5), arriving("search", 5, 5)))

    assert tail.main(["--feature", "chat", "--lines", "0", "--data", str(store.data)], sleep=turns) == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:2]] == ["started_at", "─" * 23]
    assert len(lines) == 3


def test_a_tail_waits_for_a_collector_that_is_away(store: Answering, capsys: pytest.CaptureFixture[str]) -> None:
    def away() -> None:
        store.go_away()
        store.land(arriving("meanwhile", 3, 2))

    turns = Turns(away, lambda: None, store.answer, lambda: None)

    assert tail.main(["--json", "--data", str(store.data)], sleep=turns) == 0

    printed = capsys.readouterr()
    assert features(printed.out) == ["meanwhile"]
    assert printed.err.count("Waiting …") == 1
