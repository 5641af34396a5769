"""`claude-telemetry price --jsonl`: cases in, costs out, a line for a line."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from claude_telemetry.price.cases import answer_all

EXAMPLES: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "data" / "cost_examples.json").read_text())[
    "cases"
]
Expected = tuple[str | None, str, list[str]]
"""Dollars, status, flags."""

CASE: dict[str, Any] = {
    "id": "a",
    "model": "claude-opus-5-5",
    "date": "2026-11-12T08:00:00Z",
    "usage": {"input_tokens": 1000, "output_tokens": 0, "inference_geo": "global"},
}


def answered(*lines: str | bytes | dict[str, Any]) -> tuple[list[dict[str, Any]], str, list[bool]]:
    """The answers, the complaints, and whether each line was a case."""
    answers, complaints = io.StringIO(), io.StringIO()
    as_bytes = [
        line if isinstance(line, bytes) else (json.dumps(line) if isinstance(line, dict) else line).encode()
        for line in lines
    ]
    fine = answer_all(as_bytes, answers, complaints)
    return [json.loads(line) for line in answers.getvalue().splitlines()], complaints.getvalue(), fine


def usd(**changed: Any) -> Expected:
    """What the case comes to with these changes: dollars, status, flags."""
    (answer,), _, _ = answered({**CASE, **changed})
    return answer["usd"], answer["status"], answer["flags"]


def run(cases: str, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "claude_telemetry", "price", "--jsonl", *flags]
    return subprocess.run(command, input=cases, capture_output=True, encoding="utf-8", timeout=60, check=False)


def test_the_command_answers_all_thirty_examples_exactly() -> None:
    done = run("".join(json.dumps(case) + "\n" for case in EXAMPLES))
    assert (done.returncode, done.stderr) == (0, "")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [list(answer) for answer in answers] == [["id", "usd", "status", "flags", "breakdown"]] * 30
    for case, answer in zip(EXAMPLES, answers, strict=True):
        unknown = case["expected_usd"] == "unknown"
        assert answer["id"] == case["id"]
        assert answer["usd"] == (None if unknown else case["expected_usd"])
        assert answer["status"] == ("unknown" if unknown else "priced")
        assert answer["breakdown"] == ({} if unknown else case["breakdown"])


def test_a_line_that_is_no_case_is_answered_too_and_told_and_the_rest_goes_on() -> None:
    lines = ("not json", json.dumps([1]), json.dumps(CASE), "", "{", json.dumps({**CASE, "id": 7, "date": "soon"}))
    done = run("\n".join(lines))
    assert done.returncode == 1
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(answer["id"], answer["usd"], answer["status"], answer["flags"]) for answer in answers] == [
        (None, None, "unknown", ["line_unreadable"]),
        (None, None, "unknown", ["line_unreadable"]),
        ("a", "0.004", "priced", []),
        (None, None, "unknown", ["line_unreadable"]),
        (7, None, "unknown", ["time_unknown"]),
    ]
    told = done.stderr.splitlines()
    assert [line.split(":")[1].strip() for line in told] == ["line 1", "line 2", "line 5", "line 6"]
    assert told[1].endswith("it is no JSON object but a list; give one JSON object a line")
    assert told[3].endswith("its date is 'soon'; give one such as 2026-11-12T08:00:00Z")


def test_a_call_without_a_price_is_a_case_and_unknown() -> None:
    answers, complaints, fine = answered({**CASE, "model": "claude-opus-99"})
    assert (answers[0]["usd"], answers[0]["flags"], complaints, fine) == (None, ["model_unknown"], "", [True])


IDS: list[tuple[str, object]] = [
    ("7", 7),
    ("1.50", "1.50"),
    ('{"of": [0.1]}', {"of": ["0.1"]}),
    ('"\\ud800"', "\ud800"),
    ('"é"', "é"),
]


@pytest.mark.parametrize(("written", "back"), IDS)
def test_whatever_the_id_is_the_line_is_answered_in_letters_that_every_terminal_has(written: str, back: object) -> None:
    answers = io.StringIO()
    line = json.dumps(CASE).replace('"a"', written, 1).encode()
    assert answer_all([line], answers, io.StringIO()) == [True]
    assert answers.getvalue().isascii()
    answer = json.loads(answers.getvalue())
    assert (answer["id"], answer["usd"]) == (back, "0.004")


def test_a_word_that_only_pythons_json_takes_for_a_number_is_no_json() -> None:
    answers, complaints, fine = answered(json.dumps(CASE).replace('"a"', "NaN", 1))
    assert (answers[0]["id"], answers[0]["flags"], fine) == (None, ["line_unreadable"], [False])
    assert "NaN is no number there" in complaints


FIELDS: list[tuple[dict[str, Any], Expected]] = [
    ({"platform": None}, ("0.004", "priced", [])),
    ({"platform": "mars"}, (None, "unknown", ["platform_unknown"])),
    ({"platform": 5}, (None, "unknown", ["platform_unknown"])),
    ({"platform": "foundry", "endpoint": {"deployment_type": "US Data Zone Standard"}}, ("0.0044", "priced", [])),
    ({"platform": "foundry"}, ("0.004", "priced", ["deployment_unreported"])),
    ({"platform": "vertex", "endpoint": {"region": "us-east5"}}, ("0.0044", "priced", [])),
    ({"platform": "vertex", "endpoint": {"region": "global"}}, ("0.004", "priced", [])),
    ({"platform": "vertex", "endpoint": None}, (None, "unknown", ["region_unknown"])),
    ({"batch": True}, ("0.002", "priced", [])),
    ({"incomplete": True}, ("0.004", "partial", ["output_unknown"])),
    ({"usage": {**CASE["usage"], "service_tier": "priority"}}, ("0.004", "contract", [])),
    ({"date": "2026-11-12"}, ("0.004", "priced", [])),
    ({"date": "2026-09-22T01:00:00+02:00"}, (None, "unknown", ["day_unknown"])),
    ({"date": None}, (None, "unknown", ["time_unknown"])),
    ({"model": None}, (None, "unknown", ["model_unknown"])),
    ({"usage": None}, (None, "unknown", ["tokens_unknown"])),
    ({"usage": [1]}, (None, "unknown", ["usage_unreadable"])),
    ({"usage": {"input_tokens": 1.0, "output_tokens": 0}}, (None, "unknown", ["tokens_unknown"])),
    ({"endpoint": "eu"}, (None, "unknown", ["endpoint_unreadable"])),
    ({"kind": "dream"}, (None, "unknown", ["kind_unknown"])),
]


@pytest.mark.parametrize(("changed", "expected"), FIELDS)
def test_every_field_of_a_case_counts(changed: dict[str, Any], expected: Expected) -> None:
    assert usd(**changed) == expected


FREE: Expected = ("0", "priced", ["refusal_not_billed"])
BILLED: Expected = ("0.004", "priced", [])
REFUSALS: list[tuple[dict[str, Any], Expected]] = [
    ({"stop_reason": "refusal", "content_blocks": 0}, FREE),
    ({"stop_reason": "refusal", "content_blocks": 1}, BILLED),
    ({"stop_reason": "refusal"}, FREE),  # no output either
    ({"stop_reason": "refusal", "content": []}, FREE),
    ({"stop_reason": "refusal", "content": [{"type": "text", "text": "I"}]}, BILLED),
    (
        {"stop_reason": "refusal", "content_blocks": 0, "stop_details": {"type": "refusal", "category": "bio"}},
        BILLED,
    ),
    ({"stop_reason": "end_turn", "content_blocks": 0}, BILLED),
    ({}, BILLED),
]


@pytest.mark.parametrize(("response", "expected"), REFUSALS)
def test_a_refusal_is_free_if_it_is_empty(response: dict[str, Any], expected: Expected) -> None:
    assert usd(response=response) == expected


def test_why_an_attempt_declined_is_read_from_the_answer() -> None:
    part = {"input_tokens": 1000, "output_tokens": 0}
    served = {"type": "fallback_message", "model": "claude-opus-5-5", "input_tokens": 1000, "output_tokens": 10}
    usage = {**CASE["usage"], "iterations": [{"type": "message", "model": "claude-fable-5-2", **part}, served]}

    def content(category: str) -> dict[str, Any]:
        handover = {"type": "fallback", "from": {"model": "claude-fable-5-2"}, "trigger": {"category": category}}
        return {"stop_reason": "end_turn", "content": [handover, {"type": "text", "text": "Yes."}]}

    # Opus 5.5: 0.004 and 0.0002; Fable 5.2: 0.008 where the reason is one that is charged for.
    assert usd(usage=usage, response=content("cyber")) == ("0.0042", "priced", [])
    assert usd(usage=usage, response=content("bio")) == ("0.0122", "priced", [])


@pytest.mark.parametrize(
    "running",
    [
        {"running_ms": 5_400_000},
        {"session_running_ms": 5_400_000},
        {"session": {"runtime_seconds": 5400}},
        {"running_time_minutes": 90},
        {"session_hours": 1.5},
        {"usage": {**CASE["usage"], "active_seconds": 5400.0}},
    ],
)
def test_a_session_costs_its_tokens_and_the_time_that_it_ran(running: dict[str, Any]) -> None:
    (answer,), complaints, _ = answered({**CASE, "kind": "session", **running})
    assert (answer["usd"], answer["breakdown"]["session_runtime"], complaints) == ("0.124", "0.12", "")


def test_a_session_that_does_not_say_how_long_it_ran_is_unknown() -> None:
    assert usd(kind="session") == (None, "unknown", ["time_unknown"])
    assert usd(kind="session", running_ms="long") == (None, "unknown", ["time_unknown"])
    assert usd(kind="session", running_ms=-1) == (None, "unknown", ["time_unknown"])
    for far in ("1e9999999", "1e999999999", "1e-999999999", "9" * 40):
        line = json.dumps({**CASE, "kind": "session", "running_ms": 0}).replace(
            '"running_ms": 0', f'"running_ms": {far}'
        )
        assert answered(line)[0][0]["flags"] == ["time_unknown"]
    assert usd(kind="session", running_ms=1, platform="bedrock") == (None, "unknown", ["platform_unknown"])


def test_a_field_that_is_no_field_of_a_case_is_told_once() -> None:
    answers, complaints, fine = answered({**CASE, "platfrom": "bedrock"}, {**CASE, "platfrom": "bedrock", "note": "x"})
    assert complaints == "claude-telemetry price: line 1: 'platfrom' is no field of a case, and is not read\n"
    assert (len(answers), fine) == (2, [True, True])


def test_odd_bytes_do_not_end_it() -> None:
    answers, _, fine = answered(b"\xff\xfe", b"\x00", b"[" * 100_000, b'{"usage": ' * 100_000, json.dumps(CASE), b"NaN")
    assert fine == [False, False, False, False, True, False]
    assert [answer["usd"] for answer in answers] == [None, None, None, None, "0.004", None]


def test_ones_own_prices_count(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text('[aliases.prod]\nid = "claude-opus-5-5"\n')
    done = run(json.dumps({**CASE, "model": "prod"}), f"--prices={path}")
    assert json.loads(done.stdout)["usd"] == "0.004"
    path.write_text("[alias]")
    done = run(json.dumps(CASE), f"--prices={path}")
    assert (done.returncode, done.stdout) == (1, "")
    assert "prices.toml: alias: there is no such key; did you mean aliases?" in done.stderr
