"""What is told more than once is there once, and whole: by the application's exporter beside our delivery, and by
everybody who reads a session's events."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from claude_telemetry.fake import FakeClaude
from claude_telemetry.fake.sessions import Turn
from claude_telemetry.fake.steps import Answer, Step, failure, tool_use_block
from claude_telemetry_collector.queries import connect
from tests.support.applications import finished, started
from tests.support.collecting import Collecting

# What `sys.argv` tells: the API, the collector, and when the application exports its own spans, to the same collector:
# `sooner` than ours are delivered, each as it ends, or `later`, in one request.
APPLICATION = """
import sys
import anthropic, claude_telemetry
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

claude, collector, when = sys.argv[1:]
provider = TracerProvider(resource=Resource.create({"service.name": when}))
exporter = OTLPSpanExporter(collector + "/v1/traces")
sooner = when == "sooner"
provider.add_span_processor(SimpleSpanProcessor(exporter) if sooner else BatchSpanProcessor(exporter))
trace.set_tracer_provider(provider)
claude_telemetry.instrument(endpoint=collector)

def asked(number):
    question = [{"role": "user", "content": "Hello"}]
    return dict(model="claude-haiku-4-5", max_tokens=number, messages=question, metadata={"user_id": when})

def ask(client):
    messages = client.messages
    messages.create(**asked(1))
    messages.create(**asked(2))  # is overloaded the first time
    list(messages.create(stream=True, **asked(3)))
    with messages.with_streaming_response.create(**asked(4)) as response:
        response.read()
    messages.create(**asked(5))  # asks for a tool

with anthropic.Anthropic(api_key="k", base_url=claude) as client:
    ask(client)
with anthropic.Anthropic(api_key="k", base_url=claude, open_telemetry={"traces": False}) as client:
    ask(client)
assert claude_telemetry.flush(30)
assert provider.force_flush()
"""
READER = """
import sys
import anthropic, claude_telemetry
claude, collector, session_id, act = sys.argv[1:]
claude_telemetry.instrument(endpoint=collector)
with anthropic.Anthropic(api_key="k", base_url=claude) as client:
    sessions = client.beta.sessions
    if act == "knows the model":
        sessions.retrieve(session_id)
    for _ in range(2):
        for event in sessions.events.stream(session_id): pass
    for event in sessions.events.list(session_id): pass
assert claude_telemetry.flush(30)
"""
WHEN = ("sooner", "later")


class Behaviour:
    """Answers by how much is asked for, and is overloaded once for everybody who asks for 2."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: dict[str, int] = {}

    def __call__(self, body: Mapping[str, Any]) -> Step:
        number: int = body["max_tokens"]
        user: str = body["metadata"]["user_id"]
        if number == 2:
            with self._lock:
                self._asked[user] = self._asked.get(user, 0) + 1
                if self._asked[user] % 2:
                    return failure(529, headers={"retry-after-ms": "1"})
        usage = {"input_tokens": 1000 + number, "output_tokens": number}
        return Answer(usage=usage, content=[tool_use_block("look", {})]) if number == 5 else Answer(usage=usage)


@dataclass(frozen=True, kw_only=True)
class Run:
    calls: list[dict[str, Any]]
    attempts: list[dict[str, Any]]
    tool_uses: list[dict[str, Any]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    data = tmp_path_factory.mktemp("copies") / "data"
    with FakeClaude(behaviour=Behaviour()) as claude, Collecting(data) as collector:
        endpoint = f"http://127.0.0.1:{collector.port}"
        finished([started(APPLICATION, claude.url, endpoint, when) for when in WHEN])
        collector.land_all()
        reader = connect(data)
        yield Run(
            calls=reader.ask("SELECT * FROM calls ORDER BY started_at").to_pylist(),
            attempts=reader.ask("SELECT * FROM attempts ORDER BY started_at").to_pylist(),
            tool_uses=reader.ask("SELECT * FROM tool_uses").to_pylist(),
        )
        assert collector.stop() == 0


@pytest.mark.parametrize("when", WHEN)
def test_a_call_that_the_application_exports_as_well_is_there_once_and_whole(run: Run, when: str) -> None:
    calls = [call for call in run.calls if call["user_id"] == when]

    assert [call["max_tokens"] for call in calls] == [1, 2, 3, 4, 5, 1, 2, 3, 4, 5]
    for call in calls:
        number = call["max_tokens"]
        expected = {
            "status": "ok",
            "cost_usd": (1000 + number + 5 * number) * Decimal("0.000001"),
            "cost_status": "priced",
            "input_tokens": 1000 + number,
            "output_tokens": number,
            "usage_partial": False,
            "attempts": 2 if number == 2 else 1,
            "stream_end": "read" if number == 3 else None,
            "whole": True,
        }
        assert {name: call[name] for name in expected} == expected
        assert json.loads(call["usage"])["output_tokens"] == number
        assert sum(map(Decimal, json.loads(call["cost_breakdown"]).values())) == call["cost_usd"]


@pytest.mark.parametrize("when", WHEN)
def test_its_attempts_and_tool_uses_are_there_once(run: Run, when: str) -> None:
    by_number: dict[int, list[list[int]]] = {}
    tools: dict[int, list[list[str]]] = {}
    for call in (call for call in run.calls if call["user_id"] == when):
        mine = [part["http_status"] for part in run.attempts if part["span_id"] == call["span_id"]]
        by_number.setdefault(call["max_tokens"], []).append(mine)
        asked_for = [part["name"] for part in run.tool_uses if part["span_id"] == call["span_id"]]
        tools.setdefault(call["max_tokens"], []).append(asked_for)

    assert by_number == {1: [[200]] * 2, 2: [[529, 200]] * 2, 3: [[200]] * 2, 4: [[200]] * 2, 5: [[200]] * 2}
    assert tools == {1: [[]] * 2, 2: [[]] * 2, 3: [[]] * 2, 4: [[]] * 2, 5: [["look"]] * 2}


def test_what_a_session_asked_models_is_there_once_however_often_it_is_read(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    data = tmp_path_factory.mktemp("sessions") / "data"
    silent = {"cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}
    turns = [Turn(requests=[{"input_tokens": 1000 * n, "output_tokens": n, **silent} for n in (1, 2)])]
    requests = "SELECT * FROM calls WHERE operation = 'agent_model_request' ORDER BY input_tokens"
    with FakeClaude() as claude, Collecting(data) as collector:
        endpoint, session_id = f"http://127.0.0.1:{collector.port}", claude.session("claude-haiku-4-5", turns)
        finished([started(READER, claude.url, endpoint, session_id, "has not asked")])
        reader = connect(data)
        collector.land_all()
        unpriced = reader.ask(requests).to_pylist()
        # The events do not say which model it was. Who has seen the session knows.
        finished([started(READER, claude.url, endpoint, session_id, "knows the model") for _ in range(2)])
        collector.land_all()
        priced = reader.ask(requests).to_pylist()
        assert collector.stop() == 0

    told = [request.event_id for request in claude.model_requests]
    assert [(row["message_id"], row["model"], row["cost_usd"]) for row in unpriced] == [
        (id_, None, None) for id_ in told
    ]
    assert [(row["message_id"], row["model"], row["cost_usd"]) for row in priced] == [
        (told[0], "claude-haiku-4-5", Decimal("0.001005")),
        (told[1], "claude-haiku-4-5", Decimal("0.002010")),
    ]
    assert {row["session_id"] for row in priced} == {session_id}
