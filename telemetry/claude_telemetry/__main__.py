"""`python -m claude_telemetry`: the same as the command `claude-telemetry`."""

from __future__ import annotations

import sys

from claude_telemetry import shadow

if __name__ == "__main__":
    try:
        # Both names: the other package of our import name has a `cli.main` too, and overwrites ours if it comes later.
        from claude_telemetry.cli import COMMANDS, main
    except ImportError:
        sys.exit(f"claude-telemetry cannot start: {shadow.shadow_problem() or 'its installation is damaged'}")
    sys.exit(main() if COMMANDS else None)
