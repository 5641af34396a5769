"""`python -m claude_telemetry.up.leash MODULE ARGUMENT ...`: runs a module until standard input ends.

The parent holds the other end. Whatever becomes of the parent, even `kill -9`, the pipe closes, and then this process
stops as it does on SIGTERM.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading


def _hold() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_hold, name="leash", daemon=True).start()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
