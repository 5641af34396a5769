"""The attributes of calls, attempts and tool uses: each key by its number, and what it is for."""

from __future__ import annotations

from claude_telemetry.record import Attempt, Call, Column, ToolUse, columns_of
from claude_telemetry.record.attributes import DELIVERED, RECORDER_VERSION
from claude_telemetry.record.field import Fact
from claude_telemetry_collector.decode.columnar.pairs import Keys
from claude_telemetry_collector.decode.ours import REPEATED


def _carried(record: type) -> dict[str, Column]:
    return {column.fact.attribute: column for column in columns_of(record) if column.fact.attribute is not None}


CALL, ATTEMPT, TOOL_USE = _carried(Call), _carried(Attempt), _carried(ToolUse)
"""Columns by their attribute."""

ATTRIBUTES = {column.name: attribute for attribute, column in CALL.items()}
"""Attributes by their column."""

DOUBTFUL = (*(ATTRIBUTES[name] for name in ("batch_id", "custom_id", "hops")), "claude.event.name")
"""Of calls that are told within others', or have several answers; and of what is no call. The reference reads them."""

NAMES = tuple(dict.fromkeys((*CALL, *ATTEMPT, *TOOL_USE, *sorted(REPEATED), *DOUBTFUL, RECORDER_VERSION)))
NUMBERS = {name: number for number, name in enumerate(NAMES)}
KEYS = Keys(NAMES)
MARK = NUMBERS[RECORDER_VERSION]

WHOLE = DELIVERED
WHOLE_COLUMN = Column(name="whole", type=bool, optional=False, fact=Fact(DELIVERED, None, "Whether delivery sent it."))
