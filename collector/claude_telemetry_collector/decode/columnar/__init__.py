"""Our own calls, read many at a time."""

from claude_telemetry_collector.decode.columnar.bodies import Body
from claude_telemetry_collector.decode.columnar.calls import Columns, Parts, columns_in
from claude_telemetry_collector.decode.columnar.frame import mixed
from claude_telemetry_collector.decode.columnar.texts import are_alike, are_there, flags, integers
from claude_telemetry_collector.decode.columnar.wire import Flags, Ints

__all__ = [
    "Body",
    "Columns",
    "Flags",
    "Ints",
    "Parts",
    "are_alike",
    "are_there",
    "columns_in",
    "flags",
    "integers",
    "mixed",
]
