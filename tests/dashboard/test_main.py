"""`claude-telemetry dashboard` as a process: it serves, it is careful about who asks, and it stops."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from claude_telemetry.errors import SettingsError
from claude_telemetry.settings import Address
from claude_telemetry_dashboard.__main__ import main, options
from tests.support.dashboard import Dashboard

LOOPBACK = Address("127.0.0.1", 8501)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Dashboard]:
    """A dashboard on a free port, started in a folder whose Streamlit configuration is not ours."""
    somewhere = tmp_path / "somewhere"
    (somewhere / ".streamlit").mkdir(parents=True)
    (somewhere / ".streamlit" / "config.toml").write_text(
        "[server]\nenableXsrfProtection = false\nbaseUrlPath = 'elsewhere'\n[browser]\ngatherUsageStats = true\n"
    )
    with Dashboard(tmp_path / "data", folder=somewhere) as dashboard:
        yield dashboard


def status(dashboard: Dashboard, path: str, headers: dict[str, str] | None = None) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", dashboard.port, timeout=20)
    try:
        connection.request("GET", path, headers=headers or {})
        return connection.getresponse().status
    finally:
        connection.close()


def upgrade(**headers: str) -> dict[str, str]:
    return {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        **headers,
    }


def test_it_serves_tells_its_address_once_and_stops_when_asked(running: Dashboard) -> None:
    assert status(running, "/_stcore/health") == 200
    assert status(running, "/") == 200

    code, said = running.stop(signal.SIGTERM)

    assert (code, said) == (0, "")
    assert running.first_line == f"dashboard: http://127.0.0.1:{running.port}\n"


def test_ctrl_c_is_a_way_to_stop_it_too(running: Dashboard) -> None:
    assert running.stop(signal.SIGINT) == (0, "")


def test_a_web_page_of_somebody_else_gets_no_live_connection(running: Dashboard) -> None:
    here = f"127.0.0.1:{running.port}"

    assert status(running, "/_stcore/stream", upgrade(Host=here, Origin=f"http://{here}")) == 101
    # A name that was made to point here (DNS rebinding), and a page that asks across origins.
    assert status(running, "/_stcore/stream", upgrade(Host="evil.test", Origin="http://evil.test")) == 403
    assert status(running, "/_stcore/stream", upgrade(Host=here, Origin="http://evil.test")) == 403


def test_a_port_that_is_taken_is_told_with_a_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"cannot listen on 127.0.0.1:{port} .*Give another --dashboard"):
            main(["--dashboard", f"127.0.0.1:{port}"])


def test_the_command_says_it_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = subprocess.run(
            [sys.executable, "-m", "claude_telemetry", "dashboard", f"--dashboard={address}", f"--data={tmp_path}"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"claude-telemetry dashboard: cannot listen on {address}")
    assert ended.stderr.count("\n") == 1


def test_on_loopback_only_known_names_may_ask() -> None:
    assert options(LOOPBACK, "https://calls.example.org/")["server.allowedHosts"] == [
        "127.0.0.1",
        "::1",
        "calls.example.org",
        "localhost",
    ]
    assert options(LOOPBACK, "https://calls.example.org/")["server.corsAllowedOrigins"] == ["https://calls.example.org"]


@pytest.mark.parametrize("address", ["0.0.0.0:8501", "192.0.2.1:8501", "[::]:8501", "calls.example.org:8501"])
def test_without_a_login_it_listens_for_this_machine_only(address: str) -> None:
    with pytest.raises(SettingsError, match=r"is .*:8501: without a login the dashboard listens on"):
        main(["--dashboard", address])


def test_nothing_is_told_to_anybody_and_nothing_is_exported_past_us() -> None:
    chosen = options(LOOPBACK, "http://127.0.0.1:8501")

    assert chosen["browser.gatherUsageStats"] is False
    assert chosen["client.disableDataExport"] is True
    assert chosen["server.enableXsrfProtection"] is True
    assert chosen["server.enableCORS"] is True
