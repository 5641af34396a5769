"""The attempts of calls that did not go well at once, as SQL: the ground on which retries are judged."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from claude_telemetry_collector.queries.attempts import RETRIES
from claude_telemetry_collector.queries.window import Condition, Segment, Window, calls_in, microseconds
from claude_telemetry_collector.store import Reader

NEWEST = 10_000
"""How many troubled calls are looked at where each attempt is held against the one before: more take longer, and say
the same."""

_LONGEST_CALL = timedelta(days=1)

AGAIN = "asked > 1 AND attempt < asked - 1"
"""An attempt that was followed by another."""

HOPELESS = "http_status BETWEEN 400 AND 499 AND http_status NOT IN (408, 409, 429)"
"""An answer that the same question gets again: the statuses that the SDK does not retry."""

UNSEEN = "http_status IS NULL AND error_type IN ('client_timeout_error', 'connection_error')"
"""An attempt whose answer nobody saw. The API may have worked on it, and billed it."""

_FAILED = "(http_status IS NULL OR http_status >= 400)"


def retried_in(window: Window, segment: Segment) -> Condition:
    """`WITH` and the attempts of the retried calls of `window` and `segment`, as `retried`, and the parameters.

    The facts of an attempt, and of its call `status`, `asked` (how many attempts it took), `cost_usd`.
    """
    where, parameters = calls_in(window, segment)
    parameters |= _bounds(window)
    return f"WITH {_asking(where, 'attempts > 1')}, retried AS ({_ATTEMPTS})", parameters


def newest_tries_in(reader: Reader, window: Window, segment: Segment) -> Condition:
    """`WITH` and the attempts of the newest calls of `window` and `segment` that were retried or failed, as `tries`,
    and the parameters.

    As `retried_in`, and `waited_ms`: the pause after it, before the next one. A call that failed at its only attempt
    stands for that.
    """
    window = _since_the_newest(reader, window, segment)
    where, parameters = calls_in(window, segment)
    parameters |= _bounds(window)
    sql = (
        f"WITH {_asking(where, _TROUBLED)}, retried AS ({_ATTEMPTS}),"  # noqa: S608
        " tries AS (SELECT *, lead(wait_ms) OVER (PARTITION BY trace_id, span_id ORDER BY attempt) AS waited_ms"
        " FROM retried UNION ALL BY NAME SELECT trace_id, span_id, status, asked, cost_usd, 0 AS attempt,"
        " started AS started_at, call_ms AS duration_ms, call_status AS http_status, call_error AS error_type,"
        " FROM asking WHERE asked = 1)"
    )
    return sql, parameters


def _since_the_newest(reader: Reader, window: Window, segment: Segment) -> Window:
    """The end of `window` in which the newest troubled calls are. Found by their times alone, so that nothing else has
    to be read of all that are older."""
    where, parameters = calls_in(window, segment)
    sql = (
        f"SELECT min(started_at) AS since FROM (SELECT started_at FROM calls WHERE {where} AND {_TROUBLED}"  # noqa: S608
        " ORDER BY started_at DESC LIMIT $newest)"
    )
    since: datetime | None = reader.ask(sql, parameters | {"newest": NEWEST}).to_pylist()[0]["since"]
    return window if since is None else Window(since.replace(tzinfo=UTC), window.end)


_TROUBLED = f"(attempts > 1 OR (attempts = 1 AND status = 'error' AND {_FAILED}))"


def _asking(where: str, troubled: str) -> str:
    return (
        "asking AS MATERIALIZED (SELECT trace_id, span_id, status, started_at AS started, attempts AS asked, cost_usd,"  # noqa: S608
        " duration_ms AS call_ms, http_status AS call_status, error_type AS call_error"
        f" FROM calls WHERE {where} AND {troubled})"
    )


# Rows, and not the view over all attempts: a retried call has a row for each of its own. What went well is left out
# before it is looked up, and the bounds on the start change nothing but the speed: an attempt starts within its call.
_ATTEMPTS = (
    "SELECT trace_id, span_id, status, asked, cost_usd, attempt, started_at, duration_ms, http_status, error_type,"  # noqa: S608
    f" wait_ms, retry_after_ms FROM (SELECT * FROM asking WHERE asked > 1) JOIN {RETRIES}"
    " USING (trace_id, span_id)"
    f" WHERE (attempt > 0 OR {_FAILED}) AND started_at >= make_timestamp($tries_start)"
    " AND started_at < make_timestamp($tries_end)"
)


def _bounds(window: Window) -> dict[str, object]:
    return {"tries_start": microseconds(window.start), "tries_end": microseconds(window.end + _LONGEST_CALL)}
