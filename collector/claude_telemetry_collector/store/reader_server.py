"""Answers the questions of other processes: `POST /ask` on loopback, an Arrow stream back; and does *jobs* for them.

A job changes what is kept, such as giving past calls another price, so it has to run in the process that holds the
database: `POST /jobs/<name>` with its arguments as a JSON object, another one back. One job runs at a time.
`POST /about` tells of the process itself: what it has landed since it started, and by which settings.

Asking takes a token that `reader.json` holds, and is answered as its role may be (`roles`). A web page that somebody
has open must not get an answer either, so a request has to name a loopback address as its host: a name that an attacker
makes point here (DNS rebinding) is turned away. At most a few questions run at once, so that landing is never starved.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
import logging
import socket
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import urlsplit

import duckdb
import pyarrow as pa

from claude_telemetry.errors import CollectorError, QuestionRefusedError
from claude_telemetry.settings import Address
from claude_telemetry_collector.store import question
from claude_telemetry_collector.store.guard import Guard
from claude_telemetry_collector.store.masks import Masks
from claude_telemetry_collector.store.reader import Limits, LocalReader
from claude_telemetry_collector.store.roles import Doors, Role

log = logging.getLogger(__name__)

QUESTIONS_AT_ONCE = 4
"""More would only take turns on DuckDB's threads."""

Job = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Does something to the store: takes what its caller gave, and answers with plain JSON. Raises
`QuestionRefusedError` for what it cannot do as asked."""

About = Callable[[], Mapping[str, Any]]
"""What a store tells about itself, as plain JSON. Nothing in it is about a person, so every role may know it."""

_JOBS = "/jobs/"
_CONNECTIONS = 64
_MAX_BODY_BYTES = 1024 * 1024
_TURN_S = 10.0
"""How long a question waits for its turn."""
_SILENCE_S = 10.0
"""How long a client may take to send the next piece."""


class ReaderServer:
    """Answers on `address` until stopped. Raises `CollectorError` when it cannot listen there."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        address: Address,
        token: str,
        *,
        doors: Doors | None = None,
        limits: Limits | None = None,
        questions_at_once: int = QUESTIONS_AT_ONCE,
        jobs: Mapping[str, Job] | None = None,
        about: About = dict,
    ) -> None:
        """`token` is an admin's; other roles come in by their `doors`, if there are any."""
        desk = _Desk(connection, token, doors, limits or Limits(), questions_at_once, jobs or {}, about)
        try:
            self._server = _Server(address, desk)
        except OSError as error:
            raise CollectorError(f"cannot listen on {address} for questions: {error.strerror or error}") from error
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="reader", daemon=True)

    @property
    def url(self) -> str:
        """Where it answers, with the port that it really has."""
        host, port = self._server.server_address[:2]
        return f"http://{Address(str(host), int(port))}"

    def start(self) -> None:
        """Called once."""
        self._thread.start()

    def stop(self) -> None:
        """Takes no more questions. Those that run may finish; the caller closes the database."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


class _Desk:
    """Where a question is judged, waits for its turn, and is answered."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        token: str,
        doors: Doors | None,
        limits: Limits,
        questions_at_once: int,
        jobs: Mapping[str, Job],
        about: About,
    ) -> None:
        self.about = about
        self._tokens: dict[Role, bytes] = {"admin": token.encode()}
        self._asking: dict[Role, tuple[Guard, LocalReader]] = {
            "admin": (Guard(connection), LocalReader(connection, limits))
        }
        if doors is not None:
            masks = Masks(connection, doors.pseudonym_key)
            masked = Guard(connection, masks), LocalReader(connection, limits, masks)
            self._tokens |= {role: token.encode() for role, token in doors.tokens.items()}
            self._asking |= dict.fromkeys(doors.tokens, masked)
        self._turns = threading.BoundedSemaphore(questions_at_once)
        self._jobs = jobs
        self._one_job = threading.Lock()

    def role_of(self, authorization: str) -> Role | None:
        """Whose token it is. `None` for nobody's."""
        kind, _, token = authorization.partition(" ")
        given = token.strip().encode() if kind.lower() == "bearer" else b""
        found: Role | None = None
        for role, known in self._tokens.items():
            if hmac.compare_digest(given, known):
                found = role
        return found

    def answer(self, role: Role, body: bytes) -> pa.Table:
        """Raises `QuestionRefusedError`, and `CollectorError` when too many others wait for theirs."""
        asked = question.read(body)
        guard, reader = self._asking[role]
        guard.check(asked.sql)
        if not self._turns.acquire(timeout=_TURN_S):
            raise CollectorError("too many questions at once: ask again in a moment")
        try:
            return reader.ask(asked.sql, asked.parameters)
        finally:
            self._turns.release()

    def does(self, name: str) -> bool:
        return name in self._jobs

    def do(self, role: Role, name: str, body: bytes) -> Mapping[str, Any]:
        """Raises as `answer` does."""
        if role == "viewer":
            raise QuestionRefusedError(f"{name} is not for a {role}: an operator or an admin may have it done")
        arguments = question.read_arguments(body)
        if not self._one_job.acquire(blocking=False):
            raise CollectorError("another job is running: try again when it is done")
        try:
            return self._jobs[name](arguments)
        finally:
            self._one_job.release()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, address: Address, desk: _Desk) -> None:
        self.desk = desk
        self._places = threading.BoundedSemaphore(_CONNECTIONS)
        self.address_family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - as the base class has it
        log.debug("a question broke off", exc_info=True)


class _TurnedAwayError(Exception):
    """A request that is not even a question."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _SILENCE_S
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        desk = cast("_Server", self.server).desk
        try:
            role, body = self._question(desk)
            if self.path == "/ask":
                kind, answer = _ARROW, _stream(desk.answer(role, body))
            elif self.path == "/about":
                kind, answer = "application/json", json.dumps(desk.about()).encode()
            else:
                done = desk.do(role, self.path.removeprefix(_JOBS), body)
                kind, answer = "application/json", json.dumps(done).encode()
        except QuestionRefusedError as error:
            self._say(HTTPStatus.BAD_REQUEST, str(error))
        except _TurnedAwayError as error:
            self.close_connection = True  # its body has not been read
            self._say(error.status, str(error))
        except CollectorError as error:
            self._say(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        except Exception:
            log.exception("%s failed", self.path)
            self._say(HTTPStatus.INTERNAL_SERVER_ERROR, "it failed: the log of the collector says how")
        else:
            self._send(HTTPStatus.OK, kind, answer)

    def _question(self, desk: _Desk) -> tuple[Role, bytes]:
        """Who asks, and what was sent, if whoever sent it may ask."""
        if not _names_loopback(self.headers.get("Host", "")):
            raise _TurnedAwayError(HTTPStatus.FORBIDDEN, "ask by loopback address, such as 127.0.0.1")
        role = desk.role_of(self.headers.get("Authorization", ""))
        if role is None:
            raise _TurnedAwayError(
                HTTPStatus.UNAUTHORIZED, "asking takes a token that reader.json in the data folder holds"
            )
        if self.path not in ("/ask", "/about") and not (
            self.path.startswith(_JOBS) and desk.does(self.path.removeprefix(_JOBS))
        ):
            raise _TurnedAwayError(HTTPStatus.NOT_FOUND, "questions are asked with POST /ask")
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            raise _TurnedAwayError(HTTPStatus.LENGTH_REQUIRED, "Content-Length has to say how long the question is")
        if int(length) > _MAX_BODY_BYTES:
            raise _TurnedAwayError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a question has at most {_MAX_BODY_BYTES} bytes"
            )
        return role, self.rfile.read(int(length))

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """What the base class finds wrong with a request, in a sentence and not in HTML."""
        self.close_connection = True
        self._say(HTTPStatus(code), message or HTTPStatus(code).phrase)

    def _say(self, status: HTTPStatus, sentence: str) -> None:
        self._send(status, "text/plain; charset=utf-8", sentence.encode())

    def _send(self, status: HTTPStatus, content_type: str, body: bytes | pa.Buffer) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def version_string(self) -> str:
        return "claude-telemetry"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the base class has it
        log.debug(format, *args)


_ARROW = "application/vnd.apache.arrow.stream"


def _stream(table: pa.Table) -> bytes | pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue()


def _names_loopback(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
