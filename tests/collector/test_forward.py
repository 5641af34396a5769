"""What is received is sent on as well, and nobody waits for whoever takes it."""

from __future__ import annotations

import gzip
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from claude_telemetry.errors import SettingsError
from claude_telemetry_collector.__main__ import main
from claude_telemetry_collector.forward import Forwarder, Forwarding, destination_of, forwarding
from claude_telemetry_collector.segments import Arrival, Encoding, SegmentReader, SegmentWriter, Signal
from tests.support.collecting import Collecting, export_of_calls
from tests.support.receiving import PROTOBUF, ask, export_of
from tests.support.waiting import wait_until

KEY = "secret-key-of-the-vendor"


@dataclass(frozen=True)
class Taken:
    path: str
    headers: dict[str, str]
    body: bytes


class Backend:
    """A stand-in for somebody else's OTLP endpoint. `answers` are given in turn, then 200."""

    def __init__(self) -> None:
        self.taken: list[Taken] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.asked = 0
        backend = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = gzip.decompress(self.rfile.read(int(self.headers["content-length"])))
                backend.asked += 1
                status, headers = backend.answers.pop(0) if backend.answers else (200, {})
                if b"bad" in body:
                    status = 400
                if status == 200:
                    found = {name.lower(): value for name, value in self.headers.items()}
                    backend.taken.append(Taken(self.path, found, body))
                self.send_response(status)
                for name, value in {"content-length": "0", **headers}.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/otlp/"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self._thread.start()

    def bodies(self) -> bytes:
        return b"".join(taken.body for taken in self.taken)

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


@pytest.fixture
def backend() -> Iterator[Backend]:
    started = Backend()
    yield started
    started.stop()


@dataclass(frozen=True)
class Desk:
    """The folders, and somebody who writes."""

    folder: Path
    writer: SegmentWriter
    begun: list[Forwarder]

    @property
    def forward(self) -> Path:
        return self.folder / "forward"

    def receive(self, *bodies: bytes, signal: Signal = "traces", encoding: Encoding = "protobuf") -> None:
        now = datetime.now(UTC)
        self.writer.append([Arrival(signal=signal, encoding=encoding, received_at=now, body=body) for body in bodies])
        self.writer.sync()

    def forwarder(self, backend: Backend, *, headers: str | None = None, most_bytes: int = 1 << 30) -> Forwarder:
        forwarder = Forwarder(self.forward, destination_of(backend.url, headers), most_bytes=most_bytes)
        self.begun.append(forwarder)
        return forwarder


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    writer = SegmentWriter(tmp_path / "segments", also_in=tmp_path / "forward", segment_bytes=65536)
    desk = Desk(tmp_path, writer, [])
    yield desk
    writer.close()
    for forwarder in desk.begun:
        forwarder.close()


def forward_all(forwarder: Forwarder) -> None:
    while forwarder.forward() == 0:
        pass


def test_what_is_received_is_sent_on_together_in_order_and_compressed(desk: Desk, backend: Backend) -> None:
    desk.receive(export_of(1), export_of(2), export_of(3))
    forward_all(desk.forwarder(backend, headers=f"X-Api-Key={KEY}, authorization=Bearer%20{KEY}"))

    (taken,) = backend.taken
    assert (taken.path, taken.body) == ("/otlp/v1/traces", export_of(1) + export_of(2) + export_of(3))
    assert taken.headers["content-type"] == "application/x-protobuf"
    assert (taken.headers["x-api-key"], taken.headers["authorization"]) == (KEY, f"Bearer {KEY}")


def test_signals_and_encodings_stay_what_they_are(desk: Desk, backend: Backend) -> None:
    desk.receive(export_of(1))
    desk.receive(b'{"resourceSpans": []}', b'{"resourceSpans": [1]}', encoding="json")
    desk.receive(b"\x0a\x00", signal="logs")
    desk.receive(b"\x0a\x01", signal="metrics")
    forward_all(desk.forwarder(backend))

    assert [(taken.path[-8:], taken.headers["content-type"][12:], taken.body) for taken in backend.taken] == [
        ("1/traces", "x-protobuf", export_of(1)),
        ("1/traces", "json", b'{"resourceSpans": []}'),
        ("1/traces", "json", b'{"resourceSpans": [1]}'),
        ("/v1/logs", "x-protobuf", b"\x0a\x00"),
        ("/metrics", "x-protobuf", b"\x0a\x01"),
    ]


def test_landing_deletes_what_it_has_and_forwarding_has_it_still(desk: Desk, backend: Backend) -> None:
    bodies = [export_of(number) * 300 for number in range(1, 31)]
    for body in bodies:
        desk.receive(body)
    reader = SegmentReader(desk.folder / "segments")
    reader.trim(reader.frames(None, 1 << 30)[-1].next_position)
    assert len(list((desk.folder / "segments").glob("*.segment"))) == 1

    forward_all(desk.forwarder(backend))
    assert backend.bodies() == b"".join(bodies)
    assert len(list(desk.forward.glob("*.segment"))) == 1


@pytest.mark.parametrize("status", [401, 403, 404, 408, 429, 500, 502, 503, 302])
def test_what_is_not_taken_now_is_sent_again(
    desk: Desk, backend: Backend, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    desk.receive(export_of(1))
    backend.answers = [(status, {"retry-after": "7", "location": backend.url}), (status, {})]
    forwarder = desk.forwarder(backend)
    with caplog.at_level(logging.INFO):
        assert forwarder.forward() == 7
        assert forwarder.state.failing
        assert 1 <= forwarder.forward() <= 2
        forward_all(forwarder)

    assert backend.bodies() == export_of(1)
    assert backend.asked == 3
    assert (forwarder.state.forwarded, forwarder.state.failing) == (1, False)
    assert [message[:40] for message in caplog.messages] == [
        f"forwarding waits: the endpoint says {status} ",
        "forwarding goes on",
    ]


def test_nobody_there_is_waited_for_longer_and_longer(desk: Desk, backend: Backend) -> None:
    desk.receive(export_of(1))
    forwarder = desk.forwarder(backend)
    backend.stop()
    pauses = [forwarder.forward() for _ in range(12)]
    assert all(most / 2 <= pause <= most for pause, most in zip(pauses, (1, 2, 4, 8, 16, 32, 60, 60), strict=False))
    assert max(pauses) <= 60


def test_a_body_that_is_no_good_goes_counted_and_does_not_cost_the_others(desk: Desk, backend: Backend) -> None:
    desk.receive(export_of(1), b"bad", export_of(2), b"bad too", export_of(3))
    forwarder = desk.forwarder(backend)
    forward_all(forwarder)

    assert backend.bodies() == export_of(1) + export_of(2) + export_of(3)
    assert (forwarder.state.forwarded, forwarder.state.refused) == (3, 2)


def test_beyond_the_bound_the_oldest_go_and_are_counted(desk: Desk, backend: Backend) -> None:
    bodies = [export_of(number) * 300 for number in range(1, 61)]
    for body in bodies:
        desk.receive(body)
    segments = len(list(desk.forward.glob("*.segment")))
    assert segments > 6
    forwarder = desk.forwarder(backend, most_bytes=3 * 65536)
    forward_all(forwarder)

    dropped = forwarder.state.dropped
    assert backend.bodies() == b"".join(bodies[dropped:])
    assert (segments - 4) * 4 <= dropped < 60 - 3 * 4
    assert forwarder.state.forwarded == 60 - dropped


def test_a_forwarder_that_is_started_again_goes_on_where_it_was(desk: Desk, backend: Backend) -> None:
    desk.receive(export_of(1))
    forward_all(desk.forwarder(backend))
    desk.receive(export_of(2))
    forward_all(desk.forwarder(backend))
    assert [taken.body for taken in backend.taken] == [export_of(1), export_of(2)]


def test_a_stop_sends_what_is_there_and_tells_what_was_done(desk: Desk, backend: Backend) -> None:
    desk.receive(export_of(1), b'{"resourceSpans": []}')
    stopped = threading.Event()
    stopped.set()
    desk.forwarder(backend).run(stopped)
    size = len(export_of(1) + b'{"resourceSpans": []}')
    assert forwarding(desk.forward) == Forwarding(forwarded=2, forwarded_bytes=size)
    assert forwarding(desk.folder) is None


def test_a_whole_collector_forwards_and_lands_whatever_the_other_end_does(tmp_path: Path, backend: Backend) -> None:
    backend.answers = [(503, {})]
    environment = {
        "CLAUDE_TELEMETRY_FORWARD_ENDPOINT": backend.url,
        "CLAUDE_TELEMETRY_FORWARD_HEADERS": f"x-api-key={KEY}",
    }
    body = export_of_calls(["00000000000000e1"])
    with Collecting(tmp_path / "data", 0, **environment) as collector:
        assert ask(collector.port, "POST", "/v1/traces", body, PROTOBUF).status == 200
        wait_until(lambda: collector.has_landed(1), "it lands")
        wait_until(lambda: [taken.body for taken in backend.taken] == [body], "it is forwarded")
        wait_until(lambda: b"forwarded_total 1\n" in ask(collector.port, "GET", "/metrics").body, "it is told")
        for name in ("receiver", "store"):
            assert KEY not in Path(f"/proc/{collector.child(name)}/environ").read_text()
        assert collector.stop() == 0
        assert KEY not in collector.said()
    assert backend.taken[0].headers["x-api-key"] == KEY


@pytest.mark.parametrize(
    ("endpoint", "why"),
    [
        ("otlp.example.com:4318", "give a URL such as https://otlp.example.com"),
        ("ftp://example.com", "give a URL"),
        ("http://", "give a URL"),
        ("http://example.com:99999", "give a URL"),
        ("https://example.com/?key=x", "give a URL"),
        (f"https://user:{KEY}@example.com", "give that in CLAUDE_TELEMETRY_FORWARD_HEADERS"),
    ],
)
def test_an_endpoint_that_cannot_be_one_is_told(endpoint: str, why: str) -> None:
    with pytest.raises(SettingsError, match=why) as refusal:
        destination_of(endpoint, None)
    assert KEY not in str(refusal.value)


@pytest.mark.parametrize("headers", [KEY, f"a b={KEY}", f"x={KEY}%0d%0ay: z", f"={KEY}"])
def test_headers_that_cannot_be_sent_are_told_without_showing_them(headers: str) -> None:
    with pytest.raises(SettingsError, match="CLAUDE_TELEMETRY_FORWARD_HEADERS") as refusal:
        destination_of("https://example.com", headers)
    assert KEY not in str(refusal.value)


def test_what_is_left_of_forwarding_that_was_turned_off_is_told(tmp_path: Path) -> None:
    left = SegmentWriter(tmp_path / "data" / "segments", also_in=tmp_path / "data" / "forward")
    left.ready()
    left.close()
    with Collecting(tmp_path / "data") as collector:
        wait_until(
            lambda: "data/forward waits to be forwarded, and no endpoint is set" in collector.said(), "it is told"
        )
        assert collector.stop() == 0


def test_a_collector_does_not_forward_to_itself(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="where this collector itself listens"):
        main([f"--data={tmp_path}", "--otlp-http=127.0.0.1:4399", "--forward-endpoint=http://localhost:4399"])
