"""The worked examples, exact to the picodollar."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from claude_telemetry.pricing import Cost, cost_of

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "data" / "cost_examples.json").read_text())[
    "cases"
]


@pytest.mark.parametrize("case", CASES, ids=[f"{case['id']} {case['note']}" for case in CASES])
def test_a_worked_example_costs_what_it_says(case: dict[str, Any]) -> None:
    cost = _cost_of(case)
    expected = dict(case["breakdown"])
    iterations = expected.pop("iterations", [])
    if case["expected_usd"] == "unknown":
        assert (cost.usd, cost.status, cost.breakdown) == (None, "unknown", {})
        assert cost.flags == ("model_unknown",)
        return
    assert (cost.usd, cost.status) == (Decimal(case["expected_usd"]), "priced")
    assert cost.breakdown == {line: Decimal(amount) for line, amount in expected.items()}
    assert [
        {"type": part.type, "model": part.model, "usd": part.usd, "billed": part.billed} for part in cost.iterations
    ] == [{**part, "usd": Decimal(part["usd"])} for part in iterations]


def test_there_are_thirty_examples() -> None:
    assert len(CASES) == 30


def _cost_of(case: dict[str, Any]) -> Cost:
    response = case.get("response", {})
    return cost_of(
        case["usage"],
        model=case["model"],
        at=datetime.fromisoformat(case["date"]),
        platform=case["platform"],
        region=case.get("endpoint", {}).get("region"),
        empty_refusal=response.get("stop_reason") == "refusal" and response.get("content_blocks") == 0,
    )
