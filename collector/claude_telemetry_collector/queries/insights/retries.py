"""What retries cost, and whether an application retries as it should.

A failed attempt is not billed: it costs time. What is billed and brings nothing is a call that failed after its answer
had begun, and a question that had to be asked again since its answer did not fit.

The numbers to hold a policy against are those of two production guides for the Claude API, and of the SDK: after a 429
wait 1, 2, 4 seconds with some chance in it, and as long as `retry-after` says; at most 5 retries; a 500 or 529 once; a
request that is wrong never.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from claude_telemetry_collector.queries.insights.finding import (
    COUNT,
    TEXT,
    USD,
    Finding,
    Link,
    columns,
    counted,
    rows_as_table,
)
from claude_telemetry_collector.queries.window import MODEL, Segment, Window, calls_in
from claude_telemetry_collector.store import Reader

MOST_RETRIES = 5
SHORTEST_FIRST_WAIT_MS = 750
"""A second, less the quarter that chance may take off."""
SLACK_MS = 50
"""What clocks and rounding may make of a wait."""
ENOUGH_WAITS = 20

_WRONG = "(400, 401, 403, 404, 413, 422)"
_BUSY = "(500, 502, 503, 504, 529)"


@dataclass(frozen=True, slots=True)
class _Rule:
    """One thing that a policy can do wrong."""

    broken: str
    should: str
    sql: str
    """Whether an attempt breaks it: over the columns of `_TRIED`."""


_RULES = (
    _Rule("a wrong request was sent again", "never", f"next_wait_ms IS NOT NULL AND http_status IN {_WRONG}"),
    _Rule("more than 5 retries", "at most 5", f"attempt = {MOST_RETRIES + 1}"),
    _Rule(
        "a server error was retried more than once",
        "once",
        f"attempt >= 1 AND http_status IN {_BUSY} AND before_status IN {_BUSY} AND next_wait_ms IS NOT NULL",
    ),
    _Rule(
        "sent again sooner than retry-after said",
        "as long as it says",
        f"next_wait_ms < retry_after_ms - {SLACK_MS}",
    ),
    _Rule(
        "less than a second between a 429 and the first retry",
        "1, 2, 4 s",
        f"attempt = 0 AND http_status = 429 AND retry_after_ms IS NULL AND next_wait_ms < {SHORTEST_FIRST_WAIT_MS}",
    ),
)

_GIVEN_UP = f"status = 'error' AND attempts = 1 AND (http_status = 429 OR http_status IN {_BUSY})"
"""The last rule: nothing was tried again. Told by the calls alone."""

_LINT_SCHEMA = columns(
    what=TEXT,
    should_be=TEXT,
    calls=COUNT,
)
_PAID_SCHEMA = columns(
    feature=TEXT,
    model=TEXT,
    failed_calls=COUNT,
    failed_usd=USD,
    asked_again_calls=COUNT,
    asked_again_usd=USD,
)


def retry_policy(reader: Reader, window: Window, segment: Segment) -> Finding:
    """How retries were done, against how they should be; and the time that they took."""
    row = _tried(reader, window, segment)
    rows: list[dict[str, Any]] = [
        {"what": rule.broken, "should_be": rule.should, "calls": row[f"rule_{place}"]}
        for place, rule in enumerate(_RULES)
        if row[f"rule_{place}"]
    ]
    if row["given_up"]:
        what = "given up after one 429 or server error"
        rows.append({"what": what, "should_be": "retry", "calls": row["given_up"]})
    if row["first_waits"] >= ENOUGH_WAITS and row["first_wait_most"] - row["first_wait_least"] <= SLACK_MS:
        rows.append({"what": "all wait equally long", "should_be": "with chance in it", "calls": row["first_waits"]})
    rows.sort(key=lambda found: -int(found["calls"]))
    seconds = (row["lost_ms"] or 0) / 1000
    return Finding(
        name="retry_policy",
        title="How retries are done",
        kind="hint",
        said=f"{counted(row['retried'], 'call was', 'calls were')} retried: {seconds:,.0f} s lost."
        + (f" {len(rows)} of 7 rules broken." if rows else " No rule broken."),
        found=bool(rows),
        why_unknown="A failed attempt is not billed: retries cost time.",
        evidence=rows_as_table(rows, _LINT_SCHEMA),
        assumptions=("The rules are those of production guides; the SDK by itself retries twice.",),
        steps=(
            "Set max_retries of the client to 4 or 5, and let the SDK wait: it heeds retry-after.",
            "Take other retries around the client away: they multiply.",
            "Send what the API calls wrong nowhere but to the log.",
        ),
        links=(
            Link(page="errors", words="Errors, limits, and the time to the next 429", parameters={}),
            Link(page="calls", words="Failed calls", parameters={"outcome": "error"}),
        ),
    )


def paid_for_nothing(reader: Reader, window: Window, segment: Segment) -> Finding:
    """Calls that failed and were billed, and questions that were asked again as their answer did not fit."""
    where, parameters = calls_in(window, segment)
    failed, again = "status = 'error' AND cost_usd > 0", "reask IS NOT NULL AND status <> 'error'"
    sql = (
        f"SELECT feature, {MODEL} AS model, count(*) FILTER (WHERE {failed}) AS failed_calls,"  # noqa: S608
        f" sum(cost_usd) FILTER (WHERE {failed}) AS failed_usd, count(*) FILTER (WHERE {again}) AS asked_again_calls,"
        f" sum(cost_usd) FILTER (WHERE {again}) AS asked_again_usd,"
        f" count(*) FILTER (WHERE ({again} OR status = 'error' AND billed IS NOT FALSE) AND cost_usd IS NULL) AS dark"
        f" FROM calls WHERE {where} AND (status = 'error' OR reask IS NOT NULL) GROUP BY ALL"
    )
    every = reader.ask(sql, parameters).to_pylist()
    rows = [row for row in every if row["failed_calls"] or row["asked_again_calls"]]
    rows.sort(key=lambda row: -_paid(row))
    paid = sum((_paid(row) for row in rows), Decimal(0))
    failed_calls, asked_again = (sum(row[name] for row in rows) for name in ("failed_calls", "asked_again_calls"))
    return Finding(
        name="paid_for_nothing",
        title="Paid for, and of no use",
        said=(
            f"{counted(failed_calls, 'call', 'calls')} failed and cost money; {counted(asked_again, 'call', 'calls')} "
            "asked again for an answer that fits its schema."
            if rows
            else "No failed call was billed, and no question was asked again."
        ),
        found=bool(rows),
        saved_usd=paid,
        bound="at_most",
        evidence=rows_as_table([{name: row[name] for name in _PAID_SCHEMA.names} for row in rows], _PAID_SCHEMA),
        assumptions=("What a failed call had answered was of no use, and the first answer could have been right.",),
        steps=(
            "Of streams that were cut: keep what came, and go on from there.",
            "Of answers that do not fit: give the schema as a tool with strict input, and an example.",
            "Ask again two or three times at most.",
        ),
        left_out=sum(row["dark"] for row in every),
        why_left_out="failed, and nobody saw whether they were billed",
        links=(Link(page="calls", words="Failed calls", parameters={"outcome": "error"}),),
    )


def _paid(row: Mapping[str, Any]) -> Decimal:
    return (row["failed_usd"] or Decimal(0)) + (row["asked_again_usd"] or Decimal(0))


def _tried(reader: Reader, window: Window, segment: Segment) -> dict[str, Any]:
    where, parameters = calls_in(window, segment)
    broken = ", ".join(f"bool_or({rule.sql}) AS rule_{place}" for place, rule in enumerate(_RULES))
    rules = ", ".join(f"count(*) FILTER (WHERE rule_{place}) AS rule_{place}" for place in range(len(_RULES)))
    first_wait = "CASE WHEN attempt = 0 AND http_status = 429 AND retry_after_ms IS NULL THEN next_wait_ms END"
    sql = (
        "WITH retried AS (SELECT trace_id, span_id FROM calls"  # noqa: S608
        f" WHERE {where} AND attempts > 1),"
        " tried AS (SELECT a.trace_id, a.span_id, a.attempt, a.http_status, a.retry_after_ms, a.duration_ms,"
        " lead(a.wait_ms) OVER every_call AS next_wait_ms, lag(a.http_status) OVER every_call AS"
        " before_status FROM attempts a JOIN retried r ON a.trace_id = r.trace_id AND a.span_id = r.span_id"
        " WHERE a.started_at >= make_timestamp($window_start)"
        " WINDOW every_call AS (PARTITION BY a.trace_id, a.span_id ORDER BY a.attempt)),"
        f" told AS (SELECT {broken}, sum(CASE WHEN next_wait_ms IS NOT NULL THEN"
        f" coalesce(duration_ms, 0) + next_wait_ms END) AS lost_ms, max({first_wait}) AS first_wait FROM tried"
        " GROUP BY trace_id, span_id)"
        f" SELECT {rules}, count(*) AS retried, sum(lost_ms)::BIGINT AS lost_ms,"
        " count(first_wait) AS first_waits, min(first_wait) AS first_wait_least, max(first_wait) AS first_wait_most"
        " FROM told"
    )
    row: dict[str, Any] = reader.ask(sql, parameters).to_pylist()[0]
    given_up = f"SELECT count(*) AS given_up FROM calls WHERE {where} AND {_GIVEN_UP}"  # noqa: S608
    return row | reader.ask(given_up, parameters).to_pylist()[0]
