"""`claude-telemetry doctor`."""

from __future__ import annotations

import gzip
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import claude_telemetry.capture
from claude_telemetry import doctor
from claude_telemetry.doctor import main
from claude_telemetry.spool import Outgoing, Spool, target_of


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "CLAUDE_TELEMETRY_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def healthy() -> Iterator[str]:
    """Somebody who answers `/healthz` and nothing else, as a collector would."""

    class Healthy(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server gives it
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Healthy) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_all_is_well_with_a_collector(healthy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "reader.json").write_text(json.dumps({"url": healthy}))
    assert main(["--endpoint", healthy, "--data", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert f"✓ {tmp_path} belongs to a collector that can be asked\n" in said
    assert "✗" not in said
    assert f"✓ a collector answers at {healthy}\n" in said
    assert "✓ the hooks fit the installed SDK\n" in said


def test_a_collector_that_is_away_is_wrong_and_the_way_out_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Port 9 is set aside for a service that throws everything away; nobody runs it.
    assert main(["--endpoint", "http://127.0.0.1:9", "--data", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "✗ no collector of ours answers at http://127.0.0.1:9\n    → start one with `claude-telemetry up`" in said
    assert f"– no collector keeps its data in {tmp_path}\n" in said


def test_calls_that_wait_on_disk_are_told(healthy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spool = Spool(tmp_path, most_bytes=1 << 20)
    body = gzip.compress(b"a request")
    spool.keep(Outgoing(signal="traces", calls=12, number=1, target=target_of(healthy), body=body))
    spool.close()

    assert main(["--endpoint", healthy, "--spool", str(tmp_path)]) == 0
    assert f"– 12 calls wait in {tmp_path}, since 20" in capsys.readouterr().out


def test_hooks_that_do_not_fit_are_wrong(
    healthy: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claude_telemetry.capture, "self_check", lambda: ["the SDK has no request method"])
    assert main(["--endpoint", healthy]) == 1
    assert "✗ the SDK has no request method\n    → update: pip install --upgrade" in capsys.readouterr().out


def test_the_other_package_of_our_name_is_wrong(
    healthy: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def in_the_way(folder: Path) -> str:
        return "another package is in the way"

    monkeypatch.setattr(doctor, "shadow_problem", in_the_way)
    assert main(["--endpoint", healthy]) == 1
    assert "✗ another package is in the way\n" in capsys.readouterr().out


def test_parts_that_are_not_installed_are_worth_knowing_and_not_wrong(
    healthy: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_EXTRAS", (("a-package-that-is-not-there", "dashboard"),))
    assert main(["--endpoint", healthy]) == 0
    said = capsys.readouterr().out
    assert '– a-package-that-is-not-there is not installed\n    → to run the dashboard from here: pip install "' in said


# A collector that was killed leaves its file behind: port 9 is nobody's. The others are what a full disk leaves.
@pytest.mark.parametrize("left", ['{"url": "http://127.0.0.1:9"}', "", "{", "[]", "{}", '{"url": 5}'])
def test_a_collector_that_was_killed_is_not_one_that_can_be_asked(
    left: str, healthy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "reader.json").write_text(left)
    assert main(["--endpoint", healthy, "--data", str(tmp_path)]) == 1
    assert (
        f"✗ {tmp_path} belongs to a collector that does not run any more\n"
        f"    → start it again, such as with `claude-telemetry up --data {tmp_path}`\n"
    ) in capsys.readouterr().out


def test_an_endpoint_that_is_no_address_is_one_finding_among_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--endpoint", "foo", "--data", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "✗ the endpoint 'foo' is no address" in said
    assert f"– no collector keeps its data in {tmp_path}\n" in said


def test_a_folder_of_another_user_is_told_as_that(
    healthy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def kept_out(path: Path, encoding: str) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_text", kept_out)
    assert main(["--endpoint", healthy, "--data", str(tmp_path)]) == 1
    assert f"✗ {tmp_path} is another user's: only that one can ask its collector\n" in capsys.readouterr().out
