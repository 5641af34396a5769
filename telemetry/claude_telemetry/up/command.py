"""`claude-telemetry up`: collector and dashboard for your own application, until Ctrl-C."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from claude_telemetry.settings import Address, add_flags
from claude_telemetry.signals import StopWish
from claude_telemetry.up.stack import Stack

_DEFAULT_COLLECTOR = Address("127.0.0.1", 4318)


def main(argv: Sequence[str]) -> int:
    """Runs both until it is interrupted. Raises `ChildFailed` when one of them ends by itself."""
    options = _parser().parse_args(argv)
    with StopWish() as wish, Stack(vars(options)) as stack:
        print("starting collector and dashboard …", flush=True)
        stack.start()
        if stack.wait_for_collector(wish.wait) and stack.wait_for_dashboard(wish.wait):
            print(_ready(stack), flush=True)
            while not wish.wait(0.5):
                stack.check()
        print("stopping …", flush=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="claude-telemetry up",
        usage="%(prog)s [OPTION ...]",
        description="Collector and dashboard in one go. Both stop with Ctrl-C; what was collected stays in --data.",
        epilog="A Slack webhook for alerts comes from the environment only: CLAUDE_TELEMETRY_SLACK_WEBHOOK_URL.",
    )
    add_flags(parser, "collect", "dashboard")
    return parser


def _ready(stack: Stack) -> str:
    endpoint = "" if stack.otlp_http == _DEFAULT_COLLECTOR else f'endpoint="{stack.collector_url}"'
    return "\n".join(
        (
            "",
            f"  dashboard   {stack.dashboard_url}",
            f"  collector   {stack.collector_url}, keeps calls in {stack.data}",
            "",
            "  Paste this where your application starts:",
            "",
            "      import claude_telemetry",
            f"      claude_telemetry.instrument({endpoint})",
            "",
            "  Ctrl-C stops both.",
            "",
        )
    )
