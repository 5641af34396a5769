"""The command `claude-telemetry`: finds each command by name and imports it when it is run, not before.

A command is a function `main(argv) -> int` that reads its own arguments; its exit code is ours.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from claude_telemetry.errors import ClaudeTelemetryError, MissingExtraError
from claude_telemetry.shadow import DISTRIBUTION, version


@dataclass(frozen=True, slots=True)
class Command:
    """One word after `claude-telemetry`."""

    name: str
    module: str
    """Where its `main` is."""
    summary: str
    extra: str | None = None
    """The extra that brings what it needs, when the core does not."""


_COLLECTORS = "claude_telemetry_collector.commands"

COMMANDS: tuple[Command, ...] = (
    Command("up", "claude_telemetry.up.command", "collector and dashboard for your application, in one go", "all"),
    Command("demo", "claude_telemetry.demo.run", "the same with made-up traffic, to look around", "all"),
    Command("collect", "claude_telemetry_collector.__main__", "receive calls, keep them, watch them", "collector"),
    Command("dashboard", "claude_telemetry_dashboard.__main__", "show the calls of a running collector", "dashboard"),
    Command("status", f"{_COLLECTORS}.status", "whether the collector runs, and is well", "collector"),
    Command("doctor", "claude_telemetry.doctor", "what is wrong with this installation, and what to do"),
    Command("token", f"{_COLLECTORS}.token", "who may send to the collector", "collector"),
    Command("top", f"{_COLLECTORS}.top", "what runs and what it costs, kept new in the terminal", "collector"),
    Command("report", f"{_COLLECTORS}.report", "what a period came to, beside the period before", "collector"),
    Command("calls", f"{_COLLECTORS}.calls", "single calls", "collector"),
    Command("tail", f"{_COLLECTORS}.tail", "calls as they come in", "collector"),
    Command("query", f"{_COLLECTORS}.query", "ask a running collector in SQL", "collector"),
    Command("price", "claude_telemetry.price", "what a model costs, and what so many tokens of it cost"),
    Command("reprice", f"{_COLLECTORS}.reprice", "past calls at the prices of another book", "collector"),
    Command(
        "what-if", f"{_COLLECTORS}.what_if", "past calls at another model, in batch, or with another cache", "collector"
    ),
    Command("reconcile", f"{_COLLECTORS}.reconcile", "past calls against Anthropic's bill", "collector"),
    Command("fake-claude", "claude_telemetry.fake.command", "a stand-in for the Claude API on this machine"),
)

_EXAMPLES = """\
Start here:
  claude-telemetry demo                        a running stack with made-up traffic
  claude-telemetry up                          the same for your own application
  claude-telemetry query "SELECT model, sum(cost_usd) FROM calls GROUP BY model"

Every command explains itself: claude-telemetry COMMAND --help
Every flag has an environment variable: --otlp-http is CLAUDE_TELEMETRY_OTLP_HTTP
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command. The exit code: 0 done, 1 it could not be done, 2 it was not understood, 130 interrupted."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_help())
        return 0
    if arguments[0] in ("version", "--version", "-V"):
        print(f"{DISTRIBUTION} {version()}")
        return 0
    command = next((command for command in COMMANDS if command.name == arguments[0]), None)
    if command is None:
        return _not_understood(arguments[0])
    try:
        code = _run(command, arguments[1:])
        sys.stdout.flush()
        return code
    except ClaudeTelemetryError as error:
        print(f"claude-telemetry {command.name}: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever reads us, such as `| head`, has had enough. Python must not find that out again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def _run(command: Command, arguments: list[str]) -> int:
    try:
        module = importlib.import_module(command.module)
    except ModuleNotFoundError as error:
        if command.extra is None or str(error.name).startswith("claude_telemetry"):
            raise
        raise MissingExtraError(
            f"needs the package {error.name}, which is not installed: "
            f'run `pip install "{DISTRIBUTION}[{command.extra}]"`'
        ) from None
    return int(module.main(arguments) or 0)


def _help() -> str:
    width = max(len(command.name) for command in COMMANDS) + 2
    lines = [f"  {command.name.ljust(width)}{command.summary}" for command in COMMANDS]
    lines.append(f"  {'version'.ljust(width)}which version this is")
    return "\n".join(
        (
            "usage: claude-telemetry COMMAND [OPTION ...]",
            "",
            "Know what your application's Claude calls do and cost.",
            "",
            "Commands:",
            *lines,
            "",
            _EXAMPLES.rstrip(),
        )
    )


def _not_understood(word: str) -> int:
    near = difflib.get_close_matches(word, [command.name for command in COMMANDS], n=1)
    hint = f"did you mean `{near[0]}`?" if near else "`claude-telemetry --help` lists what there is"
    print(f"claude-telemetry: there is no command {word!r}; {hint}", file=sys.stderr)
    return 2
