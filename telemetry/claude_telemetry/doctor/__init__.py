"""`claude-telemetry doctor`: what is wrong here, and what to do about it.

It follows a call: what is installed, what the environment says, whether somebody takes the call, where it is kept
meanwhile, and whether it can be asked for.
"""

from claude_telemetry.doctor.command import main

__all__ = ["main"]
