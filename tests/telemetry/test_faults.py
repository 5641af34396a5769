"""Whatever of ours fails within a call, the application gets the answer or the exception that it would get without us.

Every function of ours that a call comes to is broken, one at a time: found by watching calls of every sort, so that a
new function is among them by itself.
"""

from __future__ import annotations

import gc
import gzip
import inspect
import logging
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry import context as otel_context
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import get_current_span

import claude_telemetry
from claude_telemetry.capture.recording import current_recording
from claude_telemetry.guard import slips
from tests.scenarios.app import sdk
from tests.scenarios.bodies import answering, http, json_response, message, sse, sse_response
from tests.scenarios.scenario import sdk_traces
from tests.support.breaking import Functions, Place
from tests.support.plays import ASK, PLAYS, Caller, Play
from tests.support.recorded import sdk_tracing

PARTS = ("asked", "capture", "emit", "guard", "labels", "pricing", "record", "spending", "tool_spans")

HOOKS = {
    "capture.body._AsyncWatch.__aiter__",
    "capture.body._SyncWatch.__iter__",
    "capture.requesting.Requesting.wrap.<locals>.request",
    "capture.requesting.Requesting.wrap_async.<locals>.request",
    "capture.sending.Sending.wrap.<locals>.send",
    "capture.sending.Sending.wrap_async.<locals>.send",
    "capture.spliced._AsyncSplice.__aiter__",
    "capture.spliced._SyncSplice.__iter__",
    "capture.stand_in.AsyncStandIn.aclose",
    "capture.stand_in.StandIn.__del__",
    "capture.stand_in.StandIn.__getattr__",
    "capture.stand_in.SyncStandIn.close",
    "emit.pipeline._Adopting.on_start",
    "emit.pipeline._Delivering.on_end",
    "guard.guarded.__init__",
    "guard.guarded.__enter__",
    "guard.guarded.__exit__",
    "guard.slipped",
}
"""Called by others in the place of their own, so that nobody could catch what they raise; and what catches. They have
no work of their own: what they call is broken here."""

BESIDE = (
    "asked",
    "capture.adopt",
    "capture.cache_marks",
    "capture.content",
    "capture.fingerprint",
    "capture.rate_limits",
    "capture.telling",
    "emit.metrics",
    "emit.spans",
    "labels",
    "pricing",
    "spending",
    "tool_spans",
)
"""Modules without which a call is known all the same, only less of it."""

MODES = ["own", "alone", *(["adopted"] if sdk_traces() else [])]
CANARY = "what somebody asked"


class _Odd(Exception):  # noqa: N818 - it is odd
    def __str__(self) -> str:
        raise RuntimeError(CANARY)

    __repr__ = __str__


ERRORS: list[Callable[[], Exception]] = [
    lambda: RuntimeError(CANARY),
    lambda: RecursionError(CANARY),
    lambda: MemoryError(),
    lambda: _Odd(),
    lambda: AttributeError(CANARY),
]


class Receiver:
    """Takes spans, and counts their calls when it is asked."""

    def __init__(self) -> None:
        bodies = self._bodies = list[bytes]()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                bodies.append(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server gives it
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def calls(self) -> Counter[int | None]:
        """The delivered calls since the last time of asking, by their input tokens. `None` for those without."""
        bodies, self._bodies[:] = list(self._bodies), []
        return Counter(
            next((pair.value.int_value for pair in span.attributes if pair.key.endswith("uncached_input_tokens")), None)
            for body in bodies
            for resource in ExportTraceServiceRequest.FromString(gzip.decompress(body)).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
            if "tool_runner" not in span.name and "tool_use" not in span.name
        )


class Bench:
    """An instrumented application, in which calls are made with something broken."""

    def __init__(self, mode: str, receiver: Receiver) -> None:
        self._provider = TracerProvider(shutdown_on_exit=False)
        self._reader = InMemoryMetricReader()
        self._receiver = receiver
        self._tracing: dict[str, Any] = {}
        settings: dict[str, Any] = {}
        if mode != "alone":
            settings["tracer_provider"] = self._provider
            self._tracing = sdk_tracing(self._provider if mode == "adopted" else None)
        claude_telemetry.instrument(
            meter_provider=MeterProvider([self._reader], shutdown_on_exit=False),
            capture_content="SPAN_AND_EVENT",
            endpoint=receiver.url,
            flush_interval=60,  # so that nothing is delivered while something is broken
            **settings,
        )
        # The first call is packed at once.
        self.play(next(iter(PLAYS)))
        self.delivered()
        self.functions = Functions(PARTS)

    def play(self, play: Play) -> list[Any]:
        """What the application gets. Fails when something is left in its context."""
        app = Caller(self._tracing, self._provider)
        with app.seeing_errors():
            play(app)
        assert not get_current_span().get_span_context().is_valid, "a span is current after the call"
        assert current_recording.get() is None, "a call is current after the call"
        return app.seen

    def delivered(self) -> Counter[int | None]:
        gc.collect(1)  # a stream that nobody closed may be held by the error that broke it
        self._reader.get_metrics_data()
        claude_telemetry.flush()
        return self._receiver.calls()


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture(autouse=True)
def _counting_from_nothing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What slips here is no concern of other tests, and each slip is the first."""
    monkeypatch.setattr("claude_telemetry.guard._slips", Counter[str]())
    yield
    claude_telemetry.uninstrument()


@contextmanager
def labelled() -> Generator[None]:
    """With labels that are handed on as baggage."""
    with claude_telemetry.label(user="u_2", feature="f", tags={"tier": "gold"}, propagate=True):
        yield


@contextmanager
def complaints(caplog: pytest.LogCaptureFixture) -> Generator[list[str]]:
    """What shows up elsewhere: exceptions that nobody could catch, and parts of a question in our log."""
    found: list[str] = []
    hook = sys.unraisablehook
    sys.unraisablehook = lambda raised: found.append(f"unraisable {raised.exc_type.__name__}")
    caplog.clear()
    try:
        with caplog.at_level(logging.DEBUG, "claude_telemetry"):
            yield found
    finally:
        sys.unraisablehook = hook
    if CANARY in caplog.text:
        found.append("the text of the error is in the log")


def bare(play: Play) -> list[Any]:
    app = Caller(sdk_tracing(None), TracerProvider(shutdown_on_exit=False))
    with app.seeing_errors():
        play(app)
    return app.seen


def reaching(bench: Bench) -> list[tuple[Place, list[Play]]]:
    """The functions that calls come to, each with the calls that do."""
    found: defaultdict[Place, list[Play]] = defaultdict(list)
    for play in PLAYS:
        with labelled():
            bench.play(play)
            with bench.functions.reached() as reached:
                bench.play(play)
        for place in reached:
            if str(place) not in HOOKS:
                found[place].append(play)
    bench.delivered()
    return sorted(found.items(), key=lambda one: str(one[0]))


@pytest.mark.parametrize("mode", MODES)
def test_a_fault_in_any_function_of_ours_changes_nothing_for_the_application_and_is_counted(
    mode: str, receiver: Receiver, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = {play: bare(play) for play in PLAYS}
    bench = Bench(mode, receiver)
    reached = reaching(bench)
    assert len(reached) > 150  # some 300, of the newest SDK
    assert set(map(str, bench.functions.places.values())) >= HOOKS
    problems: list[str] = []
    with_all = {play: _played(bench, play) for play in PLAYS}
    # Each with two calls that come to it, other ones in each mode.
    turn = MODES.index(mode)
    cases = [
        (plays[(turn + number * 3) % len(plays)], place)
        for place, plays in reached
        for number in range(min(len(plays), 2))
    ]
    for number, (play, place) in enumerate(cases):
        monkeypatch.setattr("claude_telemetry.guard._slips", Counter[str]())
        with ExitStack() as stack:
            stack.enter_context(labelled())
            found = stack.enter_context(complaints(caplog))
            raised = stack.enter_context(bench.functions.broken(place, ERRORS[number % len(ERRORS)]))
            try:
                if bench.play(play) != without[play]:
                    found.append("the application got something else")
            except BaseException as error:  # noqa: BLE001 - what came through is the point
                found.append(f"{type(error).__name__} came through: {error}")
                _clear()
        if raised and not slips():
            found.append("not counted")
        delivered = bench.delivered()
        if raised and str(place).startswith(BESIDE) and (lost := with_all[play] - delivered):
            found.append(f"{lost} was not delivered")
        problems += [f"{place} in {play.__name__}: {what}" for what in found]
    assert problems == []


WORKED_OUT = ("capture.facts._", "capture.facts.all_facts", "capture.facts.charge_so_far", "pricing", "record.usage")


def test_a_call_that_cannot_be_worked_out_is_delivered_as_far_as_it_is_known(receiver: Receiver) -> None:
    """Something about its usage, say, that nobody has seen before: then the fault is there for good."""
    bench = Bench("own", receiver)
    reached = [(place, plays) for place, plays in reaching(bench) if str(place).startswith(WORKED_OUT)]
    assert len(reached) > 20
    lost: list[str] = []
    for number, (place, plays) in enumerate(reached):
        play = plays[number % len(plays)]
        with bench.functions.broken(place, ERRORS[number % len(ERRORS)]):
            bench.play(play)
            delivered = bench.delivered()
        if delivered.total() < PLAYS[play]:
            lost.append(f"{place} in {play.__name__}")
    assert lost == []


def test_a_log_handler_of_the_application_that_fails_does_not_fail_its_calls(receiver: Receiver) -> None:
    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise OSError("the disk is full")

    play = next(iter(PLAYS))
    without = bare(play)
    bench = Bench("own", receiver)
    (end,) = [place for place in bench.functions.places.values() if str(place) == "capture.recording.Recording.end"]
    handler = Broken()
    logging.getLogger("claude_telemetry").addHandler(handler)
    try:
        with bench.functions.broken(end, lambda: RuntimeError()):
            assert bench.play(play) == without
    finally:
        logging.getLogger("claude_telemetry").removeHandler(handler)
    assert slips() == {"end a call": 1}


HOOKS_ON_THE_WAY = 4
"""Frames that a call is deeper with us: two hooks, and what they ask before they pass it on."""


@pytest.mark.parametrize("stream", [False, True])
def test_an_application_whose_stack_is_nearly_full_gets_its_answer_as_long_as_the_sdk_has_room(
    receiver: Receiver, stream: bool
) -> None:
    def ask() -> None:
        body = json_response(message()) if not stream else sse_response([sse(message())])
        with sdk.Anthropic(
            api_key="k", http_client=http.Client(transport=answering(body)), max_retries=0, **sdk_tracing(None)
        ) as client:
            asked = client.messages.create(**ASK, stream=stream)
            if stream:
                list(asked)

    def works(room: int) -> bool:
        """Whether the call works with so many frames left."""
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(len(inspect.stack(0)) + room)
        try:
            ask()
        except (RecursionError, sdk.APIError):
            return False
        finally:
            sys.setrecursionlimit(limit)
        return True

    ask()
    without = next(room for room in range(10, 300) if works(room))
    Bench("own", receiver)
    ask()
    assert [room for room in range(without + HOOKS_ON_THE_WAY, without + 80) if not works(room)] == []


def _played(bench: Bench, play: Play) -> Counter[int | None]:
    with labelled():
        bench.play(play)
    delivered = bench.delivered()
    assert delivered.total() == PLAYS[play]
    return delivered


def _clear() -> None:
    """Takes away what a failed case has left in the context, so that the next one is not blamed."""
    current_recording.set(None)
    otel_context.attach(otel_context.Context())
