"""`claude-telemetry report`: the same numbers in four forms, each of which shows text as text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from claude_telemetry_collector.commands.report import change, main
from claude_telemetry_collector.queries import METRICS, Segment, Window, connect, readings
from tests.support.answering import Answering
from tests.support.calls import NOON, a_call

Run = Callable[..., str]

EVIL = "<img src=x onerror=alert(1)>|`a`[b](javascript:1)\x1b[31m"
DAY = ("--since", "2026-11-20", "--until", "2026-11-21")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("data")
    yesterday = NOON - timedelta(days=1)
    with Answering(folder) as store:
        store.land(
            *(a_call(feature="chat", cost_usd=Decimal("0.25"), duration_ms=1000 * n) for n in (1, 2, 3)),
            a_call(feature=EVIL, cost_usd=Decimal(1), status="error", error_type=EVIL, duration_ms=400),
            a_call(feature=None, cost_usd=None, cost_status="unknown", duration_ms=400),
            a_call(feature="chat", started_at=yesterday, cost_usd=Decimal("3.5"), duration_ms=4000),
            a_call(feature="chat", started_at=yesterday, cost_usd=Decimal("3.5"), duration_ms=4000),
        )
        yield folder


@pytest.fixture
def run(data: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def asked(*arguments: str) -> str:
        assert main([*DAY, *arguments, "--data", str(data)]) == 0
        printed = capsys.readouterr()
        assert printed.err == ""
        return printed.out

    return asked


def test_json_is_what_the_pages_read(run: Run, data: Path) -> None:
    told = json.loads(run("--json", "--by", "feature"))

    day = Window(datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC))
    pages = readings(connect(data), list(told["metrics"]), day, Segment())
    assert {name: metric["value"] for name, metric in told["metrics"].items()} == {
        name: format(one.value, "f") if isinstance(one.value, Decimal) else one.value for name, one in pages.items()
    }
    assert told["metrics"]["cost_usd"] == {
        "value": "1.750000000000",
        "calls": 5,
        "unknown": 1,
        "unpriced": 1,
        "unit": "USD",
        "before": {"value": "7.000000000000", "calls": 2, "unknown": 0, "unpriced": 0},
    }
    assert (told["since"], told["until"]) == ("2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z")
    assert told["compared_with"] == {"since": "2026-11-19T00:00:00Z", "until": "2026-11-20T00:00:00Z"}
    assert [(row["feature"], row["requests"], row["cost_usd"]) for row in told["by"]["feature"]] == [
        (EVIL, 1, "1.000000000000"),
        ("chat", 3, "0.750000000000"),
        (None, 1, None),
    ]
    assert [(row["error_type"], row["requests"]) for row in told["errors"]] == [(EVIL, 1)]


def test_the_text_says_what_changed_and_what_is_not_known(run: Run) -> None:
    lines = run("--by", "feature").splitlines()

    assert lines[:3] == [
        "Claude calls from 2026-11-20 00:00 to 2026-11-21 00:00 UTC",
        "Compared with 2026-11-19 00:00 to 2026-11-20 00:00 UTC.",
        "Cost: at least what is shown, 1 call unpriced.",
    ]
    table = {line[:23].strip(): line[23:].split("  ") for line in lines}
    # 1.75 against 7; 1 of 5 failed against none; P50 of 0.4, 0.4, 1, 2, 3 s against 4 s.
    assert [cell.strip() for cell in table["Cost"] if cell] == ["≥ $1.75", "$7.00", "-75.0 %"]
    assert [cell.strip() for cell in table["Error rate"] if cell] == ["20.0 %", "0.0 %", "+20.0 pts"]
    assert [cell.strip() for cell in table["P50 latency"] if cell] == ["1.0 s", "4.0 s", "-75.0 %"]
    assert "Net cost" not in table
    (evil,) = [line for line in lines if "onerror" in line and "$1.00" in line]
    assert evil.startswith("<img src=x onerror=alert(1)>|`a`[b](javascript:")
    assert "\x1b" not in "\n".join(lines)


def test_markdown_shows_labels_as_text(run: Run) -> None:
    out = run("--md", "--by", "feature")

    (evil, *_) = [line for line in out.splitlines() if "onerror" in line]
    assert evil.startswith(
        r"| &lt;img src=x onerror=alert\(1\)&gt;\|\`a\`\[b\]\(javascript\:1\)\\x1b\[31m | \$1.00 | 1 |"
    )
    assert "# Claude calls from 2026\\-11\\-20" in out
    assert out.count("\n| --- | ---: |") == 3


class Tags(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.cells: list[str] = []
        self._open = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self._open = tag

    def handle_data(self, data: str) -> None:
        if self._open in ("td", "th") and data.strip():
            self.cells.append(data)


def test_the_page_holds_all_that_it_needs_and_runs_nothing(run: Run) -> None:
    out = run("--html", "--by", "feature")

    page = Tags()
    page.feed(out)
    assert page.names.isdisjoint({"img", "script", "link", "a", "iframe"})
    assert EVIL.replace("\x1b", "\\x1b") in page.cells
    assert re.findall(r"https?://", out) == []


def test_a_report_can_be_of_some_calls_only(run: Run) -> None:
    told = json.loads(run("--json", "--feature", "chat", "--status", "ok"))
    assert told["only"] == {"feature": "chat", "status": "ok"}
    assert (told["metrics"]["requests"]["value"], told["errors"]) == (3, [])
    assert list(told["by"]) == ["model", "feature"]
    assert run("--feature", "chat").splitlines()[1] == "Only calls with feature chat."


def test_no_calls_make_a_report_that_says_so(run: Run) -> None:
    lines = run("--feature", "nobody").splitlines()
    assert "There were no calls." in lines
    told: dict[str, Any] = json.loads(run("--feature", "nobody", "--json"))
    assert told["metrics"]["cost_usd"]["value"] is None
    assert told["metrics"]["requests"]["value"] == 0


def test_changes_are_in_percent_and_those_of_shares_in_points() -> None:
    assert [
        change(Decimal("1.5"), Decimal(1), "USD"),
        change(0.02, 0.01, "ratio"),
        change(1, 0, "{call}"),
        change(None, 1, "ms"),
        change(1, None, "ms"),
    ] == ["+50.0 %", "+1.0 pts", "—", "—", "—"]
    assert {METRICS[name].unit for name in ("cost_usd", "error_ratio")} == {"USD", "ratio"}


def test_a_refused_question_and_a_missing_collector_have_exit_codes_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--data", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("claude-telemetry report: no collector is running on")
    with pytest.raises(SystemExit) as left:
        main(["--json", "--md"])
    assert left.value.code == 2
