"""The test call: what it is, and what is said when it does not arrive."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from claude_telemetry.record import Call
from claude_telemetry.settings import Address
from claude_telemetry_collector.decode import LandedCall, decode
from claude_telemetry_dashboard import data
from claude_telemetry_dashboard.data import trial
from claude_telemetry_dashboard.panels import first_call
from tests.dashboard.conftest import NOBODY, Store


class Taker:
    """Takes bodies where a collector would, lands them if it is told where, and answers with `status`."""

    def __init__(self, store: Store | None, status: int, answer: str) -> None:
        self.bodies: list[bytes] = []
        taker = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                assert (self.path, self.headers["content-type"]) == ("/v1/traces", "application/json")
                taker.bodies.append(body)
                if store is not None:
                    store.land(*landed(body))
                self.send_response(status)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer.encode())

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)

    @property
    def address(self) -> Address:
        return Address("127.0.0.1", self.server.server_address[1])


def landed(body: bytes) -> tuple[LandedCall, ...]:
    decoded = decode("traces", "json", body, datetime.now(UTC))
    assert (decoded.spans, decoded.ignored, decoded.error) == (1, 0, None)
    return decoded.calls


@contextmanager
def taking(store: Store, *, lands: bool = False, status: int = 200, answer: str = "{}") -> Generator[Taker]:
    taker = Taker(store if lands else None, status, answer)
    taker.thread.start()
    data.configure(data.Place(data=store.folder, otlp_http=taker.address))
    yield taker
    taker.server.shutdown()
    taker.server.server_close()
    taker.thread.join()


def test_a_test_call_lands_as_one_call_that_names_itself_a_test_and_cost_nothing(store: Store) -> None:
    with taking(store, lands=True) as taker:
        sent = data.send_trial()

    assert sent.problem is None
    assert sent.landed_after_s is not None
    call = landed(taker.bodies[0])[0].record.call
    assert datetime.now(UTC) - timedelta(minutes=1) < call.started_at < datetime.now(UTC)
    assert call == Call(
        started_at=call.started_at,
        duration_ms=1,
        service="claude-telemetry test",
        provider="anthropic",
        operation="chat",
        request_model="test-call",
        model="test-call",
        status="ok",
        trace_id=sent.span[0],
        span_id=sent.span[1],
        input_tokens=0,
        output_tokens=0,
        cost_usd=Decimal(0),
        net_cost_usd=Decimal(0),
        cost_status="priced",
        billed=False,
        attempts=1,
        feature="test-call",
    )


def test_what_somebody_else_takes_is_told_apart_from_what_landed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "LANDS_WITHIN_S", 0.3)
    with taking(store, lands=False):
        sent = data.send_trial()

    assert sent.landed_after_s is None
    assert sent.problem is not None
    assert f"took the call, but it was not in {store.folder}" in sent.problem


def test_a_refusal_is_told_in_the_words_of_who_refused(store: Store) -> None:
    with taking(store, status=404, answer="there is nothing here") as taker:
        sent = data.send_trial()

    assert sent.problem == (
        f"http://{taker.address}/v1/traces answered 404: there is nothing here. "
        "Is it a claude-telemetry collector that listens?"
    )


def test_a_store_that_is_away_is_told_apart_from_a_receiver_that_is(store: Store) -> None:
    with taking(store):
        store.go_away()
        sent = data.send_trial()

    assert sent.problem is not None
    assert sent.problem.startswith("The collector took the call, but does not answer: no collector is running on")


def test_a_proxy_of_the_environment_is_not_asked(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://{NOBODY}")
    monkeypatch.delenv("no_proxy", raising=False)
    with taking(store, lands=True):
        assert data.send_trial().problem is None


def test_the_body_holds_one_span_and_no_content(store: Store) -> None:
    with taking(store, lands=True) as taker:
        data.send_trial()

    span = json.loads(taker.bodies[0])["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    assert not [pair["key"] for pair in span["attributes"] if "messages" in pair["key"] or "content" in pair["key"]]


@pytest.mark.parametrize(
    ("address", "line"),
    [
        (Address("127.0.0.1", 4318), "claude_telemetry.instrument()"),
        (Address("0.0.0.0", 4318), "claude_telemetry.instrument()"),
        (Address("127.0.0.1", 14318), 'claude_telemetry.instrument(endpoint="http://127.0.0.1:14318")'),
        (Address("::1", 4318), 'claude_telemetry.instrument(endpoint="http://[::1]:4318")'),
        (Address("10.0.0.5", 4318), 'claude_telemetry.instrument(endpoint="http://10.0.0.5:4318")'),
    ],
)
def test_the_snippet_names_the_endpoint_only_where_it_is_not_the_usual_one(address: Address, line: str) -> None:
    assert first_call.snippet(address) == f"import claude_telemetry\n\n{line}"
