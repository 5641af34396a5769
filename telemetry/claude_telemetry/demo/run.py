"""`claude-telemetry demo`: everything that it takes to look around, on this machine only.

A stand-in for the Claude API, a sample application that asks it, collector and dashboard, and a stand-in for Slack that
prints what it is told. A spell of overload soon after the start shows what an incident looks like.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

from claude_telemetry import probe
from claude_telemetry.fake import FakeSlack
from claude_telemetry.settings import Address, add_flags, seconds, settled
from claude_telemetry.signals import StopWish
from claude_telemetry.up import Child, Stack

_THRESHOLDS: Mapping[str, Any] = {
    "alert_interval": 5.0,
    # The stand-in's spell takes the error rate to about a third; two quiet minutes take it back below this.
    "alert_error_ratio": Decimal("0.12"),
    # Only what writes the long contract into the prompt cache costs more.
    "alert_call_cost_usd": Decimal("0.05"),
}
_ADDRESSES = ("otlp_http", "dashboard", "fake_claude")
_READY_WITHIN_S = 30.0

# Loopback is asked directly, whatever proxy the environment names.
_NO_PROXY = {"NO_PROXY": "127.0.0.1,localhost,::1", "no_proxy": "127.0.0.1,localhost,::1"}


def main(argv: Sequence[str]) -> int:
    """Runs until it is interrupted, or for as long as it was told. Raises `ChildFailed` when a part ends by itself."""
    options = vars(_parser().parse_args(argv))
    with ExitStack() as parts:
        wish = parts.enter_context(StopWish())
        slack = parts.enter_context(FakeSlack(echo=True))
        if options["data"] is None:
            options["data"] = Path(parts.enter_context(_passing_folder()))
        demo = Demo(_settings(options), slack.url, parts)
        print("starting the demo …", flush=True)
        if demo.start(wish):
            print(demo.ready(), flush=True)
            until = time.monotonic() + (options["seconds"] or float("inf"))
            while time.monotonic() < until and not wish.wait(0.5):
                demo.check()
        print("stopping …", flush=True)
    return 0


class Demo:
    """All parts but Slack. What it starts is stopped when `parts` closes, last started first."""

    def __init__(self, given: Mapping[str, Any], slack_url: str, parts: ExitStack) -> None:
        environment = {**_NO_PROXY, "CLAUDE_TELEMETRY_SLACK_WEBHOOK_URL": slack_url}
        self._stack = parts.enter_context(Stack(given, environment))
        self._claude: Address = given["fake_claude"]
        self._parts = parts
        self._children: list[Child] = []

    def start(self, wish: StopWish) -> bool:
        """Whether all became ready; `False` when it was interrupted first."""
        self._stack.start()
        claude = self._begin("fake-claude", "claude_telemetry", f"--fake-claude={self._claude}", "--pace=0.5")
        url = f"http://{self._claude}"
        if not (
            claude.wait_until(lambda: probe.answers(f"{url}/_fake/ledger"), within_s=_READY_WITHIN_S, stop=wish.wait)
            and self._stack.wait_for_collector(wish.wait)
        ):
            return False
        endpoint = f"--endpoint={self._stack.collector_url}"
        self._begin("sample application", "claude_telemetry.demo.app", f"--base-url={url}", endpoint).aloud = True
        return self._stack.wait_for_dashboard(wish.wait)

    def check(self) -> None:
        """Raises `ChildFailed` when a part has ended by itself."""
        self._stack.check()
        for child in self._children:
            if child.exit_code is not None:
                raise child.failure()

    def ready(self) -> str:
        """What to look at."""
        return "\n".join(
            (
                "",
                f"  dashboard     {self._stack.dashboard_url}/?range=15m",
                f"  collector     {self._stack.collector_url}, keeps calls in {self._stack.data}",
                f"  fake Claude   http://{self._claude}, asked by a sample application",
                "",
                "  All traffic is made up and stays on this machine. Within a minute the fake Claude is overloaded",
                "  for a while: an alert opens, and closes about two minutes later. Slack's messages appear here.",
                "",
                "  Ctrl-C stops everything.",
                "",
            )
        )

    def _begin(self, name: str, module: str, *arguments: str) -> Child:
        words = (name, *arguments) if module == "claude_telemetry" else arguments
        child = Child(name, module, words, _NO_PROXY)
        self._children.append(child)
        self._parts.callback(child.stop)
        return child


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="claude-telemetry demo",
        usage="%(prog)s [OPTION ...]",
        description="A running stack with made-up traffic. A port that is taken is replaced by a free one, unless you "
        "gave it; data is forgotten in the end, unless you give --data.",
    )
    add_flags(parser, "collect", "dashboard", "fake-claude")
    parser.add_argument(
        "--for", dest="seconds", type=seconds, metavar="SECONDS", help="end after so many (default never)"
    )
    return parser


def _settings(options: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in options.items() if value is not None}
    rows = {one.setting.name: one for part in ("collect", "dashboard", "fake-claude") for one in settled(part, given)}
    said = {name for name, one in rows.items() if one.origin != "default"}
    addresses = {name: _free_unless_said(rows[name].value, name in said) for name in _ADDRESSES}
    thresholds = {name: value for name, value in _THRESHOLDS.items() if name not in said}
    return {**thresholds, **given, **addresses}


def _free_unless_said(address: Address, was_said: bool) -> Address:
    if address.port != 0 and (was_said or probe.is_free(address)):
        return address
    return probe.bound(Address(address.host, 0))


def _passing_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="claude-telemetry-demo-", ignore_cleanup_errors=True)
