"""The page on OpenTelemetry metrics says what the code emits."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import metrics as api

from claude_telemetry.emit.metrics import CallMetrics, bounded, catalogue, editions, gauges
from claude_telemetry.emit.metrics.catalogue import Instrument

PAGE = (Path(__file__).parents[2] / "docs/otel-metrics.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def row(instrument: Instrument) -> tuple[str, ...]:
    own = [name for name in instrument.attributes if name not in (*catalogue.OF_A_CALL, *LIMIT_LABELS)]
    also = ", ".join(f"`{name}`" for name in own)
    return instrument.name, instrument.kind, instrument.unit, also, instrument.meaning


LIMIT_LABELS = (catalogue.ORGANIZATION, catalogue.LIMIT_TYPE)


@pytest.mark.parametrize(
    ("title", "instruments"),
    [
        ("By the released names", catalogue.RELEASED),
        ("By the newest names", catalogue.LATEST),
        ("In both", catalogue.OURS),
    ],
)
def test_every_metric_is_a_row(title: str, instruments: tuple[Instrument, ...]) -> None:
    rows = re.findall(r"^\| `([\w.]+)` \| ([\w -]+) \| `(\S+)` \| (.*?) ?\| (.+) \|$", section(title), re.MULTILINE)
    assert rows == [row(instrument) for instrument in instruments]


def test_the_attributes_that_all_points_of_a_call_have_are_named() -> None:
    for name in catalogue.OF_A_CALL:
        assert f"`{name}`" in section("What a point says")
    for name in catalogue.REMAINING.attributes:
        assert f"`{name}`" in section("In both")


def test_the_numbers_and_words_in_the_text_are_those_of_the_code() -> None:
    assert (bounded.MOST, bounded.OTHER) == (50, "_other")
    assert (gauges.AT_LEAST_S, gauges.AT_MOST_S) == (60, 3600)
    assert f"`{editions.OPT_IN}={editions.LATEST}`" in PAGE


def test_the_lines_that_turn_it_on_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opentelemetry.metrics._internal._METER_PROVIDER", None)
    monkeypatch.setattr("opentelemetry.metrics._internal._METER_PROVIDER_SET_ONCE._done", False)
    metrics = CallMetrics(environ={}, version="1")
    assert not metrics.active()
    names: dict[str, Any] = {}
    exec(section("Turn them on").split("```python\n")[1].split("```")[0], names)
    provider: Any = api.get_meter_provider()
    try:
        assert metrics.active()
    finally:
        metrics.stop()
        provider.shutdown()
