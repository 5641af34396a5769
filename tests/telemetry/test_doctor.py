"""`claude-telemetry doctor`."""

from __future__ import annotations

import gzip
import http.server
import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import claude_telemetry.capture
from claude_telemetry.doctor import installation, main
from claude_telemetry.settings import SETTINGS
from claude_telemetry.spool import Outgoing, Spool, target_of

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "ALL_PROXY", "all_proxy")


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("OTEL_") or name in PROXIES or name == "CLAUDE_TELEMETRY_ENDPOINT":
            monkeypatch.delenv(name)


class Answering:
    """Somebody who answers on a port of 127.0.0.1: 200 on the paths of a collector, until told otherwise."""

    def __init__(self) -> None:
        self.statuses: dict[str, int] = {"/healthz": 200, "/readyz": 200, "/metrics": 200}
        self.token: str | None = None
        """What `/metrics` asks for."""
        self.date: str | None = None
        self.sentence = "fine"
        answering = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status = answering.statuses.get(self.path, 404)
                if self.path == "/metrics" and answering.token is not None:
                    status = 200 if self.headers.get("authorization") == f"Bearer {answering.token}" else 401
                self.send_response_only(status)
                if answering.date is not None:
                    self.send_header("Date", answering.date)
                self.end_headers()
                self.wfile.write(json.dumps({"message": answering.sentence}).encode())

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server gives it
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def collector() -> Iterator[Answering]:
    answering = Answering()
    with answering.server as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield answering
        server.shutdown()
        thread.join()


@pytest.fixture
def healthy(collector: Answering) -> str:
    return collector.url


Capture = pytest.CaptureFixture[str]


def test_all_is_well_with_a_collector(healthy: str, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "reader.json").write_text(json.dumps({"url": healthy}))
    assert main(["--endpoint", healthy, "--data", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert f"✓ {tmp_path} belongs to a collector that can be asked\n" in said
    assert "✗" not in said
    assert f"✓ a collector answers at {healthy}\n" in said
    assert "✓ the hooks fit the installed SDK\n" in said
    assert "✓ no file of settings\n" in said


def test_a_collector_that_is_away_is_wrong_and_the_way_out_is_told(tmp_path: Path, capsys: Capture) -> None:
    # Port 9 is set aside for a service that throws everything away; nobody runs it.
    assert main(["--endpoint", "http://127.0.0.1:9", "--data", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "✗ no collector of ours answers at http://127.0.0.1:9\n    → start one with `claude-telemetry up`" in said
    assert f"– no collector keeps its data in {tmp_path}\n" in said


def test_another_program_on_the_port_is_told_as_that(collector: Answering, capsys: Capture) -> None:
    collector.statuses["/healthz"] = 404
    assert main(["--endpoint", collector.url]) == 1
    said = capsys.readouterr().out
    assert f"✗ who answers at {collector.url} is no collector of ours (it says 404 to /healthz)\n    → if" in said


def test_a_port_that_does_not_speak_http_is_told_as_that(capsys: Capture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"

        def hang_up() -> None:
            while True:
                try:
                    listening.accept()[0].close()
                except OSError:
                    return

        thread = threading.Thread(target=hang_up)
        thread.start()
        assert main(["--endpoint", url]) == 1
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert (
        f"✗ who listens at {url} does not speak HTTP: another program, or a port for gRPC\n" in capsys.readouterr().out
    )


def test_a_collector_that_takes_nothing_says_why(collector: Answering, capsys: Capture) -> None:
    collector.statuses["/readyz"] = 503
    collector.sentence = "not ready: the collector's disk is nearly full"
    assert main(["--endpoint", collector.url]) == 1
    assert "✗ it takes nothing at the moment: not ready: the collector's disk is nearly" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("token", "told"),
    [
        (None, "✗ it wants a token, and none is set\n    → make one with `claude-telemetry token add NAME`"),
        ("ct_another", "✗ it does not know our token\n    → `claude-telemetry token list`"),
        ("ct_right", None),
    ],
)
def test_a_token_is_tried_as_applications_send_it(
    token: str | None, told: str | None, collector: Answering, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector.token = "ct_right"
    if token is not None:
        monkeypatch.setenv("CLAUDE_TELEMETRY_TOKEN", token)
    assert main(["--endpoint", collector.url]) == (0 if told is None else 1)
    said = capsys.readouterr().out
    assert "ct_" not in said
    assert ("token" in said) is (told is not None)
    assert told is None or told in said


def test_a_clock_that_is_off_is_told(collector: Answering, capsys: Capture) -> None:
    collector.date = "Fri, 20 Nov 2020 12:00:00 GMT"
    assert main(["--endpoint", collector.url]) == 1
    assert (
        " seconds behind ours, so calls are shown at the wrong time\n    → set both by NTP\n" in capsys.readouterr().out
    )


def test_where_opentelemetrys_variables_lead_is_told(
    healthy: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", healthy)
    assert main([]) == 0
    assert "– calls go where OTEL_EXPORTER_OTLP_ENDPOINT says, unless" in capsys.readouterr().out
    assert main(["--endpoint", healthy]) == 0
    assert "OTEL_" not in capsys.readouterr().out

    monkeypatch.setenv("CLAUDE_TELEMETRY_TOKEN", "ct_x")
    assert main([]) == 1
    assert "✗ CLAUDE_TELEMETRY_TOKEN is not sent where OTEL_EXPORTER_OTLP_ENDPOINT says" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("endpoint", "protocol"),
    [("http://127.0.0.1:4317", None), ("http://127.0.0.1:9", "grpc"), ("127.0.0.1:4317", None)],
)
def test_a_place_for_grpc_is_told(
    endpoint: str, protocol: str | None, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint)
    if protocol is not None:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
    assert main([]) == 1
    assert (
        "✗ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT names a place for gRPC, and calls are sent over HTTP\n"
        "    → give the receiver's HTTP port, most often 4318, as CLAUDE_TELEMETRY_ENDPOINT\n"
    ) in capsys.readouterr().out


def test_a_switch_that_turns_opentelemetry_off_turns_recording_off(
    healthy: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "TRUE")
    assert main(["--endpoint", healthy]) == 1
    assert "✗ OTEL_SDK_DISABLED is true, so no call is recorded\n" in capsys.readouterr().out


def test_a_proxy_that_catches_what_should_stay_nearby_is_told(
    healthy: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert main(["--endpoint", healthy]) == 0  # calls go past it
    assert "– HTTP_PROXY is set, and holds for 127.0.0.1 too" in capsys.readouterr().out
    assert main(["--endpoint", "http://collector.invalid:4318"]) == 1
    assert "– calls to collector.invalid go through the proxy that HTTP_PROXY names\n" in capsys.readouterr().out
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert main(["--endpoint", healthy]) == 0
    assert "PROXY" not in capsys.readouterr().out


def test_a_variable_that_is_misspelt_is_told_with_the_one_that_was_meant(
    healthy: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLAUDE_TELEMETRY_ENDPOINTS", "x")
    assert main(["--endpoint", healthy]) == 1
    assert (
        "✗ CLAUDE_TELEMETRY_ENDPOINTS is no setting\n    → did you mean CLAUDE_TELEMETRY_ENDPOINT?\n"
        in capsys.readouterr().out
    )


def test_a_setting_of_any_part_that_cannot_be_used_is_told_once(
    healthy: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLAUDE_TELEMETRY_DASHBOARD", "8501")
    file = tmp_path / "settings.toml"
    file.write_text("alert_error_ratio = 5")
    assert main(["--endpoint", healthy, "--config", str(file)]) == 1
    said = capsys.readouterr().out
    assert said.count("✗ CLAUDE_TELEMETRY_DASHBOARD is '8501': give HOST:PORT") == 1
    assert said.count(f"✗ {file}: alert_error_ratio is '5': give a share") == 1
    assert f"✓ a collector answers at {healthy}\n" in said  # and it goes on


def test_the_settings_that_hold_are_shown_with_who_says_so_and_without_secrets(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("alert_error_ratio = 0.5\nfingerprint = false")
    monkeypatch.setenv("CLAUDE_TELEMETRY_SLACK_WEBHOOK_URL", "https://hooks.slack.example/hush")
    assert main(["--settings", "--config", str(file), "--endpoint", "http://127.0.0.1:9"]) == 0
    said = capsys.readouterr().out
    assert "hush" not in said
    rows = {line.split()[0]: line.split()[1:] for line in said.splitlines()}
    assert set(rows) == {setting.name for setting in SETTINGS}
    assert rows["alert_error_ratio"] == ["0.5", str(file)]
    assert rows["fingerprint"] == ["off", str(file)]
    assert rows["slack_webhook_url"] == ["set", "CLAUDE_TELEMETRY_SLACK_WEBHOOK_URL"]
    assert rows["endpoint"] == ["http://127.0.0.1:9", "argument"]
    assert rows["otlp_http"] == ["127.0.0.1:4318", "default"]
    assert rows["service"] == ["not", "set", "default"]


def kept(folder: Path, url: str, calls: int) -> None:
    spool = Spool(folder, most_bytes=1 << 20)
    body = gzip.compress(b"a request")
    spool.keep(Outgoing(signal="traces", calls=calls, number=1, target=target_of(f"{url}/v1/traces"), body=body))
    spool.close()


def test_calls_that_wait_on_disk_are_told(healthy: str, tmp_path: Path, capsys: Capture) -> None:
    kept(tmp_path, healthy, 12)
    assert main(["--endpoint", healthy, "--spool", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert f"– 12 calls wait in {tmp_path}, since 20" in said
    assert "another address" not in said


def test_calls_that_wait_for_another_address_are_told(healthy: str, tmp_path: Path, capsys: Capture) -> None:
    kept(tmp_path, healthy, 12)
    kept(tmp_path, "http://127.0.0.1:9", 30)
    assert main(["--endpoint", healthy, "--spool", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert f"– 42 calls wait in {tmp_path}, since 20" in said
    assert "– 30 of them were to go to another address than now" in said


def test_a_spool_that_is_full_or_has_lost_calls_is_wrong(healthy: str, tmp_path: Path, capsys: Capture) -> None:
    kept(tmp_path, healthy, 12)
    (tmp_path / "dropped").write_text(f"{7:020}")
    assert main(["--endpoint", healthy, "--spool", str(tmp_path), "--spool-bytes", "20"]) == 1
    said = capsys.readouterr().out
    assert f"✗ {tmp_path} is full: the oldest calls go\n" in said
    assert f"✗ 7 calls went from {tmp_path} undelivered since it was made\n    → they were refused, or" in said


def test_a_full_disk_and_a_folder_that_cannot_be_written_are_told(
    healthy: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def may(path: Path, mode: int) -> bool:
        return path != tmp_path

    monkeypatch.setattr(os, "access", may)
    flags = ("--endpoint", healthy, "--data", str(tmp_path), "--spool", str(tmp_path / "spool"))
    assert main([*flags, "--min-free-bytes", str(10**15)]) == 1
    said = capsys.readouterr().out
    assert f"✗ {tmp_path} cannot be written by this user: calls made without a collector are lost\n" in said
    assert f"✗ {tmp_path} cannot be written by this user: nothing can be kept there\n" in said
    assert f"bytes are free on the disk of {tmp_path}: below 1,000,000,000,000,000 new calls are put off\n" in said


def test_a_collector_of_another_version_is_worth_knowing(healthy: str, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "reader.json").write_text(json.dumps({"url": healthy}))
    (tmp_path / "running.json").write_text(json.dumps({"version": "0.0.7"}))
    assert main(["--endpoint", healthy, "--data", str(tmp_path)]) == 0
    assert f"– the collector of {tmp_path} is version 0.0.7, and this is " in capsys.readouterr().out


def test_hooks_that_do_not_fit_are_wrong(healthy: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claude_telemetry.capture, "self_check", lambda: ["the SDK has no request method"])
    assert main(["--endpoint", healthy]) == 1
    assert "✗ the SDK has no request method\n    → update: pip install --upgrade" in capsys.readouterr().out


def test_the_other_package_of_our_name_is_wrong(healthy: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def in_the_way(folder: Path) -> str:
        return "another package is in the way"

    monkeypatch.setattr(installation, "shadow_problem", in_the_way)
    assert main(["--endpoint", healthy]) == 1
    assert "✗ another package is in the way\n" in capsys.readouterr().out


def test_parts_that_are_not_installed_are_worth_knowing_and_not_wrong(
    healthy: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation, "EXTRAS", (("a-package-that-is-not-there", "dashboard"),))
    assert main(["--endpoint", healthy]) == 0
    said = capsys.readouterr().out
    assert '– a-package-that-is-not-there is not installed\n    → to run the dashboard from here: pip install "' in said


# A collector that was killed leaves its file behind: port 9 is nobody's. The others are what a full disk leaves.
@pytest.mark.parametrize("left", ['{"url": "http://127.0.0.1:9"}', "", "{", "[]", "{}", '{"url": 5}'])
def test_a_collector_that_was_killed_is_not_one_that_can_be_asked(
    left: str, healthy: str, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "reader.json").write_text(left)
    assert main(["--endpoint", healthy, "--data", str(tmp_path)]) == 1
    assert (
        f"✗ {tmp_path} belongs to a collector that does not run any more\n"
        f"    → start it again, such as with `claude-telemetry up --data {tmp_path}`\n"
    ) in capsys.readouterr().out


def test_an_endpoint_that_is_no_address_is_one_finding_among_the_others(tmp_path: Path, capsys: Capture) -> None:
    assert main(["--endpoint", "foo", "--data", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "✗ the endpoint 'foo' is no address" in said
    assert f"– no collector keeps its data in {tmp_path}\n" in said


def test_a_folder_of_another_user_is_told_as_that(
    healthy: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kept_out(path: Path, encoding: str) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_text", kept_out)
    assert main(["--endpoint", healthy, "--data", str(tmp_path)]) == 1
    assert f"✗ {tmp_path} is another user's: only that one can ask its collector\n" in capsys.readouterr().out
