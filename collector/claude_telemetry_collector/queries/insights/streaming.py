"""Streams that are not worth it, and long answers that should have been streams."""

from __future__ import annotations

from claude_telemetry_collector.queries.insights.finding import (
    COUNT,
    NUMBER,
    TEXT,
    Finding,
    Link,
    columns,
    counted,
    rows_as_table,
)
from claude_telemetry_collector.queries.window import MODEL, Segment, Window, calls_in
from claude_telemetry_collector.store import Reader

NEAR_A_TIMEOUT_MS = 60_000
"""Production guides set timeouts of 60 to 120 s; proxies on the way often cut a silent connection after 60 s too. The
SDK itself refuses to wait more than 10 minutes without a stream."""
SMALL_ANSWER = 32
"""Tokens that come within a second: nobody reads along. A threshold of our own."""
ENOUGH_CALLS = 20
SHARE = 0.01
"""One call in a hundred that comes near a timeout is a habit; half of the answers being small is one, too."""
HALF = 0.5

_SCHEMA = columns(
    what=TEXT,
    feature=TEXT,
    model=TEXT,
    calls=COUNT,
    ratio=NUMBER,
    timed_out=COUNT,
    duration_p95_ms=NUMBER,
    output_p50_tokens=NUMBER,
)


def streaming(reader: Reader, window: Window, segment: Segment) -> Finding:
    """Features that wait a minute or more without a stream, and features that stream a few words."""
    where, parameters = calls_in(window, segment)
    streams = "(stream IS TRUE OR ttft_ms IS NOT NULL)"
    slow = f"(duration_ms >= {NEAR_A_TIMEOUT_MS} OR error_type = 'timeout')"
    sql = (
        f"SELECT feature, {MODEL} AS model, {streams} AS streams, count(*) AS calls,"  # noqa: S608
        f" count(*) FILTER (WHERE {slow}) AS slow, count(*) FILTER (WHERE error_type = 'timeout') AS timed_out,"
        f" count(*) FILTER (WHERE output_tokens <= {SMALL_ANSWER}) AS small,"
        " quantile_cont(duration_ms, 0.95) AS duration_p95_ms, quantile_cont(output_tokens, 0.5) AS output_p50_tokens"
        f" FROM calls WHERE {where} AND status IN ('ok', 'error') AND custom_id IS NULL"
        f" GROUP BY ALL HAVING count(*) >= {ENOUGH_CALLS} ORDER BY calls DESC, feature, {MODEL}, streams"
    )
    rows: list[dict[str, object]] = []
    for row in reader.ask(sql, parameters).to_pylist():
        shown = {name: row[name] for name in _SCHEMA.names if name in row}
        if not row["streams"] and row["slow"] / row["calls"] >= SHARE:
            rows.append({"what": "a minute or more without a stream", **shown, "ratio": row["slow"] / row["calls"]})
        if row["streams"] and row["small"] / row["calls"] >= HALF:
            rows.append({"what": "a stream of a few words", **shown, "ratio": row["small"] / row["calls"]})
    return Finding(
        name="streaming",
        title="Streams where they help, and not where they do not",
        kind="hint",
        said=(
            f"{counted(len(rows), 'feature', 'features')} would be better off the other way."
            if rows
            else "What streams is worth it, and what does not is quick."
        ),
        found=bool(rows),
        why_unknown="A stream costs what an answer in one piece costs: it is about timeouts and simpler code.",
        evidence=rows_as_table(rows, _SCHEMA),
        steps=(
            "Stream what takes long: the connection stays awake, and what came before a break can be kept.",
            "messages.stream(...) has get_final_message() for who wants the answer in one piece.",
            "Where an answer is a word or two, messages.create is simpler and as fast.",
        ),
        links=(Link(page="latency", words="Latency", parameters={}),),
    )
