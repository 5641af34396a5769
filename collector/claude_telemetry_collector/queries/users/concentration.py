"""How much of it a few take."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from claude_telemetry_collector.queries.users.ranking import Who
from claude_telemetry_collector.queries.window import Segment, Window, calls_in
from claude_telemetry_collector.store import Reader

TOP = 10
_MOST_FOR_HALF = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Concentration:
    """Users or sessions, and how cost and calls are spread over them. Shares are of all calls and their cost, those
    without a user or session too, from 0 to 1; `None` where there is nothing to share."""

    who: Who
    number: int
    """How many different ones there are."""
    calls: int
    unnamed: int
    """Of `calls`: those without one."""
    cost_usd: Decimal | None
    """Of all calls, at list price."""
    unpriced: int
    """Of `calls`: those that may cost something, and of which it is not known what."""
    top_cost_ratio: float | None
    """The part of the cost that the ten dearest take."""
    top_calls_ratio: float | None
    """The part of the calls that the ten most frequent take."""
    half: int | None
    """How few of them take half of the cost, the dearest first; `None` where a thousand do not, such as when most calls
    are without one."""


def concentration(reader: Reader, window: Window, segment: Segment, who: Who) -> Concentration:
    """See `Concentration`."""
    where, parameters = calls_in(window, segment)
    parameters |= {"top": TOP, "most": _MOST_FOR_HALF}
    sql = (
        f"WITH each AS (SELECT {who} AS who, count(*) AS calls, sum(cost_usd) AS cost_usd,"  # noqa: S608
        " count(*) FILTER (WHERE cost_usd IS NULL AND billed IS DISTINCT FROM FALSE) AS unpriced"
        f" FROM calls WHERE {where} GROUP BY who),"
        " whole AS (SELECT coalesce(sum(calls), 0) AS calls, sum(cost_usd) AS cost_usd,"
        " coalesce(sum(unpriced), 0) AS unpriced, count(who) AS number,"
        " coalesce(sum(calls) FILTER (WHERE who IS NULL), 0) AS unnamed FROM each),"
        " dearest AS (SELECT cost_usd, sum(cost_usd) OVER in_order AS so_far, row_number() OVER in_order AS place"
        " FROM (SELECT who, cost_usd FROM each WHERE who IS NOT NULL ORDER BY cost_usd DESC NULLS LAST, who"
        " LIMIT $most)"
        " WINDOW in_order AS (ORDER BY cost_usd DESC NULLS LAST, who ROWS UNBOUNDED PRECEDING)),"
        " busiest AS (SELECT calls FROM each WHERE who IS NOT NULL ORDER BY calls DESC, who LIMIT $top)"
        " SELECT number, calls, unnamed, cost_usd, unpriced,"
        " (SELECT sum(cost_usd) FROM dearest WHERE place <= $top)::DOUBLE / nullif(cost_usd::DOUBLE, 0)"
        " AS top_cost_ratio, (SELECT sum(calls) FROM busiest)::DOUBLE / nullif(calls, 0) AS top_calls_ratio,"
        " (SELECT min(place) FROM dearest WHERE so_far >= whole.cost_usd / 2 AND whole.cost_usd > 0) AS half FROM whole"
    )
    return Concentration(who=who, **reader.ask(sql, parameters).to_pylist()[0])
