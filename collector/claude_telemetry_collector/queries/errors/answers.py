"""Calls that had an answer which is less than was asked for: refused, cut off at its limit, not in the asked form, or
left in the middle."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from claude_telemetry_collector.queries.window import Segment, Window, calls_in
from claude_telemetry_collector.store import Reader

_MOST_ROWS = 50
MOST_REASKS = 3
"""Two or three is the usual bound for asking again with a correction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """How answers ended. All are numbers of calls."""

    calls: int
    """That had an answer."""
    stop_unknown: int
    """Of `calls`: those of which nobody said why the model stopped. They may be refused or cut off too."""
    refused: int
    refused_empty: int
    """Of `refused`: without any content, so that they may be free."""
    truncated: int
    """Ended at `max_tokens`."""
    window_full: int
    """Ended since the model's context window was full."""
    reasked: int
    """Asked once more since an answer did not fit its schema."""
    reasked_often: int
    """Of `reasked`: those beyond `MOST_REASKS`."""
    streams: int
    streams_end_unknown: int
    """Of `streams`: those of which nobody said how they ended."""
    cut: int
    """Streams that ended by the connection or an error."""
    abandoned: int
    """Streams that the application closed, dropped or cancelled before their end."""


_RARE = {
    "refused": "stop_reason = 'refusal'",
    "refused_empty": "stop_reason = 'refusal' AND empty_refusal",
    "truncated": "stop_reason = 'max_tokens'",
    "window_full": "stop_reason = 'model_context_window_exceeded'",
    "reasked": "reask > 0",
    "reasked_often": f"reask > {MOST_REASKS}",
    "cut": "stream_end = 'cut'",
    "abandoned": "stream_end IN ('closed', 'dropped', 'cancelled')",
    "streams": "stream",
    "streams_end_unknown": "stream AND stream_end IS NULL",
    "stop_unknown": "status = 'ok' AND stop_reason IS NULL",
    "calls": "status = 'ok'",
}
"""Each as a condition on a call."""


def answers(reader: Reader, window: Window, segment: Segment) -> Answers:
    """See `Answers`."""
    where, parameters = calls_in(window, segment)
    # Each is counted by itself: a scan for what is rare reads next to nothing, and one for all reads every column.
    counted = ", ".join(
        f"(SELECT count(*) FROM calls WHERE {where} AND {condition}) AS {name}"  # noqa: S608
        for name, condition in _RARE.items()
    )
    return Answers(**reader.ask(f"SELECT {counted}", parameters).to_pylist()[0])


def refusals(reader: Reader, window: Window, segment: Segment) -> pa.Table:
    """Refused calls by policy and model, the most frequent first, at most 50 rows.

    `category` (VARCHAR, the API's word; NULL where none was named), `model`, `calls`, `empty` (BIGINT: without any
    content), `cost_usd` (DECIMAL; NULL where no call has one), `unpriced` (BIGINT), `last_at` (TIMESTAMP), `trace_id`
    and `span_id` of the last one.
    """
    where, parameters = calls_in(window, segment)
    parameters["most"] = _MOST_ROWS
    sql = (
        "SELECT refusal_category AS category, coalesce(model, request_model) AS model, count(*) AS calls,"  # noqa: S608
        " count(*) FILTER (WHERE empty_refusal) AS empty, sum(cost_usd) AS cost_usd,"
        " count(*) FILTER (WHERE cost_usd IS NULL AND billed IS DISTINCT FROM FALSE) AS unpriced,"
        " max(started_at) AS last_at, arg_max(trace_id, started_at) AS trace_id,"
        f" arg_max(span_id, started_at) AS span_id FROM calls WHERE {where} AND stop_reason = 'refusal'"
        " GROUP BY ALL ORDER BY calls DESC, category NULLS LAST, model LIMIT $most"
    )
    return reader.ask(sql, parameters)


def truncations(reader: Reader, window: Window, segment: Segment) -> pa.Table:
    """Answers that ended at `max_tokens`, by feature, model and that limit, the most frequent first, at most 50 rows.

    `feature`, `model` (VARCHAR), `max_tokens` (BIGINT; NULL where it is not known), `calls`, `ended` (BIGINT: all
    answers of that feature, model and limit), `ratio` (DOUBLE), `output_tokens` (BIGINT: of the cut ones; NULL where
    none is known), `cost_usd` (DECIMAL), `last_at`, `trace_id` and `span_id` of the last one.
    """
    where, parameters = calls_in(window, segment)
    parameters["most"] = _MOST_ROWS
    model = "coalesce(model, request_model)"
    sql = (
        f"WITH cut AS (SELECT feature, {model} AS model, max_tokens, count(*) AS calls,"  # noqa: S608
        " try_cast(sum(output_tokens::HUGEINT) AS BIGINT) AS output_tokens, sum(cost_usd) AS cost_usd,"
        " max(started_at) AS last_at, arg_max(trace_id, started_at) AS trace_id,"
        f" arg_max(span_id, started_at) AS span_id FROM calls WHERE {where} AND stop_reason = 'max_tokens'"
        " GROUP BY ALL ORDER BY calls DESC LIMIT $most),"
        f" every AS (SELECT feature, {model} AS model, max_tokens, count(*) AS ended FROM calls"
        f" WHERE {where} AND stop_reason IS NOT NULL GROUP BY ALL)"
        " SELECT cut.feature, cut.model, cut.max_tokens, calls, ended, calls / ended::DOUBLE AS ratio, output_tokens,"
        " cost_usd, last_at, trace_id, span_id FROM cut JOIN every ON cut.feature IS NOT DISTINCT FROM every.feature"
        " AND cut.model IS NOT DISTINCT FROM every.model AND cut.max_tokens IS NOT DISTINCT FROM every.max_tokens"
        " ORDER BY calls DESC, cut.feature NULLS LAST, cut.model, cut.max_tokens"
    )
    return reader.ask(sql, parameters)
