"""Every scenario: what is recorded of it is true, and the application does not notice."""

from __future__ import annotations

import gc
import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from claude_telemetry.record import CallRecord
from claude_telemetry.record.attributes import call_facts
from tests.scenarios import (
    batches,
    completions,
    concurrency,
    create,
    http,
    middleware,
    platforms,
    prices,
    retries,
    sessions,
    streams,
    tools,
)
from tests.scenarios.app import described
from tests.scenarios.expected import Expected, in_any_order, order_of
from tests.scenarios.playing import played
from tests.scenarios.scenario import SCENARIOS, Mode, Scenario

TOLD_IN = (
    batches, completions, concurrency, create, http, middleware, platforms, prices, retries, sessions, streams, tools
)  # fmt: skip
"""The modules whose import has filled `SCENARIOS`."""

IN_EACH_MODE = [(scenario, mode) for scenario in SCENARIOS for mode in scenario.modes]
IN_BOTH_MODES = [scenario for scenario in SCENARIOS if scenario.same_shape and "adopted" in scenario.modes]

each_scenario = pytest.mark.parametrize(
    ("scenario", "mode"), IN_EACH_MODE, ids=[f"{scenario.name}-{mode}" for scenario, mode in IN_EACH_MODE]
)

# Ids and times, which differ from one call to the next; and what follows from them.
_VARYING = re.compile(
    r"start_ns|ttft|first_event|time_to_first|time_per|duration|wait_ms|fingerprint|(message|request|response|session|tool_use).?ids?$"
)


@pytest.fixture(autouse=True, scope="module")
def no_idle_time() -> Iterator[None]:
    """Without the certificates that every client loads, which nobody needs on loopback, and the pauses of retries; and
    the garbage collector looks through what the scenarios leave, not through all that was ever imported."""
    gc.collect()
    gc.freeze()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl.SSLContext, "load_verify_locations", _nothing)
        patch.setattr("anthropic._base_client.INITIAL_RETRY_DELAY", 0.001)
        yield
    gc.unfreeze()


def _nothing(*_: object, **__: object) -> None:
    pass


@each_scenario
def test_what_is_recorded_is_true(scenario: Scenario, mode: Mode) -> None:
    play = played(scenario, mode)
    records, expected = list(play.records), list(play.expected)
    if not scenario.ordered:
        records.sort(key=_order)
        expected.sort(key=lambda each: each.order)
    assert play.names == in_any_order(each.span_name for each in expected)
    wrong = [line for record, each in zip(records, expected, strict=True) for line in _wrong(record, each)]
    assert "\n".join(wrong) == ""
    for record in records:
        assert record.call.duration_ms is not None
        assert 0 <= record.call.duration_ms <= play.elapsed_ms + 1
        assert 0 <= (record.call.ttft_ms or 0) <= play.elapsed_ms + 1


@each_scenario
def test_the_application_does_not_notice(scenario: Scenario, mode: Mode) -> None:
    play, bare = played(scenario, mode), played(scenario, "bare")
    assert play.seen == bare.seen
    assert play.complaints == bare.complaints
    assert play.slips == {}
    assert play.leaked == {}


@pytest.mark.parametrize("scenario", IN_BOTH_MODES, ids=lambda scenario: scenario.name)
def test_own_and_adopted_spans_have_one_shape(scenario: Scenario) -> None:
    own, adopted = played(scenario, "own"), played(scenario, "adopted")
    assert "\n".join(_differences(own.spans, adopted.spans)) == ""


def test_there_are_many_scenarios_and_each_has_its_name() -> None:
    names = [scenario.name for scenario in SCENARIOS]
    assert len(set(names)) == len(names) >= 80


def _order(record: CallRecord) -> tuple[str, str, str]:
    return order_of(record.call.request_id, record.call.custom_id, record.call.message_id)


def _wrong(record: CallRecord, expected: Expected) -> list[str]:
    """What is recorded and not true, line by line."""
    recorded = {
        **{name: getattr(record.call, name, None) for name in expected.facts},
        "ttft_known": record.call.ttft_ms is not None,
        "tools": [use.name for use in record.tool_uses],
        "all attempts": [(attempt.http_status, attempt.error_type) for attempt in record.attempts],
    }
    truth = {**expected.facts, "tools": list(expected.tools)}
    if expected.attempts is not None:
        truth["all attempts"] = list(expected.attempts)
    of = f"{record.call.operation} {record.call.custom_id or record.call.request_id or ''}"
    return [
        f"{of}: {name} is {recorded[name]!r}, not {true!r}" for name, true in truth.items() if recorded[name] != true
    ]


def _differences(own: Sequence[ReadableSpan], adopted: Sequence[ReadableSpan]) -> list[str]:
    return [
        f"{name}: own {left.get(name)!r}, adopted {right.get(name)!r}"
        for left, right in zip(map(_shape, own), map(_shape, adopted), strict=True)
        for name in sorted(left.keys() | right.keys())
        if left.get(name) != right.get(name)
    ]


def _shape(span: ReadableSpan) -> dict[str, Any]:
    """What a reader finds in it: an attribute cannot be taken back, so some of an adopted span's are not believed."""
    facts, others = call_facts(span.attributes or {})
    return {
        "name": span.name,
        "kind": span.kind.name,
        "status": span.status.status_code.name,
        "events": [(event.name, _steady(event.attributes or {})) for event in span.events],
        **_steady(facts),
        **_steady(others),
    }


def _steady(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: "…" if _VARYING.search(name) else described(value) for name, value in sorted(attributes.items())}
