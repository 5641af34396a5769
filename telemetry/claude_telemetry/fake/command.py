"""`claude-telemetry fake-claude`: the stand-in as a server of its own, with answers as one would meet them."""

from __future__ import annotations

import argparse
import secrets
from collections.abc import Sequence

from claude_telemetry.errors import SettingsError
from claude_telemetry.fake.claude import FakeClaude
from claude_telemetry.fake.weather import Weather
from claude_telemetry.settings import Address, add_flags, settle
from claude_telemetry.signals import StopWish


def main(argv: Sequence[str]) -> int:
    """Serves until it is interrupted. Prints one line with its address when it is ready."""
    options = _parser().parse_args(argv)
    address: Address = settle("fake-claude", vars(options))["fake_claude"]
    if not address.is_loopback:
        raise SettingsError(
            f"--fake-claude (CLAUDE_TELEMETRY_FAKE_CLAUDE) is {address}: it listens on this machine's loopback only, "
            "such as 127.0.0.1, since it answers everybody"
        )
    seed = secrets.randbits(32) if options.seed is None else options.seed
    behaviour = Weather(seed=seed, pace=options.pace)
    try:
        fake = FakeClaude(address.host, address.port, behaviour=behaviour)
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {address}: {error.strerror or error}; give another --fake-claude"
        ) from None
    with StopWish() as wish, fake:
        print(f"fake claude answers at {fake.url} (seed {seed})", flush=True)
        while not wish.wait(1.0):
            pass
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="claude-telemetry fake-claude",
        usage="%(prog)s [OPTION ...]",
        description="A stand-in for the Claude API: messages, streamed or not, with prompt caching, tools, thinking, "
        "errors and spells of overload; token counts, batches, sessions, reports of usage and cost; also by the paths "
        "of Bedrock and Vertex. Made-up words; nothing leaves this machine.",
        epilog="Use it: Anthropic(base_url='http://127.0.0.1:4380', api_key='any'). "
        "What it served, exactly: GET /_fake/ledger, one JSON object a line.",
    )
    add_flags(parser, "fake-claude")
    parser.add_argument("--seed", type=int, help="the same seed gives the same answers in the same order (default any)")
    parser.add_argument(
        "--pace", type=_pace, default=1.0, help="1 takes as long as the real API, 0 answers at once (default 1)"
    )
    return parser


def _pace(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r}: give a number from 0 up, such as 0.5")
    return value
