"""Copies of one call: which of them lands, and where to look for one that is there.

An application's own exporter may send the span of a call that our delivery sends as well, and what is told within the
body of another call (a batch's result, a session's event) is told by everybody who reads that body. All copies have the
same ids. The copy that knows most stays, and of two that know as much the first.
"""

from __future__ import annotations

from datetime import timedelta

from claude_telemetry.record import Call
from claude_telemetry.record.identity import AGENT_MODEL_REQUEST
from claude_telemetry_collector.decode import LandedCall

Rank = tuple[bool, ...]
"""How much a copy knows: more when it is greater."""

RANK_SQL = "whole IS TRUE, cost_usd IS NOT NULL"
"""The rank of a row of `calls`, in columns."""

PART_RANK_SQL = "whole IS TRUE, priced IS TRUE"
"""The rank of a row of `call_parts`."""

SAME_CALL = timedelta(minutes=1)
"""A span that the SDK started begins a little later than its call: by microseconds, unless the process had to wait."""
_TOLD_AGAIN = timedelta(days=32)
"""Results can be downloaded for 29 days, and a batch takes one at the most. A reader who has not asked when the batch
was created puts them at the time of reading."""


def rank_of(call: LandedCall) -> Rank:
    """What our delivery sends is all there is to know. Of what others read, some readers know the price."""
    return call.whole, call.record.call.cost_usd is not None


def reach_of(call: Call) -> timedelta:
    """How far apart the starts of two copies of `call` may be."""
    told_within_another = call.custom_id is not None or call.operation == AGENT_MODEL_REQUEST
    return _TOLD_AGAIN if told_within_another else SAME_CALL
