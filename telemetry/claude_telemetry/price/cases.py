"""`claude-telemetry price --jsonl`: reads cases, one JSON object a line, and answers each with a line: what it costs.

A *case* is a call as it was answered, in the format of `tests/data/cost_examples.json`: which model, when, on which
platform, and the usage object. A line that is no case gets an answer like the others, so that lines stay in step.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Context, Decimal
from typing import Any, TextIO, cast

from claude_telemetry.capture.usage import Answer
from claude_telemetry.pricing import Cost, cost_of, session_cost_of, use_prices
from claude_telemetry.settings import add_flags, settle

_MS_OF = {"ms": 1, "s": 1000, "seconds": 1000, "minutes": 60_000, "hours": 3_600_000}
_RUNNING = re.compile(rf"(?:session|(?:session_)?(?:running|runtime|active)(?:_time)?)_({'|'.join(_MS_OF)})")
"""`running_ms`, `session_hours`, the API's `active_seconds` and the like."""
_KINDS = (None, "message", "session")
_READ = frozenset(
    {
        "id",
        "kind",
        "model",
        "date",
        "platform",
        "endpoint",
        "usage",
        "response",
        "session",
        "batch",
        "incomplete",
        "workspace_id",
    }
)
_ABOUT = frozenset({"expected_usd", "breakdown", "certainty", "tags", "note", "source"})
"""What a case says for its reader."""
_MOST_DIGITS = 30
"""Of a running time, on either side of the point."""


class BadCaseError(Exception):
    """A line is no case: a flag, and a sentence for people. Never leaves this module."""

    def __init__(self, flag: str, said: str) -> None:
        super().__init__(said)
        self.flag = flag


def main(argv: Sequence[str]) -> int:
    """Answers each line of standard input. 1 when some line was no case."""
    parser = argparse.ArgumentParser(
        prog="claude-telemetry price --jsonl",
        usage="%(prog)s [OPTION ...] < CASES",
        description='What each case on standard input costs: for a line a line of "id", "usd", "status", "flags" and '
        '"breakdown". Exit code 1 when some line is no case.',
        epilog='Example: echo \'{"model": "claude-opus-5-5", "date": "2026-11-12T08:00:00Z", "usage": {"input_tokens": '
        '10, "output_tokens": 5}}\' | claude-telemetry price --jsonl',
    )
    parser.add_argument("--jsonl", action="store_true", required=True, help="read cases, one JSON object a line")
    add_flags(parser, "price")
    use_prices(settle("price", vars(parser.parse_args(argv)))["prices"])
    return 0 if all(answer_all(sys.stdin.buffer, sys.stdout, sys.stderr)) else 1


def answer_all(lines: Iterable[bytes], answers: TextIO, complaints: TextIO) -> list[bool]:
    """Writes an answer for each of `lines` that is not empty, and a complaint for each that is no case. Whether each
    was one."""
    told: set[str] = set()
    fine: list[bool] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        answer, said = _answer(line)
        # An id with decimals goes back as text, as it was written; letters beyond ASCII as every terminal has them.
        print(json.dumps(answer, default=str), file=answers, flush=True)
        fine.append(said is None)
        if said is not None:
            print(f"claude-telemetry price: line {number}: {said}", file=complaints)
        else:
            for name in sorted(_unread(line) - told):
                told.add(name)
                print(
                    f"claude-telemetry price: line {number}: {name!r} is no field of a case, and is not read",
                    file=complaints,
                )
    return fine


def _unread(line: bytes) -> set[str]:
    names = set(json.loads(line)) - _READ - _ABOUT
    return {name for name in names if not _RUNNING.fullmatch(name)}


def _answer(line: bytes) -> tuple[dict[str, Any], str | None]:
    """What to write for `line`; and what is wrong with it, if it is no case."""
    case_id: object = None
    try:
        case = _case(line)
        case_id = case.get("id")
        cost = _cost(case)
    except BadCaseError as why:
        return {"id": case_id, "usd": None, "status": "unknown", "flags": [why.flag], "breakdown": {}}, str(why)
    breakdown: dict[str, Any] = {name: plain(amount) for name, amount in cost.breakdown.items()}
    if cost.iterations:
        breakdown["iterations"] = [
            {"type": part.type, "model": part.model, "usd": plain(part.usd), "billed": part.billed}
            for part in cost.iterations
        ]
    usd = None if cost.usd is None else plain(cost.usd)
    return {"id": case_id, "usd": usd, "status": cost.status, "flags": list(cost.flags), "breakdown": breakdown}, None


def _case(line: bytes) -> dict[str, Any]:
    try:
        # Numbers as they are written: a running time has decimals, and its cost is exact.
        case: object = json.loads(line, parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise BadCaseError("line_unreadable", f"it is no JSON ({error}); give one JSON object a line") from None
    if not isinstance(case, dict):
        raise BadCaseError("line_unreadable", f"it is no JSON object but {_kind(case)}; give one JSON object a line")
    return cast("dict[str, Any]", case)


def _no_number(word: str) -> object:
    raise ValueError(f"{word} is no number there")


def _cost(case: Mapping[str, Any]) -> Cost:
    kind, usage = case.get("kind"), _object(case, "usage")
    if usage is None:
        raise BadCaseError("tokens_unknown", "it has no usage; give the usage object of the answer")
    if kind not in _KINDS:
        raise BadCaseError("kind_unknown", f'its kind is {kind!r}; give "session", or none for a call')
    at, model = _time(case.get("date")), case.get("model")
    endpoint, platform = _object(case, "endpoint") or {}, case.get("platform") or "anthropic"
    if kind == "session":
        running_ms = _running_ms(case, usage)
        workspace_id = case.get("workspace_id")
        return session_cost_of(
            usage, model=model, at=at, running_ms=running_ms, platform=platform, workspace_id=workspace_id
        )
    answer = _answered(_object(case, "response") or {}, usage)
    return cost_of(
        usage,
        model=model,
        at=at,
        platform=platform,
        region=endpoint.get("region"),
        deployment_type=endpoint.get("deployment_type"),
        workspace_id=case.get("workspace_id"),
        batch=case.get("batch") is True,
        empty_refusal=answer.empty_refusal,
        refusal_category=answer.refusal_category,
        declined=answer.declined,
        incomplete=case.get("incomplete") is True,
    )


def _answered(response: Mapping[str, Any], usage: Mapping[str, Any]) -> Answer:
    """The answer: its `content`, or how many blocks that had. Without either, a refusal without output has none."""
    blocks = response.get("content_blocks")
    if blocks is None and "content" not in response:
        blocks = 0 if usage.get("output_tokens") == 0 else 1
    answer = Answer()
    answer.take(
        {"content": [{}] * blocks if type(blocks) is int and blocks <= 10**6 else [], **response, "type": "message"}
    )
    return answer


def _time(date: object) -> datetime:
    try:
        return datetime.fromisoformat(str(date))
    except ValueError:
        found = "missing" if date is None else repr(date)
        raise BadCaseError("time_unknown", f"its date is {found}; give one such as 2026-11-12T08:00:00Z") from None


def _running_ms(case: Mapping[str, Any], usage: Mapping[str, Any]) -> Decimal:
    """How long a session ran: from the case itself, from its `session`, else what the API says in its usage."""
    for holder in (case, _object(case, "session") or {}, usage):
        for name, ms in _durations(holder):
            value = holder[name]
            if type(value) is int or isinstance(value, Decimal):
                return _times(Decimal(value), ms, name)
            raise BadCaseError("time_unknown", f"its {name} is {value!r}; give a number")
    raise BadCaseError("time_unknown", "it does not say how long the session ran; give running_ms")


def _times(number: Decimal, ms: int, name: str) -> Decimal:
    """`number` times `ms`, exact."""
    _, digits, exponent = number.as_tuple()
    if abs(cast("int", exponent)) > _MOST_DIGITS or len(digits) > _MOST_DIGITS:
        raise BadCaseError(
            "time_unknown", f"its {name} is no time that anything has run; give a number such as 5400000"
        )
    return Context(prec=3 * _MOST_DIGITS).multiply(number, Decimal(ms))


def _durations(holder: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    for name in holder:
        found = _RUNNING.fullmatch(name)
        if found is not None and holder[name] is not None:
            yield name, _MS_OF[found.group(1)]


def _object(case: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    value: object = case.get(name)
    if value is None or isinstance(value, dict):
        return cast("Mapping[str, Any] | None", value)
    raise BadCaseError(f"{name}_unreadable", f"its {name} is no object but {_kind(value)}")


def _kind(value: object) -> str:
    kinds: dict[type, str] = {str: "a text", list: "a list", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")


def plain(amount: Decimal) -> str:
    """`amount` exactly, without exponent and trailing zeros."""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
