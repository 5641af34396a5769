"""Collector and dashboard, started one after the other, stopped together."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

from claude_telemetry import probe
from claude_telemetry.errors import MissingExtraError, SettingsError
from claude_telemetry.settings import SETTINGS, Address, settle
from claude_telemetry.shadow import DISTRIBUTION
from claude_telemetry.up.child import Child

_READY_WITHIN_S = 60.0


class Stack:
    """Both, on the addresses and the data folder that the settings say."""

    def __init__(self, given: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> None:
        """`given` are settings of `collect` and `dashboard`; `environment` is added to that of the two.

        Raises `SettingsError` for an address that is taken, `MissingExtraError` when a part is not installed.
        """
        for package in ("claude_telemetry_collector", "duckdb", "streamlit"):
            if find_spec(package) is None:
                raise MissingExtraError(
                    f'needs the package {package}, which is not installed: run `pip install "{DISTRIBUTION}[all]"`'
                )
        settled = {**settle("collect", given), **settle("dashboard", given)}
        self.data: Path = settled["data"].absolute()
        self.otlp_http = _vacant(settled["otlp_http"], "--otlp-http")
        self.dashboard = _vacant(settled["dashboard"], "--dashboard")
        addresses = {"otlp_http": self.otlp_http, "dashboard": self.dashboard}
        self._given = {**given, **addresses}
        if given.get("dashboard_url") is None and self.dashboard != Address("127.0.0.1", 8501):
            self._given["dashboard_url"] = self.dashboard_url
        self._environment = environment
        self._scheme = "http" if settled["tls_cert"] is None else "https"
        self._children: list[Child] = []

    @property
    def collector_url(self) -> str:
        return f"{self._scheme}://{self.otlp_http.nearby}"

    @property
    def dashboard_url(self) -> str:
        return f"http://{self.dashboard.nearby}"

    def start(self) -> None:
        """Starts both, side by side, since each takes seconds to import what it needs."""
        self._since = time.time()
        self._collector, self._dashboard = self._begin("collect"), self._begin("dashboard")

    def wait_for_collector(self, stop: Callable[[float], bool]) -> bool:
        """Whether it became ready; `False` when `stop` was asked for first. Raises `ChildFailed`."""
        return self._wait(self._collector, self._collects, stop)

    def wait_for_dashboard(self, stop: Callable[[float], bool]) -> bool:
        """Whether it became ready; `False` when `stop` was asked for first. Raises `ChildFailed`."""
        return self._wait(self._dashboard, lambda: probe.answers(f"{self.dashboard_url}/_stcore/health"), stop)

    def check(self) -> None:
        """Raises `ChildFailed` when one of them has ended by itself."""
        for child in self._children:
            if child.exit_code is not None:
                raise child.failure()

    def stop(self) -> None:
        """Stops both, and waits for them. Idempotent."""
        for child in reversed(self._children):
            child.ask_to_stop()
        for child in reversed(self._children):
            child.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _begin(self, command: str) -> Child:
        child = Child(command, "claude_telemetry", [command, *flags_of(command, self._given)], self._environment)
        self._children.append(child)
        return child

    def _wait(self, child: Child, ready: Callable[[], bool], stop: Callable[[float], bool]) -> bool:
        def all_is_well() -> bool:
            self.check()
            return ready()

        child.aloud = child.wait_until(all_is_well, within_s=_READY_WITHIN_S, stop=stop)
        return child.aloud

    def _collects(self) -> bool:
        reader = self.data / "reader.json"
        # A file from before is what a collector left behind that was killed.
        fresh = reader.exists() and reader.stat().st_mtime >= self._since - 1
        return fresh and probe.answers(f"{self.collector_url}/healthz")


def flags_of(command: str, given: Mapping[str, Any]) -> list[str]:
    """What of `given` is a setting of `command`, as its flags."""
    return [
        f"{setting.flag}={given[setting.name]}"
        for setting in SETTINGS
        if command in setting.parts and not setting.secret and given.get(setting.name) is not None
    ]


def _vacant(address: Address, flag: str) -> Address:
    """`address`, with a free port for port 0. Raises `SettingsError` that says what to give when it is taken."""
    try:
        return probe.bound(address)
    except OSError as error:
        advice = "is it running already? Give" if error.errno == errno.EADDRINUSE else "give"
        raise SettingsError(
            f"cannot listen on {address} ({error.strerror or error}): {advice} another {flag}"
        ) from None
