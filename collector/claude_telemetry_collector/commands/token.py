"""`claude-telemetry token`: who may send to the collector."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from claude_telemetry.settings import add_flags, seconds, settle, whole
from claude_telemetry_collector.tokens import add_token, read_tokens, revoke_token, tokens_path


def main(argv: Sequence[str]) -> int:
    """Raises `SettingsError`."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    data: Path = settle("token", vars(arguments))["data"]
    path = tokens_path(data.absolute())
    if arguments.action == "add":
        text = add_token(
            path,
            arguments.name,
            max_body_bytes=arguments.max_body_bytes,
            requests_per_second=arguments.requests_per_second,
        )
        print(f"This token is shown once:\n\n  {text}\n")
        print(
            "An application with claude_telemetry sends it with the first of these, OpenTelemetry's exporters with the"
        )
        print("second:\n")
        print(f"  CLAUDE_TELEMETRY_TOKEN={text}")
        print(f"  OTEL_EXPORTER_OTLP_HEADERS=Authorization=Bearer%20{text}")
    elif arguments.action == "revoke":
        revoke_token(path, arguments.name)
        print(f"{arguments.name} may not send any more")
    else:
        _show(path)
    return 0


def _show(path: Path) -> None:
    tokens = read_tokens(path)
    if not tokens:
        print(f"there are no tokens in {path}")
    width = max((len(token.name) for token in tokens), default=0)
    for token in tokens:
        limits = [
            f"bodies of up to {token.max_body_bytes:,} bytes" if token.max_body_bytes is not None else "",
            f"{token.requests_per_second:g} requests per second" if token.requests_per_second is not None else "",
        ]
        shown = ", ".join(limit for limit in limits if limit) or "no limits of its own"
        print(f"{token.name.ljust(width)}  {token.created_at}  {shown}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="claude-telemetry token",
        description="Says who may send to the collector. A running collector notices within a second.",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="add|list|revoke")
    add = actions.add_parser("add", help="make a token and show it, once")
    add.add_argument("name", metavar="NAME", help="where things come from that are sent with it, such as ci or mobile")
    add.add_argument("--max-body-bytes", type=_positive, metavar="N", help="the largest body that it may send")
    add.add_argument("--requests-per-second", type=_rate, metavar="N", help="how many requests it may send, on average")
    listing = actions.add_parser("list", help="show which there are, without the tokens themselves")
    revoke = actions.add_parser("revoke", help="take a token away")
    revoke.add_argument("name", metavar="NAME")
    for action in (add, listing, revoke):
        add_flags(action, "token")
    return parser


def _positive(text: str) -> int:
    if (value := whole(text)) == 0:
        raise argparse.ArgumentTypeError("give a number above zero")
    return value


def _rate(text: str) -> float:
    try:
        return seconds(text)
    except ValueError:
        raise argparse.ArgumentTypeError("give a number above zero, such as 100") from None
