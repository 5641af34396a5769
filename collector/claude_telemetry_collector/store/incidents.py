"""What becomes of the alert rules, as it is stored: incidents, the notices about them, and each rule's last reading.

An *incident* is a rule that is broken, from when to when. A *notice* is what people are told about it: one when it
opens, one when it closes, on every channel. `incident_log` keeps them, `queries` reads them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

from claude_telemetry_collector.store.arrow import stored

Direction = Literal["above", "below"]
ClosedWhy = Literal["within", "no_calls", "rule_off"]
Told = Literal["opened", "closed"]
State = Literal["within", "beyond", "too_few_calls", "unknown", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One row of `incidents`. Times are UTC, values in the metric's unit, `None` where there was nothing to read."""

    incident_id: str
    rule: str
    title: str
    """The rule's, as it was called when it opened."""
    metric: str
    segment: Mapping[str, str]
    """The labels that its calls share; empty for all calls."""
    window_s: int | None
    """The rule's window in seconds; `None` for the UTC day so far."""
    direction: Direction
    threshold: Decimal
    opened_at: datetime
    value: Decimal | None
    """The reading that opened it."""
    calls: int
    unknown: int
    worst: Decimal | None
    """The reading furthest beyond the threshold so far."""
    trace_id: str | None
    """The one call that the worst reading is about, for a rule about single calls."""
    span_id: str | None
    last_value: Decimal | None
    last_calls: int
    last_unknown: int
    looked_at: datetime
    looks_within: int
    """How many looks in a row have found it within the threshold."""
    closed_at: datetime | None = None
    closed_why: ClosedWhy | None = None
    unpriced: int | None = None
    """Of money: how many of the unknown, when it opened, had no price at all. `None` for what is no money, and where
    it was not written down yet."""
    unpriced_usd: Decimal | None = None
    """What they were counted with, which is part of `value`; `None` when they added nothing."""
    last_unpriced: int | None = None
    last_unpriced_usd: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What is still to be told about an incident on one channel."""

    notice_id: str
    told: Told
    channel: str
    created_at: datetime
    tries: int
    """How often it has failed."""
    next_try_at: datetime
    incident: Incident


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleState:
    """One row of `rule_states`: a rule, and what it came to when it was last looked at."""

    rule: str
    title: str
    metric: str
    segment: Mapping[str, str]
    window_s: int | None
    direction: Direction
    threshold: Decimal
    min_calls: int
    value: Decimal | None
    calls: int
    unknown: int
    state: State
    looked_at: datetime
    unpriced: int | None = None
    """As of an incident."""
    unpriced_usd: Decimal | None = None


TABLES: tuple[str, ...] = (
    """CREATE TABLE IF NOT EXISTS incidents (
        incident_id VARCHAR NOT NULL, rule VARCHAR NOT NULL, title VARCHAR NOT NULL, metric VARCHAR NOT NULL,
        segment VARCHAR NOT NULL, window_s BIGINT, direction VARCHAR NOT NULL, threshold DECIMAL(38, 12) NOT NULL,
        opened_at TIMESTAMP NOT NULL, value DECIMAL(38, 12), calls BIGINT NOT NULL, unknown BIGINT NOT NULL,
        worst DECIMAL(38, 12), trace_id VARCHAR, span_id VARCHAR, last_value DECIMAL(38, 12),
        last_calls BIGINT NOT NULL, last_unknown BIGINT NOT NULL, looked_at TIMESTAMP NOT NULL,
        looks_within INTEGER NOT NULL, closed_at TIMESTAMP, closed_why VARCHAR)""",
    """CREATE TABLE IF NOT EXISTS notices (
        notice_id VARCHAR NOT NULL, incident_id VARCHAR NOT NULL, told VARCHAR NOT NULL, channel VARCHAR NOT NULL,
        state VARCHAR NOT NULL, created_at TIMESTAMP NOT NULL, tries INTEGER NOT NULL,
        next_try_at TIMESTAMP NOT NULL, settled_at TIMESTAMP, trouble VARCHAR)""",
    """CREATE TABLE IF NOT EXISTS rule_states (
        rule VARCHAR NOT NULL, title VARCHAR NOT NULL, metric VARCHAR NOT NULL, segment VARCHAR NOT NULL,
        window_s BIGINT, direction VARCHAR NOT NULL, threshold DECIMAL(38, 12) NOT NULL, min_calls BIGINT NOT NULL,
        value DECIMAL(38, 12), calls BIGINT NOT NULL, unknown BIGINT NOT NULL, state VARCHAR NOT NULL,
        looked_at TIMESTAMP NOT NULL)""",
    *(
        f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {column}"
        for table, columns in {
            "incidents": (
                "unpriced BIGINT",
                "unpriced_usd DECIMAL(38, 12)",
                "last_unpriced BIGINT",
                "last_unpriced_usd DECIMAL(38, 12)",
            ),
            "rule_states": ("unpriced BIGINT", "unpriced_usd DECIMAL(38, 12)"),
        }.items()
        for column in columns
    ),
)
"""The tables, as DDL, and the columns that they have got since.

A notice's `state` is `pending`, `sent` or `given_up`."""

INCIDENT_COLUMNS = ", ".join(field.name for field in fields(Incident))
RULE_STATE_COLUMNS = ", ".join(field.name for field in fields(RuleState))


def incident_from(row: Mapping[str, Any]) -> Incident:
    """The incident that a row of `incidents` is."""
    return Incident(**{field.name: _fact(field.name, row[field.name]) for field in fields(Incident)})


def rule_state_from(row: Mapping[str, Any]) -> RuleState:
    """The rule that a row of `rule_states` is."""
    return RuleState(**{field.name: _fact(field.name, row[field.name]) for field in fields(RuleState)})


def notice_from(row: Mapping[str, Any]) -> Notice:
    """The notice that a row of `notices` is, joined with the row of its incident."""
    own = {field.name: _fact(field.name, row[field.name]) for field in fields(Notice) if field.name != "incident"}
    return Notice(**own, incident=incident_from(row))


def row_of(fact: Incident | RuleState) -> dict[str, object]:
    """The row of a table that `fact` is: what `incident_from` and `rule_state_from` read."""
    return {field.name: _bound(getattr(fact, field.name)) for field in fields(fact)}


def _fact(name: str, value: Any) -> Any:
    if name == "segment":
        return json.loads(value)
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


def _bound(value: object) -> object:
    if isinstance(value, datetime):
        return stored(value)
    return json.dumps(value, sort_keys=True) if isinstance(value, Mapping) else value
