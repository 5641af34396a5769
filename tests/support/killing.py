"""Rounds of `kill -9` on a running collector, and the account afterwards: what was acknowledged is there, once.

A *round* kills somebody (the *victim*: receiver, store, both, or the supervisor and with it everybody) at some *phase*
of what they do. Clients go on sending meanwhile, each body again until it is acknowledged, as OTLP says.
"""

from __future__ import annotations

import http.client
import os
import random
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import duckdb
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from claude_telemetry.record import Attempt, ToolUse
from claude_telemetry_collector.queries import connect
from tests.support.calls import a_call
from tests.support.collecting import Collecting, is_running
from tests.support.receiving import PROTOBUF, ask
from tests.support.spans import a_body, as_protobuf, our_span
from tests.support.waiting import PATIENCE_S, wait_until

SPANS_A_BODY = 8
CLIENTS = 3
BACKLOG_BYTES = 2 * 1024 * 1024
"""So little that segments are small, and are deleted all the time."""
_AIM_S = 5.0
"""How long to wait for the moment that a round is aimed at."""

Kind = tuple[str, str]
"""Victim and phase."""

KINDS: tuple[Kind, ...] = (
    ("receiver", "any"),
    ("store", "any"),
    ("both", "any"),
    ("supervisor", "any"),
    ("receiver", "start"),
    ("store", "start"),
    ("both", "start"),
    ("store", "trim"),
    ("store", "checkpoint"),
    ("store", "migration"),
)
"""`any`: whatever they do at the time. `start`: killed, and the successor once more as it starts. `trim`: as a segment
is deleted. `checkpoint`: as the log is folded into the file. `migration`: as tables of an older version are changed."""


@dataclass(slots=True, kw_only=True)
class Account:
    """What came of some rounds."""

    rounds: dict[Kind, int] = field(default_factory=dict[Kind, int])
    hit: dict[Kind, int] = field(default_factory=dict[Kind, int])
    """Of these, the ones that met the moment that they were aimed at, as far as can be seen from outside."""
    acknowledged: int = 0
    """Spans."""
    lost: int = 0
    doubled: int = 0
    invented: int = 0
    """Calls that nobody has sent."""
    parts_wrong: int = 0
    """Calls with more or fewer attempts or tool uses than were sent."""
    resent: int = 0
    """Requests that had to be sent again."""

    def add(self, other: Account) -> None:
        for kind, count in other.rounds.items():
            self.rounds[kind] = self.rounds.get(kind, 0) + count
        for kind, count in other.hit.items():
            self.hit[kind] = self.hit.get(kind, 0) + count
        for name in ("acknowledged", "lost", "doubled", "invented", "parts_wrong", "resent"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def is_clean(self) -> bool:
        return self.lost == self.doubled == self.invented == self.parts_wrong == 0


def rounds(folder: Path, kinds: Sequence[Kind], seed: object) -> Account:
    """Plays `kinds`, one after the other, on one collector in `folder`. Raises `AssertionError` when it does not come
    back."""
    moments = random.Random(str(seed))
    account = Account()
    with Collecting(
        folder / "data",
        CLAUDE_TELEMETRY_BACKLOG_BYTES=str(BACKLOG_BYTES),
        CLAUDE_TELEMETRY_SPOOL=str(folder / "spool"),
    ) as collector:
        try:
            _play_all(collector, kinds, moments, account)
        except AssertionError as error:
            raise AssertionError(f"{error}\nThe collector said:\n{collector.said()[-3000:]}") from error
    return account


def _play_all(collector: Collecting, kinds: Sequence[Kind], moments: random.Random, account: Account) -> None:
    clients = [_Client(collector, number) for number in range(CLIENTS)]
    try:
        for kind in kinds:
            time.sleep(moments.uniform(0.1, 0.5))
            hit = _play(collector, kind, moments)
            account.rounds[kind] = account.rounds.get(kind, 0) + 1
            account.hit[kind] = account.hit.get(kind, 0) + hit
    finally:
        for client in clients:
            client.stop()
    wait_until(lambda: collector.has_landed(0), "the store answers again")
    collector.land_all()
    _reckon(collector, clients, account)
    assert not (collector.data / "segments" / "quarantine").exists(), "nothing is damaged"
    assert collector.stop() == 0, "it stops well"


def _reckon(collector: Collecting, clients: Sequence[_Client], account: Account) -> None:
    """Holds what is there against what was sent and acknowledged."""
    acknowledged = {span_id for client in clients for span_id in client.acknowledged}
    sent = acknowledged | {span_id for client in clients for span_id in client.under_way}
    there = _counts(collector, "calls")
    account.acknowledged += len(acknowledged)
    account.resent += sum(client.resent for client in clients)
    account.lost += len(acknowledged - there.keys())
    account.doubled += sum(times > 1 for times in there.values())
    account.invented += len(there.keys() - sent)
    for table in ("attempts", "tool_uses"):
        parts = _counts(collector, table)
        account.parts_wrong += sum(parts.get(span_id, 0) != 1 for span_id in there)
        account.parts_wrong += len(parts.keys() - there.keys())


def _counts(collector: Collecting, table: str) -> Mapping[str, int]:
    sql = f"SELECT span_id, count(*) AS times FROM {table} GROUP BY span_id"
    columns = connect(collector.data).ask(sql).to_pydict()
    return dict(zip(columns["span_id"], columns["times"], strict=True))


# One round


def _play(collector: Collecting, kind: Kind, moments: random.Random) -> bool:
    victim, phase = kind
    if phase == "any":
        _kill(collector, victim)
        return True
    if phase == "start":
        return _kill_at_start(collector, victim, moments)
    if phase == "trim":
        return _kill_at_trim(collector)
    if phase == "checkpoint":
        return _kill_at_checkpoint(collector, moments)
    return _kill_at_migration(collector, moments)


def _kill(collector: Collecting, victim: str) -> None:
    if victim != "both":
        collector.kill(victim)
        return
    dead = [_alive(collector, name) for name in ("receiver", "store")]
    for process in dead:
        os.kill(process, signal.SIGKILL)
    wait_until(lambda: all(collector.child(name) not in (None, *dead) for name in ("receiver", "store")), "others come")


def _kill_at_start(collector: Collecting, victim: str, moments: random.Random) -> bool:
    """Whoever comes after a dead one is killed within its first half second."""
    _kill(collector, victim)
    time.sleep(moments.uniform(0.0, 0.5))
    _kill(collector, victim)
    return True


def _kill_at_trim(collector: Collecting) -> bool:
    segments = collector.data / "segments"
    store = _alive(collector, "store")
    before = {path.name for path in segments.glob("*.segment")}
    deadline = time.monotonic() + _AIM_S
    trimmed = False
    while not trimmed and time.monotonic() < deadline:
        now = {path.name for path in segments.glob("*.segment")}
        trimmed = not before <= now
        before |= now
    os.kill(store, signal.SIGKILL)
    wait_until(lambda: collector.child("store") not in (None, store), "another store comes")
    return trimmed


def _kill_at_checkpoint(collector: Collecting, moments: random.Random) -> bool:
    """A store that stops folds its log into the file: it is killed as the file begins to change."""
    store = _alive(collector, "store")
    database = collector.data / "calls.duckdb"
    before = database.stat().st_mtime_ns
    collector.process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + _AIM_S
    while database.stat().st_mtime_ns == before and time.monotonic() < deadline and is_running(store):
        pass
    time.sleep(moments.choice((0.0, 0.001, 0.01)))
    hit = is_running(store)
    with suppress(ProcessLookupError):
        os.kill(store, signal.SIGKILL)
    _start_again(collector)
    return hit


def _kill_at_migration(collector: Collecting, moments: random.Random) -> bool:
    collector.process.send_signal(signal.SIGTERM)
    collector.process.wait(PATIENCE_S)
    collector.__exit__()
    database = collector.data / "calls.duckdb"
    _make_older(database)
    with collector.log.open("ab") as log:
        flags = [f"--data={collector.data}", f"--otlp-http=127.0.0.1:{collector.port}"]
        collector.process = subprocess.Popen(
            [sys.executable, "-m", "claude_telemetry", "collect", *flags],
            stdout=subprocess.PIPE,
            stderr=log,
            env=collector.environment,
            text=True,
        )
    log_file = database.with_name("calls.duckdb.wal")
    deadline = time.monotonic() + _AIM_S
    # In its log, a migration begins as soon as there is one, and ends with its commit.
    while not log_file.exists() and time.monotonic() < deadline:
        pass
    time.sleep(moments.choice((0.0, 0.0, 0.001, 0.01)))
    store = collector.child("store")
    if store is not None:
        with suppress(ProcessLookupError):
            os.kill(store, signal.SIGKILL)
    collector.process.kill()
    _start_again(collector)
    return store is not None


def _make_older(database: Path) -> None:
    """As the version before parts of calls were kept would have left it."""
    with duckdb.connect(database) as connection:
        connection.execute("DROP VIEW IF EXISTS call_sources")
        connection.execute("CREATE TABLE rows_of_all AS FROM attempts")
        connection.execute("DROP VIEW attempts")
        connection.execute("DROP TABLE attempt_rows")
        connection.execute("ALTER TABLE rows_of_all RENAME TO attempts")
        for table in ("call_parts", "span_links"):
            connection.execute(f"DROP TABLE {table}")
        for column in ("reask", "whole", "lone_attempt_after_us", "lone_attempt_ms"):
            connection.execute(f"ALTER TABLE calls DROP COLUMN {column}")
        connection.execute("UPDATE schema_version SET schema = 1")


def _start_again(collector: Collecting) -> None:
    """Ends what is left of it first."""
    with suppress(subprocess.TimeoutExpired):
        collector.process.wait(PATIENCE_S)
    collector.__exit__()
    collector.start()


def _alive(collector: Collecting, name: str) -> int:
    wait_until(lambda: collector.child(name) is not None, f"there is a {name}")
    process = collector.child(name)
    assert process is not None
    return process


# Who sends


class _Client:
    """Sends calls until it is told to stop, each body again until it is acknowledged."""

    def __init__(self, collector: Collecting, number: int) -> None:
        self.acknowledged: list[str] = []
        self.under_way: list[str] = []
        self.resent = 0
        self.answered = "nothing"
        self._collector = collector
        self._request = ExportTraceServiceRequest.FromString(_pattern())
        self._spans = list(self._request.resource_spans[0].scope_spans[0].spans)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"client {number}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Returns once the last body is acknowledged."""
        self._stop.set()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), f"a body is acknowledged in the end; the last answer was {self.answered}"

    def _run(self) -> None:
        while not self._stop.is_set():
            self.under_way = [self._new(span) for span in self._spans]
            body = self._request.SerializeToString()
            while not self._sent(body):
                self.resent += 1
                time.sleep(0.02)
            self.acknowledged += self.under_way
            time.sleep(0.01)

    def _new(self, span: Span) -> str:
        span.trace_id, span.span_id = secrets.token_bytes(16), secrets.token_bytes(8)
        return span.span_id.hex()

    def _sent(self, body: bytes) -> bool:
        try:
            answer = ask(self._collector.port, "POST", "/v1/traces", body, PROTOBUF)
        except (OSError, http.client.HTTPException) as error:
            self.answered = repr(error)
            return False
        self.answered = f"{answer.status} {answer.body[:200]!r}"
        return answer.status == 200


def _pattern() -> bytes:
    now = datetime.now(UTC)
    record = a_call(
        started_at=now,
        attempt_rows=[Attempt(started_at=now, duration_ms=300, http_status=200)],
        tool_uses=[ToolUse(tool_use_id="toolu_1", name="weather", type="tool_use")],
    ).record
    return as_protobuf(a_body([our_span(record)] * SPANS_A_BODY))
