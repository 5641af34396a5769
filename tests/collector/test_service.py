"""The collector's processes: they start together, stop in order, and stand in for each other's death."""

from __future__ import annotations

import gzip
import http.client
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from claude_telemetry.errors import CollectorError, SettingsError
from claude_telemetry.settings import Address
from claude_telemetry.spool import Outgoing, Spool, target_of
from claude_telemetry_collector.__main__ import main
from claude_telemetry_collector.service.child import Part
from claude_telemetry_collector.service.listen import listen
from claude_telemetry_collector.service.locks import sole_collector
from claude_telemetry_collector.service.supervisor import Supervisor
from claude_telemetry_collector.tokens import add_token, tokens_path
from tests.support.certificates import certificate_in
from tests.support.collecting import Collecting, export_of_calls, is_running, needs_proc
from tests.support.receiving import JSON, PROTOBUF, ask, ask_on, raw
from tests.support.waiting import PATIENCE_S, wait_until

HOOK = "https://hooks.slack.example/services/T0/B0/secret"
GZIP = {**PROTOBUF, "content-encoding": "gzip"}
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collecting]:
    folder = tmp_path_factory.mktemp("collector")
    with Collecting(folder / "data", CLAUDE_TELEMETRY_SLACK_WEBHOOK_URL=HOOK) as running:
        yield running
        assert running.stop() == 0


def refused(*flags: str, **environment: str) -> str:
    """What `collect` says when it does not start."""
    run = subprocess.run(
        [sys.executable, "-m", "claude_telemetry", "collect", *flags],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (run.returncode, run.stdout) == (1, "")
    return run.stderr


def test_what_is_received_can_be_asked_for(collector: Collecting) -> None:
    body = export_of_calls(["00000000000000a1", "00000000000000a2"])
    assert ask(collector.port, "POST", "/v1/traces", body, PROTOBUF).status == 200

    wait_until(lambda: collector.landed().get("00000000000000a2") == 1, "the calls land")
    assert collector.landed()["00000000000000a1"] == 1
    assert [ask(collector.port, "GET", path).status for path in ("/healthz", "/readyz")] == [200, 200]


@needs_proc
def test_bad_input_gets_a_4xx_and_everything_goes_on(collector: Collecting) -> None:
    before = collector.child("receiver"), collector.child("store")
    good = export_of_calls(["00000000000000b1"])
    bad = {
        "empty body": (ask(collector.port, "POST", "/v1/traces", b"", PROTOBUF), 400),
        "not protobuf": (ask(collector.port, "POST", "/v1/traces", b"not protobuf", PROTOBUF), 400),
        "truncated gzip": (ask(collector.port, "POST", "/v1/traces", gzip.compress(good)[:-9], GZIP), 400),
        "gzip bomb": (ask(collector.port, "POST", "/v1/traces", gzip.compress(bytes(64 * MIB)), GZIP), 413),
        "wrong content type": (ask(collector.port, "POST", "/v1/traces", good, {"content-type": "text/html"}), 415),
        "64 MB body": (ask(collector.port, "POST", "/v1/traces", bytes(64 * MIB), PROTOBUF), 413),
        "unknown path": (ask(collector.port, "POST", "/v2/traces", good, JSON), 404),
        "wrong method": (ask(collector.port, "DELETE", "/v1/traces"), 405),
    }
    assert {name: answer.status for name, (answer, _) in bad.items()} == {
        name: status for name, (_, status) in bad.items()
    }
    assert all(len(answer.body) > 20 for answer, _ in bad.values())

    assert ask(collector.port, "POST", "/v1/traces", good, PROTOBUF).status == 200
    wait_until(lambda: collector.landed().get("00000000000000b1") == 1, "good data lands")
    assert (collector.child("receiver"), collector.child("store")) == before


@needs_proc
def test_the_webhook_is_known_to_the_store_only_and_visible_to_nobody(collector: Collecting) -> None:
    receiver, store = collector.child("receiver"), collector.child("store")

    assert HOOK in Path(f"/proc/{store}/environ").read_text()
    assert HOOK not in Path(f"/proc/{receiver}/environ").read_text()
    for process in (receiver, store, collector.process.pid):
        assert HOOK not in Path(f"/proc/{process}/cmdline").read_text()


def test_a_second_collector_on_the_same_data_is_told_who_has_it(collector: Collecting) -> None:
    with pytest.raises(CollectorError, match=rf"another collector \(process {collector.process.pid}\).*--data"):
        main([f"--data={collector.data}", "--otlp-http=127.0.0.1:0"])


@needs_proc
def test_a_dead_child_is_started_again_and_senders_only_wait(collector: Collecting) -> None:
    receiver, port = collector.child("receiver"), collector.port
    assert receiver is not None
    os.kill(receiver, signal.SIGKILL)
    wait_until(lambda: collector.child("receiver") is None, "the receiver is gone")

    assert ask(port, "POST", "/v1/traces", export_of_calls(["00000000000000c1"]), PROTOBUF).status == 200

    collector.kill("store")
    wait_until(lambda: collector.has_landed(1), "the store answers again")
    wait_until(lambda: collector.landed().get("00000000000000c1") == 1, "the call lands")
    assert "the receiver process was killed by SIGKILL; starting it again in 0.5 s" in collector.said()
    assert "the store process was killed by SIGKILL" in collector.said()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_lands_what_was_received_and_closes_the_database(tmp_path: Path, signum: signal.Signals) -> None:
    with Collecting(tmp_path / "data") as collector:
        for number in range(1, 21):
            body = export_of_calls([f"{number:016x}"])
            assert ask(collector.port, "POST", "/v1/traces", body, PROTOBUF).status == 200
        assert collector.stop(signum) == 0

        assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [
            "calls.duckdb",
            "children.lock",
            "collector.lock",
            "pseudonym.key",
            "segments",
        ]
        with duckdb.connect(tmp_path / "data" / "calls.duckdb", read_only=True) as database:
            assert database.execute("SELECT count(*), count(DISTINCT span_id) FROM calls").fetchall() == [(20, 20)]
        assert "ERROR" not in collector.said()


def test_a_stop_waits_for_a_body_that_is_on_its_way(tmp_path: Path) -> None:
    body = export_of_calls(["00000000000000d1"])
    with Collecting(tmp_path / "data") as collector, raw(collector.port) as sender:
        sender.sendall(
            b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n"
            b"content-length: %d\r\n\r\n" % len(body) + body[:100]
        )
        wait_until(lambda: b"in_flight_requests 2" in ask(collector.port, "GET", "/metrics").body, "it has begun")
        collector.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not _answers(collector.port), "nobody else is let in")
        sender.sendall(body[100:])
        assert sender.recv(65536).startswith(b"HTTP/1.1 200")
        assert collector.process.wait(PATIENCE_S) == 0
        with duckdb.connect(tmp_path / "data" / "calls.duckdb", read_only=True) as database:
            assert database.execute("SELECT span_id FROM calls").fetchall() == [("00000000000000d1",)]


def _answers(port: int) -> bool:
    try:
        return ask(port, "GET", "/healthz").status == 200
    except OSError:
        return False


@needs_proc
def test_a_collector_starts_right_after_the_one_before_was_killed(tmp_path: Path) -> None:
    with Collecting(tmp_path / "data") as collector:
        children = [collector.child("receiver") or 0, collector.child("store") or 0]
        assert all(is_running(process) for process in children)
        collector.kill("supervisor")

        assert ask(collector.port, "GET", "/readyz").status == 200
        assert not any(is_running(process) for process in children)
        assert collector.stop() == 0


def test_a_port_that_is_taken_is_told_before_anything_is_started(tmp_path: Path) -> None:
    with listen(Address("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=rf"--otlp-http .* is 127.0.0.1:{port}: something else already listens"):
            main([f"--data={tmp_path}", f"--otlp-http=127.0.0.1:{port}"])


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "192.168.1.5", "example.com"])
def test_what_others_can_reach_needs_tls_and_a_token(tmp_path: Path, host: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        main([f"--data={tmp_path}", f"--otlp-http={host}:0"])
    assert str(refusal.value) == (
        f"--otlp-http (CLAUDE_TELEMETRY_OTLP_HTTP) is {host}:0, which other machines can reach: "
        "give a certificate with --tls-cert and its key with --tls-key, "
        "make a token with `claude-telemetry token add NAME`; or listen on 127.0.0.1"
    )
    with pytest.raises(SettingsError, match=r"--otlp-grpc .* leave --require-token on"):
        main([f"--data={tmp_path}", "--otlp-http=127.0.0.1:0", f"--otlp-grpc={host}:0", "--require-token=off"])


def test_with_tls_and_a_token_everything_comes_in_as_without(tmp_path: Path) -> None:
    tls = certificate_in(tmp_path)
    data, spool = tmp_path / "data", tmp_path / "spool"
    token = add_token(tokens_path(data), "ci")
    left = Spool(spool, most_bytes=1 << 20)
    with listen(Address("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    target = target_of(f"https://127.0.0.1:{port}/v1/traces")
    body = gzip.compress(export_of_calls(["00000000000000f1"]))
    left.keep(Outgoing(signal="traces", calls=1, number=1, target=target, body=body))
    left.close()

    guarded = {
        "CLAUDE_TELEMETRY_REQUIRE_TOKEN": "on",
        "CLAUDE_TELEMETRY_TLS_CERT": str(tls.certificate),
        "CLAUDE_TELEMETRY_TLS_KEY": str(tls.key),
        "CLAUDE_TELEMETRY_SPOOL": str(spool),
    }
    with Collecting(data, port, **guarded) as collector:
        context = ssl.create_default_context(cafile=tls.certificate)
        sender = http.client.HTTPSConnection("127.0.0.1", port, timeout=PATIENCE_S, context=context)
        sent = export_of_calls(["00000000000000f2"])
        assert ask_on(sender, "POST", "/v1/traces", sent, PROTOBUF).status == 401
        signed = {**PROTOBUF, "authorization": f"Bearer {token}"}
        assert ask_on(sender, "POST", "/v1/traces", sent, signed).status == 200
        sender.close()
        wait_until(lambda: len(collector.landed()) == 2, "both land, the one from the spool without a token")
        assert collector.stop() == 0


def test_questions_are_answered_on_loopback_only(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"--read \(CLAUDE_TELEMETRY_READ\) is 0.0.0.0:0: .*loopback only"):
        main([f"--data={tmp_path}", "--read=0.0.0.0:0"])


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_every_name_of_loopback_can_be_listened_on(host: str) -> None:
    listen(Address(host, 0)).close()


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        SettingsError, match=r"--data \(CLAUDE_TELEMETRY_DATA\) is .*file/data, which cannot be written"
    ):
        main([f"--data={tmp_path}/file/data", "--otlp-http=127.0.0.1:0"])


def test_a_threshold_that_is_none_is_told_before_anything_starts(tmp_path: Path) -> None:
    flags = (f"--data={tmp_path}/data", "--otlp-http=127.0.0.1:0")
    assert refused(*flags, CLAUDE_TELEMETRY_ALERT_ERROR_RATIO="7") == (
        "claude-telemetry collect: CLAUDE_TELEMETRY_ALERT_ERROR_RATIO is '7': "
        "give a share from 0 to below 1, such as 0.95\n"
    )
    assert not (tmp_path / "data").exists()


def test_what_keeps_a_child_from_starting_is_told_as_it_is(tmp_path: Path) -> None:
    flags = (f"--data={tmp_path}", "--otlp-http=127.0.0.1:0")
    with duckdb.connect(tmp_path / "calls.duckdb"):
        assert f"another process has {tmp_path}/calls.duckdb open" in refused(*flags)


def test_the_data_is_free_again_when_the_last_holder_of_a_lock_is_gone(tmp_path: Path) -> None:
    with (
        sole_collector(tmp_path),
        pytest.raises(CollectorError, match=f"process {os.getpid()}"),
        sole_collector(tmp_path),
    ):
        pass
    with sole_collector(tmp_path):
        pass


def test_a_collector_waits_for_the_children_of_one_that_was_killed(tmp_path: Path) -> None:
    with sole_collector(tmp_path) as children_lock:
        orphan = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1)"], pass_fds=[children_lock])
    began = time.monotonic()
    with sole_collector(tmp_path):
        assert orphan.wait(0) == 0
    assert time.monotonic() - began > 0.1


def test_a_child_that_ends_while_it_starts_ends_the_collector() -> None:
    part = Part(name="store", module="calendar", orders=b"\n", descriptors=(), patience_s=5)
    said: list[str] = []

    with pytest.raises(CollectorError, match="the store process ended with exit code 0 while starting"):
        Supervisor([part]).run(lambda: said.append("ready"), lambda: said.append("stopping"))
    assert said == ["stopping"]
