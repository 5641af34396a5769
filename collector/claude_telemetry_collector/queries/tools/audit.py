"""Every run of a tool, as a list to look through: who ran what, when, for which call, and what became of it."""

from __future__ import annotations

import pyarrow as pa

from claude_telemetry_collector.queries.tools.runs_in import runs_in
from claude_telemetry_collector.queries.window import Segment, Window
from claude_telemetry_collector.store import Reader

_SEARCHED = ("name", "tool_use_id", "error_type", "user_id", "session_id", "feature", "service")
_SHOWN = (
    "started_at",
    "duration_ms",
    "name",
    "outcome",
    "error_type",
    "tool_use_id",
    "feature",
    "user_id",
    "session_id",
    "service",
    "environment",
    "trace_id",
    "span_id",
    "call_trace_id",
    "call_span_id",
)


def tool_runs(
    reader: Reader,
    window: Window,
    segment: Segment,
    *,
    name: str | None = None,
    outcome: str | None = None,
    search: str | None = None,
    limit: int = 200,
) -> pa.Table:
    """The runs of `window` and `segment`, newest first, at most `limit`: the facts of a run, `call_trace_id` and
    `call_span_id` of the call that asked for it (NULL where nobody says which), `found` (BIGINT: how many there are).

    `search` is looked for in names and ids, whatever its case, as it stands: it has no wildcards.
    """
    runs, parameters = runs_in(window, segment)
    conditions = ["TRUE"]
    for column, value in (("name", name), ("outcome", outcome)):
        if value is not None:
            conditions.append(f"{column} = $run_{column}")
            parameters[f"run_{column}"] = value
    if search:
        places = ", ".join(f"lower({column})" for column in _SEARCHED)
        conditions.append(f"contains(concat_ws(chr(10), {places}), lower($search))")
        parameters["search"] = search
    parameters["most"] = limit
    sql = (
        f"WITH {runs} SELECT {', '.join(_SHOWN)}, count(*) OVER () AS found FROM run"  # noqa: S608
        f" WHERE {' AND '.join(conditions)} ORDER BY started_at DESC, trace_id, span_id LIMIT $most"
    )
    return reader.ask(sql, parameters)
