"""Batches: what became of each, item by item, how long it took, and what asking in a batch saved.

A batch's *items* are calls of their own, told by whoever downloads its results; they began when the batch was created.
Creating and looking at a batch are *errands*: landed, and in no number about calls. Nobody tells that a batch has
ended but its results, so a batch without any is *open*: it may be running, or over and never fetched.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import pyarrow as pa

from claude_telemetry_collector.queries.buckets import buckets
from claude_telemetry_collector.queries.window import Condition, Segment, Window, calls_in, microseconds
from claude_telemetry_collector.queries.zones import UTC_NAME
from claude_telemetry_collector.store import Reader

_MOST_BATCHES = 100
_MOST_ITEMS = 500

_RESULTS_KEPT = timedelta(days=29)
"""Results can be downloaded for so long after a batch was created.
Source: https://platform.claude.com/docs/en/build-with-claude/batch-processing, read 2026-11-20."""

# Every kind of token costs half in a batch, web searches and the time of a session as always (prices.json, modifiers):
# so the half that was paid is the half that was saved.
_SAVED = (
    "CASE WHEN cost_status = 'priced' THEN cost_usd"
    " - CASE WHEN web_search_requests > 0"
    " THEN coalesce(try_cast(cost_breakdown ->> '$.web_search' AS DECIMAL(18, 12)), 0) ELSE 0 END END"
)

_OUTCOME = (
    "CASE WHEN status = 'ok' THEN 'succeeded' WHEN status = 'cancelled' THEN 'canceled'"
    " WHEN error_type = 'batch_expired' THEN 'expired' ELSE 'errored' END"
)
"""As the API calls the types of results."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchTotals:
    """All batches together. Money is exact; `None` where no item has a price."""

    batches: int
    open: int
    """Of `batches`: those without results so far."""
    items: int
    succeeded: int
    errored: int
    expired: int
    canceled: int
    cost_usd: Decimal | None
    unpriced: int
    """Items that may cost something, and of which it is not known what: they add nothing."""
    saved_usd: Decimal | None
    """What the same items would have cost more if they had been asked one by one."""

    @property
    def failed_ratio(self) -> float | None:
        """Errored and expired items over all."""
        return (self.errored + self.expired) / self.items if self.items else None


def batch_totals(reader: Reader, window: Window, segment: Segment) -> BatchTotals:
    """See `BatchTotals`, over the batches that were created in `window`."""
    board, parameters = _board(window, segment)
    sql = (
        f"WITH {board} SELECT count(*) AS batches, count(*) FILTER (WHERE items = 0) AS open,"  # noqa: S608
        + ", ".join(f" coalesce(sum({name}), 0) AS {name}" for name in ("items", *_COUNTED, "unpriced"))
        + ", sum(cost_usd) AS cost_usd, sum(saved_usd) AS saved_usd FROM board"
    )
    return BatchTotals(**reader.ask(sql, parameters).to_pylist()[0])


def batches(reader: Reader, window: Window, segment: Segment) -> pa.Table:
    """The batches that were created in `window`, newest first, at most 100.

    `batch_id`, `created_at` (TIMESTAMP: the earliest that is told of it), `creation_seen` (BOOLEAN: whether the
    creation itself was recorded), `models`, `feature`, `service` (VARCHAR; models separated by commas), `items`,
    `succeeded`, `errored`, `expired`, `canceled`, `unpriced` (BIGINT), `cost_usd`, `saved_usd` (DECIMAL, NULL where no
    item has a price), `looks` (BIGINT: how often it was retrieved), `first_results_at` (TIMESTAMP; NULL when they
    were not fetched, or somebody else's telemetry knows), `took_ms` (BIGINT: from creation to the first fetch),
    `batches` (BIGINT: how many there are).
    """
    board, parameters = _board(window, segment)
    parameters["most"] = _MOST_BATCHES
    sql = (
        f"WITH {board} SELECT *, epoch_ms(first_results_at) - epoch_ms(created_at) AS took_ms,"  # noqa: S608
        " count(*) OVER () AS batches FROM board ORDER BY created_at DESC, batch_id LIMIT $most"
    )
    return reader.ask(sql, parameters)


def batches_over_time(
    reader: Reader, window: Window, segment: Segment, step: timedelta, zone: str = UTC_NAME
) -> pa.Table:
    """The batches of `window` by when they were created: one row per bucket, oldest first, also for those without.

    `bucket` (TIMESTAMP, on the clocks of `zone`), `batches`, `open`, `succeeded`, `errored`, `expired`, `canceled`
    (BIGINT), `failed_ratio` (DOUBLE; NULL without items), `cost_usd`, `saved_usd` (DECIMAL; NULL without a price).
    """
    board, parameters = _board(window, segment)
    steps = buckets(window, step, zone)
    sums = ", ".join(f"sum({name}) AS {name}" for name in _COUNTED)
    shown = ", ".join(f"coalesce({name}, 0) AS {name}" for name in ("batches", "open", *_COUNTED))
    sql = (
        f"WITH {board}, found AS (SELECT {steps.number} AS number, count(*) AS batches,"  # noqa: S608
        f" count(*) FILTER (WHERE items = 0) AS open, {sums}, (sum(errored) + sum(expired)) / nullif(sum(items), 0)"
        " AS failed_ratio, sum(cost_usd) AS cost_usd, sum(saved_usd) AS saved_usd"
        " FROM (SELECT *, created_at AS started_at FROM board) GROUP BY number)"
        f" SELECT bucket, {shown}, failed_ratio, cost_usd, saved_usd"
        f" FROM {steps.every} AS every LEFT JOIN found ON found.number = every.number ORDER BY bucket"
    )
    return reader.ask(sql, parameters | steps.parameters)


def batch_items(
    reader: Reader, window: Window, segment: Segment, batch_id: str, *, outcome: str | None = None
) -> pa.Table:
    """The items of a batch, the ones that did not succeed first, at most 500.

    `custom_id`, `outcome` (`succeeded`, `errored`, `expired`, `canceled`), `error_type`, `model`, `stop_reason`,
    `input_tokens`, `output_tokens` (BIGINT), `cost_usd` (DECIMAL), `trace_id`, `span_id`, `items` (BIGINT: how many).
    """
    where, parameters = calls_in(window, segment)
    parameters |= {"one_batch": batch_id, "most": _MOST_ITEMS}
    kept = "TRUE"
    if outcome is not None:
        kept = "outcome = $one_outcome"
        parameters["one_outcome"] = outcome
    sql = (
        f"SELECT *, count(*) OVER () AS items FROM (SELECT custom_id, {_OUTCOME} AS outcome, error_type,"  # noqa: S608
        " coalesce(model, request_model) AS model, stop_reason, input_tokens, output_tokens, cost_usd, trace_id,"
        f" span_id FROM calls WHERE {where} AND batch_id = $one_batch AND custom_id IS NOT NULL) WHERE {kept}"
        " ORDER BY outcome = 'succeeded', outcome, custom_id LIMIT $most"
    )
    return reader.ask(sql, parameters)


def _board(window: Window, segment: Segment) -> Condition:
    """The batches of `window` as the common table `board`, and its parameters.

    Errands name no model, so that labels that only items have leave batches without items out.
    """
    where, parameters = calls_in(window, segment)
    belongs, _ = segment.where()
    # What is done with a batch is done until its results are gone.
    parameters["errands_end"] = microseconds(window.end + _RESULTS_KEPT)
    sql = (
        f"item AS (SELECT *, {_OUTCOME} AS outcome, {_SAVED} AS saved FROM calls"  # noqa: S608
        f" WHERE {where} AND batch_id IS NOT NULL AND custom_id IS NOT NULL),"
        " created AS (SELECT DISTINCT batch_id FROM calls WHERE batch_id IS NOT NULL AND operation = 'batch_create'"
        f" AND started_at >= make_timestamp($window_start) AND started_at < make_timestamp($window_end) AND {belongs}),"
        f" told AS ({_TOLD}), of_items AS ({_OF_ITEMS}), board AS ({_BOARD})"
    )
    return sql, parameters


_COUNTED = ("succeeded", "errored", "expired", "canceled")

# What errands tell of each batch.
_TOLD = (
    "SELECT batch_id, min(started_at) FILTER (WHERE operation = 'batch_create') AS created_at,"
    " any_value(feature) AS feature, any_value(service) AS service,"
    " count(*) FILTER (WHERE operation = 'batch_retrieve') AS looks,"
    " min(started_at) FILTER (WHERE operation = 'batch_results') AS first_results_at FROM calls"
    " WHERE batch_id IS NOT NULL AND operation IN ('batch_create', 'batch_retrieve', 'batch_results')"
    " AND started_at >= make_timestamp($window_start) AND started_at < make_timestamp($errands_end) GROUP BY batch_id"
)
# What its items tell.
_OF_ITEMS = (
    "SELECT batch_id, min(started_at) AS started_at, count(*) AS items,"  # noqa: S608 - names from here
    " string_agg(DISTINCT coalesce(model, request_model), ', ' ORDER BY coalesce(model, request_model)) AS models,"
    " any_value(feature) AS feature, any_value(service) AS service,"
    + "".join(f" count(*) FILTER (WHERE outcome = '{name}') AS {name}," for name in _COUNTED)
    + " count(*) FILTER (WHERE cost_usd IS NULL AND billed IS DISTINCT FROM FALSE) AS unpriced,"
    " sum(cost_usd) AS cost_usd, sum(saved) AS saved_usd FROM item GROUP BY batch_id"
)
_BOARD = (
    "SELECT batch_id, coalesce(told.created_at, of_items.started_at) AS created_at,"  # noqa: S608 - names from here
    " told.created_at IS NOT NULL AS creation_seen, models, coalesce(of_items.feature, told.feature) AS feature,"
    " coalesce(of_items.service, told.service) AS service,"
    + "".join(f" coalesce({name}, 0) AS {name}," for name in ("items", *_COUNTED, "unpriced"))
    + " cost_usd, saved_usd, coalesce(looks, 0) AS looks, first_results_at"
    " FROM (SELECT batch_id FROM created UNION SELECT batch_id FROM of_items)"
    " LEFT JOIN of_items USING (batch_id) LEFT JOIN told USING (batch_id)"
)
