"""`claude-telemetry dashboard`: serves the pages from this process, until it is told to stop.

Streamlit's own command reads its options from the folder that it is started in. Here they are given in code, so that a
dashboard is the same wherever it is started.
"""

from __future__ import annotations

import argparse
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from streamlit import config
from streamlit.starlette import App

from claude_telemetry.errors import SettingsError
from claude_telemetry.pricing import use_prices
from claude_telemetry.settings import Address, add_flags, settle
from claude_telemetry_dashboard import login
from claude_telemetry_dashboard.look import theme

APP = Path(__file__).with_name("app.py")

_SECONDS_TO_FINISH = 2
"""How long open pages may take to close when the dashboard stops. They have nothing to lose."""


def main(argv: Sequence[str]) -> int:
    """Serves until it is interrupted or terminated. Raises `SettingsError` for an address that cannot be had."""
    parser = argparse.ArgumentParser(
        prog="claude-telemetry dashboard", description="Shows the calls of a running collector in the browser."
    )
    add_flags(parser, "dashboard")
    settings = settle("dashboard", vars(parser.parse_args(argv)))
    address: Address = settings["dashboard"]
    guests = login.guests(settings)
    if guests is None and not address.is_loopback:
        raise SettingsError(
            f"--dashboard (CLAUDE_TELEMETRY_DASHBOARD) is {address}: without a login the dashboard listens on this "
            "machine's loopback only. Turn the login on with --login-metadata-url, or put a proxy with a login before "
            "it, and give its address as --dashboard-url"
        )
    try:
        listening = _listening(address)
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {address} ({error.strerror or error}): is it running already? Give another --dashboard"
        ) from None
    with listening:
        _serve(listening, settings, guests)
    return 0


def _serve(listening: socket.socket, settings: Mapping[str, Any], guests: login.Guests | None) -> None:
    """Serves the pages on a socket that listens already, and prints their address once."""
    host, port = listening.getsockname()[:2]
    flags = options(Address(host, port), settings["dashboard_url"])
    config.get_config_options(force_reparse=True, options_from_flags=flags)
    # Not before Streamlit is configured: on the way in it logs that nothing runs yet, once for each cached question.
    from claude_telemetry_collector import queries
    from claude_telemetry_dashboard import data

    use_prices(settings["prices"])
    data.configure(
        data.Place(
            data=settings["data"],
            otlp_http=settings["otlp_http"],
            tolerance=queries.tolerance_from(settings),
            spool=settings["spool"],
            guests=guests,
        )
    )
    app = App(APP, secrets=None if guests is None else {"auth": login.provider(settings)})
    server = _Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=_SECONDS_TO_FINISH))
    # uvicorn stops by itself on these, and then raises them once more: that second one must not end the process badly.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _no_more)
    server.run(sockets=[listening])


def options(address: Address, public_url: str) -> dict[str, Any]:
    """Streamlit's options for a dashboard that listens at `address` and is reached at `public_url` too."""
    public_host = urlsplit(public_url).hostname
    return {
        "server.headless": True,
        "server.address": address.host,
        "server.port": address.port,
        "server.baseUrlPath": "",
        "server.enableCORS": True,
        "server.enableXsrfProtection": True,
        "server.allowedHosts": _allowed_hosts(address, public_host),
        "server.corsAllowedOrigins": [public_url.rstrip("/")],
        "server.fileWatcherType": "none",
        # Who somebody is, only the login says.
        "server.trustedUserHeaders": {},
        "server.enableAgentApi": False,
        # Nothing that lies where the dashboard happens to be started.
        "secrets.files": [],
        "server.enableStaticServing": False,
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "type",
        "client.disableDataExport": True,
        "logger.level": "error",
        "logger.hideWelcomeMessage": True,
        "runner.magicEnabled": False,
        # Else every refresh of every page ends with a collection of all garbage, which takes three times as long as the
        # refresh itself. Python collects often enough.
        "runner.postScriptGC": False,
        **theme(),
    }


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listening in sockets or ():
            host, port = listening.getsockname()[:2]
            print(f"dashboard: http://{Address(host, port)}", flush=True)


def _no_more(number: int, frame: FrameType | None) -> None:
    """Nothing: the server is stopping already."""


def _listening(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    return socket.create_server(address, family=family, backlog=128)


def _allowed_hosts(address: Address, public_host: str | None) -> list[str]:
    """The names under which a browser may come, so that no web page can make its own name point here and read along."""
    return sorted({"localhost", "127.0.0.1", "::1", address.host} | ({public_host} if public_host else set()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
