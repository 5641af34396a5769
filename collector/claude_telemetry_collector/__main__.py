"""`claude-telemetry collect`: receives calls, keeps them, watches them."""

from __future__ import annotations

import argparse
import importlib.util
import logging
import sys
from collections.abc import Sequence

from claude_telemetry.settings import add_flags, settle
from claude_telemetry_collector.service.collect import collect

# The children import these. The supervisor, which stays small, only looks whether they are there.
for _package in ("duckdb", "pyarrow", "uvicorn", "httptools", "starlette", "slack_sdk"):
    if importlib.util.find_spec(_package) is None:
        raise ModuleNotFoundError(f"No module named {_package!r}", name=_package)


def main(argv: Sequence[str]) -> int:
    """Runs until it is interrupted or terminated. Raises `SettingsError` and `CollectorError`."""
    parser = argparse.ArgumentParser(
        prog="claude-telemetry collect",
        usage="%(prog)s [OPTION ...]",
        description="Receives Claude calls over OTLP/HTTP, keeps them in a DuckDB file, and watches them.",
        epilog="The Slack webhook for alerts comes from the environment only: CLAUDE_TELEMETRY_SLACK_WEBHOOK_URL.",
    )
    add_flags(parser, "collect")
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s collector: %(message)s")
    collect(settle("collect", vars(parser.parse_args(argv))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
