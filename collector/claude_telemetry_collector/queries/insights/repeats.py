"""The same question asked again within a day, whose first answer an application could have kept.

What calls asked is not recorded. Where an application marks its last message for the cache, the fingerprint of the last
mark covers the whole prompt up to it, and what comes after it is counted: those few tokens are what the API itself puts
at the end of a prompt. So two such calls with one fingerprint asked the same. Of calls without such a mark nobody can
know, and they are counted.
"""

from __future__ import annotations

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

MOST_AFTER_THE_MARK = 16
"""Uncached tokens of a call whose last mark is at its end: three to ten were seen. A threshold of our own."""

_TOLD = "(coalesce(cache_fingerprints, '') <> '' AND input_tokens IS NOT NULL)"
_TO_THE_END = (
    f"({_TOLD} AND input_tokens <= {MOST_AFTER_THE_MARK}"
    " AND coalesce(cache_read_tokens, 0) + coalesce(cache_write_tokens, 0) > 0)"
)
_ALIKE = (
    f"list_last(string_split(cache_fingerprints, ',')), {MODEL}, message_count, input_tokens, max_tokens, temperature,"
    " effort, thinking"
)
_SCHEMA = columns(
    feature=TEXT,
    model=TEXT,
    questions=COUNT,
    repeats=COUNT,
    most_of_one=COUNT,
    saves_usd=USD,
)


def repeats(reader: Reader, window: Window, segment: Segment) -> Finding:
    """Calls whose whole prompt was asked before on the same UTC day, with the same settings, and answered."""
    rows, those = _again(reader, window, segment), _those(reader, window, segment)
    told = those["told"]
    return Finding(
        name="repeats",
        title="The same question asked again",
        said=(
            f"{counted(sum(row['repeats'] for row in rows), 'call', 'calls')} asked what was asked before on that day."
            if rows
            else f"Of {told:,} calls whose whole question is fingerprinted, none was asked twice on one day."
            if told
            else "No call tells a fingerprint of its whole question."
        ),
        found=bool(rows),
        saved_usd=sum((row["saves_usd"] for row in rows), Decimal(0)) if told else None,
        bound="at_most",
        why_unknown="" if told else "What calls asked is not recorded, and none marks its last message for the cache.",
        evidence=rows_as_table(rows, _SCHEMA),
        assumptions=(
            "An answer of the same day would have done.",
            "Where each answer should differ, as at a temperature above zero, less is saved.",
            "A prompt with the time written into it is another one each time.",
        ),
        steps=(
            "Keep the answer in the application, by the whole request, for as long as it stays true.",
            "Look for callers that ask twice by mistake: a double click, a job that runs on two machines.",
        ),
        left_out=those["calls"] - told,
        why_left_out="have no fingerprint of their whole question, so that nobody can know whether it was asked before",
        links=(Link(page="calls", words="Calls", parameters={}),),
    )


def _again(reader: Reader, window: Window, segment: Segment) -> list[dict[str, Any]]:
    """By feature and model, what was asked more than once."""
    where, parameters = calls_in(window, segment)
    sql = (
        f"WITH same AS (SELECT feature, {MODEL} AS model, count(*) AS asked,"  # noqa: S608
        " sum(cost_usd) - arg_min(cost_usd, started_at) AS paid_again"
        f" FROM calls WHERE {where} AND status = 'ok' AND cost_usd IS NOT NULL AND {_TO_THE_END}"
        f" GROUP BY feature, {_ALIKE}, started_at::DATE HAVING count(*) > 1)"
        " SELECT feature, model, count(*) AS questions, (sum(asked) - count(*))::BIGINT AS repeats,"
        " max(asked) AS most_of_one, sum(paid_again)::DECIMAL(38, 12) AS saves_usd FROM same GROUP BY feature, model"
        " ORDER BY saves_usd DESC, feature, model"
    )
    return reader.ask(sql, parameters).to_pylist()


def _those(reader: Reader, window: Window, segment: Segment) -> dict[str, int]:
    """How many calls were answered, and of how many of them the whole question is told."""
    where, parameters = calls_in(window, segment)
    sql = (
        f"SELECT count(*) AS calls, count(*) FILTER (WHERE {_TO_THE_END}) AS told FROM calls"  # noqa: S608
        f" WHERE {where} AND status = 'ok'"
    )
    row: dict[str, int] = reader.ask(sql, parameters).to_pylist()[0]
    return row
