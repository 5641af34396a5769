"""Which run of a framework a call is part of: LangChain, Instructor, pydantic-ai.

A *run* is what the framework calls so: one invocation of a chain, an agent or a structured question, which may ask
Claude more than once. It becomes `framework`, `run_name`, `run_id` and `reask` of each call that it makes.

Nothing of a framework is imported here. Once the application imports one, its bridge is laid: the framework then says
in its own public ways (callbacks, hooks, its current run) what goes on, and calls look there.
"""

from claude_telemetry.bridges.laying import lay_bridges, take_up_bridges
from claude_telemetry.bridges.runs import framework_labels

__all__ = ["framework_labels", "lay_bridges", "take_up_bridges"]
