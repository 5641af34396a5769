"""What is read as columns, held against what the reference reads of the same bodies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from claude_telemetry.record import Call, columns_of
from claude_telemetry_collector.decode import Decoded, LandedCall, decode
from claude_telemetry_collector.decode.columnar import Body, Columns, Parts, columns_in
from claude_telemetry_collector.store.arrow import json_text, stored, values_of
from claude_telemetry_collector.store.pieces import BESIDE

Key = tuple[str, str]
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of some bodies."""

    as_columns: int
    """Calls that were read as columns."""
    as_told: int
    """Calls that were left to the reference."""
    cells: int
    differing: Sequence[str]
    """What is wrong, if anything is."""


def judged(bodies: Sequence[Body]) -> Verdict:
    """Reads `bodies`, which protobuf's parser reads, both ways."""
    reference = [decode("traces", "protobuf", *body) for body in bodies]
    columns, others = columns_in(bodies)
    rest = [decode("traces", "protobuf", *body) for body in others]
    wanted = {_key(call): call for one in reference for call in one.calls}
    found = _rows(columns) if columns is not None else {}
    left = {_key(call) for one in rest for call in one.calls}
    differing = [f"{key} is missing" for key in wanted.keys() - found.keys() - left]
    differing += [f"{key} is too many" for key in (found.keys() | left) - wanted.keys()]
    differing += [f"{key} is there twice" for key in found.keys() & left]
    cells = 0
    for key in found.keys() & wanted.keys():
        told = _row(wanted[key])
        cells += len(told)
        differing += [
            f"{key} {name}: {found[key].get(name)!r}, not {value!r}"
            for name, value in told.items()
            if found[key].get(name) != value
        ]
    differing += [f"{name} differ" for name in _OTHERS if _others(reference, name) != _others(rest, name)]
    return Verdict(as_columns=len(found), as_told=len(left), cells=cells, differing=differing)


_OTHERS = ("parts", "links", "tool_runs", "events", "ignored", "refused")


def _others(decoded: Sequence[Decoded], name: str) -> list[str]:
    values = [getattr(one, name) for one in decoded]
    if name in ("ignored", "refused"):
        return [str(sum(values))]
    return sorted(str(one) for value in values for one in value)


def _rows(columns: Columns) -> dict[Key, Row]:
    rows = columns.calls.to_pylist()
    parts = {"attempts": _parts(columns.attempts, "attempt"), "tool_uses": _parts(columns.tool_uses, "position")}
    found: dict[Key, Row] = {}
    for number, row in enumerate(rows):
        held = {f"{name} {place}": part for name, of in parts.items() for place, part in of.get(number, {}).items()}
        counts = {name: len(of.get(number, {})) for name, of in parts.items()}
        found[row["trace_id"], row["span_id"]] = (
            row | held | {f"number of {name}": count for name, count in counts.items()}
        )
    return found


def _parts(parts: Parts, number: str) -> dict[int, dict[int, Row]]:
    found: dict[int, dict[int, Row]] = {}
    for row, call in zip(parts.table.to_pylist(), parts.call.tolist(), strict=True):
        place = row.pop(number)
        found.setdefault(call, {})[place] = {name: value for name, value in row.items() if value is not None}
    return found


def _row(call: LandedCall) -> dict[str, Any]:
    row = {name: values[0] for name, values in values_of([call.record.call], Call).items()}
    assert len(row) == len(columns_of(Call))
    row |= {"source": call.source, "attributes": json_text(call.attributes), "whole": call.whole}
    row |= {"received_at": stored(call.received_at)} | {name: getattr(call, name) for name in BESIDE}
    for name in ("attempts", "tool_uses"):
        parts = getattr(call.record, name)
        row[f"number of {name}"] = len(parts)
        row |= {f"{name} {place}": _part(part) for place, part in enumerate(parts)}
    return row


def _part(part: Any) -> Row:
    told = {field.name: getattr(part, field.name) for field in fields(part)}
    if "started_at" in told:
        told["started_at"] = stored(told["started_at"])
    return {name: value for name, value in told.items() if value is not None}


def _key(call: LandedCall) -> Key:
    return call.record.call.trace_id, call.record.call.span_id
