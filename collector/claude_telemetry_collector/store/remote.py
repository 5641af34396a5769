"""Asking a store that another process holds.

The store process says where it answers in `reader.json` in the data folder: address, tokens, process id. Only the
folder's owner can read it, so who may read the data may ask, and nobody else. Who asks for somebody else, as the
dashboard does, asks in that one's role.
"""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import pyarrow as pa

from claude_telemetry.errors import CollectorError, QuestionRefusedError
from claude_telemetry_collector.store.question import written
from claude_telemetry_collector.store.reader import Limits, Reader
from claude_telemetry_collector.store.roles import Role

READER_FILE = "reader.json"

_PATIENCE_S = 5.0
"""How much longer than its longest question a store is waited for."""
_LONGEST_JOB_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderAddress:
    """Where a store answers, and what it wants to hear."""

    url: str
    token: str = field(repr=False)
    """An admin's."""
    pid: int
    tokens: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Those of other roles. None from a collector of a version without."""

    def token_of(self, role: Role) -> str:
        """Raises `CollectorError` when the store knows no such role."""
        if role == "admin":
            return self.token
        if role not in self.tokens:
            raise CollectorError(f"this collector answers no {role}: it is of an older version, restart it")
        return self.tokens[role]


def publish(data: Path, url: str, token: str, tokens: Mapping[Role, str] | None = None) -> None:
    """Says in `data` where this process answers whom. Readable by its owner only, and never there half-written."""
    half_written = data / f".{READER_FILE}.{os.getpid()}"
    descriptor = os.open(half_written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump({"url": url, "token": token, "tokens": dict(tokens or {}), "pid": os.getpid()}, file)
    half_written.replace(data / READER_FILE)


def withdraw(data: Path) -> None:
    """Takes back what this process has said, unless another has said something since."""
    address = published(data)
    if address is not None and address.pid == os.getpid():
        (data / READER_FILE).unlink(missing_ok=True)


def published(data: Path) -> ReaderAddress | None:
    """Where the store of `data` answers, as far as it has said so."""
    try:
        said = json.loads((data / READER_FILE).read_text(encoding="utf-8"))
        tokens = {str(role): str(token) for role, token in said.get("tokens", {}).items()}
        return ReaderAddress(url=str(said["url"]), token=str(said["token"]), pid=int(said["pid"]), tokens=tokens)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CollectorError(f"{data / READER_FILE} cannot be read: {error}") from error


class Store(Reader, Protocol):
    """A collector's store: answers questions, and does jobs."""

    def do(self, job: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """See `RemoteReader.do`."""
        ...

    def about(self) -> dict[str, Any]:
        """See `RemoteReader.about`."""
        ...


def connect(data_dir: Path, role: Role = "admin") -> Store:
    """The store of the collector that keeps its data in `data_dir`, whether it runs already or not, asked as `role`.

    It finds the collector anew when that one has been restarted.
    """
    return _FoundStore(data_dir, role)


class RemoteReader:
    """Asks the store at `url`. Each question is a connection of its own, so threads do not wait for each other."""

    def __init__(self, url: str, token: str, limits: Limits | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname is None or parts.port is None:
            raise CollectorError(f"{url} is no address of a store: expected http://HOST:PORT")
        self._host, self._port = parts.hostname, parts.port
        self._token = token
        self._timeout_s = (limits or Limits()).seconds + _PATIENCE_S

    def ask(self, sql: str, parameters: Mapping[str, object] | None = None) -> pa.Table:
        """See `Reader`."""
        with pa.ipc.open_stream(self._post("/ask", written(sql, parameters), self._timeout_s)) as stream:
            return stream.read_all()

    def do(self, job: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Has the store do a job, and waits until it is done. The arguments and the answer are plain JSON.

        Raises `QuestionRefusedError` for what cannot be done as asked, and `CollectorError` when nobody is there to do
        it, or another job is running.
        """
        done: dict[str, Any] = json.loads(self._post(f"/jobs/{job}", json.dumps(arguments).encode(), _LONGEST_JOB_S))
        return done

    def about(self) -> dict[str, Any]:
        """What the store process tells about itself, as plain JSON. Empty from one that tells nothing.

        Raises `CollectorError` when nobody is there.
        """
        told: dict[str, Any] = json.loads(self._post("/about", b"{}", self._timeout_s))
        return told

    def _post(self, path: str, sent: bytes, timeout_s: float) -> bytes:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=timeout_s)
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        try:
            connection.request("POST", path, sent, headers)
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise CollectorError(f"the collector at {self._host}:{self._port} does not answer: {error}") from error
        finally:
            connection.close()
        if response.status == http.client.OK:
            return body
        message = body.decode("utf-8", "replace").strip()
        if response.status in (http.client.BAD_REQUEST, http.client.REQUEST_ENTITY_TOO_LARGE):
            raise QuestionRefusedError(message)
        raise CollectorError(f"the collector at {self._host}:{self._port} answered {response.status}: {message}")


class _FoundStore:
    """Asks whoever `reader.json` names, and looks again, once, when that one is gone."""

    def __init__(self, data: Path, role: Role) -> None:
        self._data = data
        self._role: Role = role
        self._address: ReaderAddress | None = None

    def ask(self, sql: str, parameters: Mapping[str, object] | None = None) -> pa.Table:
        address = self._address or self._look()
        try:
            return self._reader_at(address).ask(sql, parameters)
        except QuestionRefusedError:
            raise
        except CollectorError:
            now = self._look()
            if now == address:
                raise
            return self._reader_at(now).ask(sql, parameters)

    def do(self, job: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        # Found anew each time, and not tried twice: nobody knows how far a job came whose answer was lost.
        return self._reader_at(self._look()).do(job, arguments)

    def about(self) -> dict[str, Any]:
        return self._reader_at(self._look()).about()

    def _reader_at(self, address: ReaderAddress) -> RemoteReader:
        return RemoteReader(address.url, address.token_of(self._role))

    def _look(self) -> ReaderAddress:
        address = published(self._data)
        if address is None:
            self._address = None
            raise CollectorError(
                f"no collector is running on {self._data}: "
                f"start one with `claude-telemetry collect --data {self._data}`, "
                "or give the --data of the one that runs"
            )
        self._address = address
        return address
