"""How near the rate limits are, as far as refusals tell.

Anthropic names its limits in the headers of answers, which belong to an account and not to a call: they are metrics of
the application (`claude.rate_limit.*`), and not landed. What landed calls tell is at which *pace* the API said no: the
calls and tokens of a model in the minutes that had a 429. That pace, in the middle of those minutes, is taken for the
limit. Without a 429 nothing is known of it, and neither where minutes without one have gone faster: then it was another
kind of limit that was reached.

Limits hold for what an organization sends, all applications together. Calls that telemetry does not see are missing
from a pace, so that the limit seems lower than it is, by the same part at all times.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from claude_telemetry_collector.queries.attempts import RETRIES
from claude_telemetry_collector.queries.window import MODEL, Segment, Window, calls_in, microseconds
from claude_telemetry_collector.store import Reader

LimitKind = Literal["requests", "input_tokens", "output_tokens"]

MINUTES_OF_PACE = 5
"""The pace of now is the mean of so many minutes, the last ones of those that are looked at."""
RISING = 1.05
"""A pace that grows by less than a twentieth over the minutes that are looked at is steady."""
_MOST_MODELS = 20
_MINUTE_US = 60_000_000
_LOOKED_BACK = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Headroom:
    """One kind of limit of one model: the pace of now beside the pace at which the API has said no."""

    model: str | None
    kind: LimitKind
    hits: int
    """429s in the window, retried ones too."""
    hit_minutes: int
    """The minutes that had one: what the limit is inferred from."""
    last_hit_at: datetime | None
    pace: float
    """A minute, now."""
    at_hits: float | None
    """The pace in the middle of the minutes with a 429. `None` without one, or without known tokens."""
    lowest: float | None
    highest: float | None
    """The slowest and the fastest of those minutes."""
    calm: float | None
    """The pace that all but a hundredth of the minutes without a 429 stayed under."""
    slope: float
    """By how much the pace grows each minute, over the minutes that are looked at."""

    @property
    def limit(self) -> float | None:
        """A minute, as inferred. `None` when nothing tells of it."""
        return None if self.calm is not None and self.at_hits is not None and self.calm > self.at_hits else self.at_hits

    @property
    def used(self) -> float | None:
        """The pace of now as a share of the limit."""
        return None if not self.limit else self.pace / self.limit

    @property
    def minutes_left(self) -> float | None:
        """Until the next 429 if the pace goes on growing as it does: 0 when it is there, `None` when it does not grow
        or when no limit is known."""
        if not self.limit:
            return None
        if self.pace >= self.limit:
            return 0.0
        rising = self.slope > 0 and self.pace + self.slope * MINUTES_OF_PACE > self.pace * RISING
        return (self.limit - self.pace) / self.slope if rising else None


_MEASURES: Mapping[LimitKind, str] = {
    "requests": "sum(greatest(coalesce(attempts, 1), 1))",
    # What is read from a cache does not count towards the limit of most models.
    # Source: https://platform.claude.com/docs/en/api/rate-limits, read 2026-11-20.
    "input_tokens": "sum(input_tokens::HUGEINT + coalesce(cache_write_tokens, 0)::HUGEINT)",
    "output_tokens": "sum(output_tokens::HUGEINT)",
}
_AT_HITS = ", ".join(
    f"quantile_cont({kind}, 0.5) FILTER (WHERE hits > 0) AS {kind}_mid,"
    f" min({kind}) FILTER (WHERE hits > 0) AS {kind}_min, max({kind}) FILTER (WHERE hits > 0) AS {kind}_max,"
    f" quantile_cont({kind}, 0.99) FILTER (WHERE hits IS NULL)"
    f" AS {kind}_calm"
    for kind in _MEASURES
)
_PACES = ", ".join(f"{sql}::DOUBLE AS {kind}" for kind, sql in _MEASURES.items())


def headroom(reader: Reader, window: Window, recent: Window, segment: Segment) -> tuple[Headroom, ...]:
    """Each model that was asked in `recent` or had a 429 in `window`, the ones with most 429s first, at most 20, with
    its three kinds of limit. `recent` is some whole minutes that end about now."""
    hits = _hits(reader, window, segment)
    paces = _paces(reader, recent, segment)
    models = [*hits, *(model for model in paces if model not in hits)][:_MOST_MODELS]
    return tuple(
        _one(model, kind, hits.get(model, _NEVER), paces.get(model, {})) for model in models for kind in _MEASURES
    )


_NEVER: Mapping[str, Any] = {"hits": 0, "minutes": 0, "last_at": None}


def _one(model: str | None, kind: LimitKind, hit: Mapping[str, Any], pace: Mapping[str, Any]) -> Headroom:
    return Headroom(
        model=model,
        kind=kind,
        hits=hit["hits"],
        hit_minutes=hit["minutes"],
        last_hit_at=hit["last_at"],
        pace=pace.get(kind) or 0.0,
        at_hits=hit.get(f"{kind}_mid"),
        lowest=hit.get(f"{kind}_min"),
        highest=hit.get(f"{kind}_max"),
        calm=hit.get(f"{kind}_calm"),
        slope=pace.get(f"{kind}_slope") or 0.0,
    )


def _hits(reader: Reader, window: Window, segment: Segment) -> dict[str | None, Mapping[str, Any]]:
    # Limits change: the last day tells of today's.
    window = Window(max(window.start, window.end - _LOOKED_BACK), window.end)
    where, parameters = calls_in(window, segment)
    parameters |= {"minute": _MINUTE_US, "most": _MOST_MODELS}
    parameters |= {"tries_start": microseconds(window.start), "tries_end": microseconds(window.end)}
    sql = (
        f"WITH refused AS (SELECT trace_id, span_id, started_at AS met_at FROM {RETRIES} WHERE http_status = 429"  # noqa: S608
        " AND started_at >= make_timestamp($tries_start) AND started_at < make_timestamp($tries_end)),"
        # A retried call has a row for each attempt, another one tells of its only attempt itself.
        f" met AS (SELECT {MODEL} AS model, met_at FROM (SELECT * FROM calls WHERE {where} AND attempts > 1) AS asked"
        f" JOIN refused USING (trace_id, span_id) UNION ALL SELECT {MODEL} AS model, started_at AS met_at FROM calls"
        f" WHERE {where} AND attempts = 1 AND http_status = 429),"
        " hit AS (SELECT model, epoch_us(met_at) // $minute AS minute, count(*) AS hits, max(met_at) AS last_at"
        " FROM met GROUP BY ALL),"
        f" paced AS (SELECT {MODEL} AS model, epoch_us(started_at) // $minute AS minute, {_PACES} FROM calls"
        f" WHERE {where} AND coalesce({MODEL}, '') IN (SELECT coalesce(model, '') FROM hit) GROUP BY ALL)"
        f" SELECT paced.model, sum(hits) AS hits, count(hits) AS minutes, max(last_at) AS last_at, {_AT_HITS}"
        " FROM paced LEFT JOIN hit ON hit.model IS NOT DISTINCT FROM paced.model AND hit.minute = paced.minute"
        " GROUP BY paced.model ORDER BY sum(hits) DESC, paced.model LIMIT $most"
    )
    return {row["model"]: row for row in reader.ask(sql, parameters).to_pylist()}


def _paces(reader: Reader, recent: Window, segment: Segment) -> dict[str | None, Mapping[str, Any]]:
    where, parameters = calls_in(recent, segment)
    first = microseconds(recent.start) // _MINUTE_US
    # A minute that is not over would look like a fall.
    end = microseconds(recent.end) // _MINUTE_US
    parameters |= {"minute": _MINUTE_US, "first": first, "end": end, "paced": end - MINUTES_OF_PACE}
    shown = ", ".join(
        f"avg(coalesce({kind}, 0)) FILTER (WHERE minute >= $paced) AS {kind},"
        f" regr_slope(coalesce({kind}, 0), minute - $first) AS {kind}_slope"
        for kind in _MEASURES
    )
    sql = (
        f"WITH paced AS (SELECT {MODEL} AS model, epoch_us(started_at) // $minute AS minute, {_PACES} FROM calls"  # noqa: S608
        f" WHERE {where} GROUP BY ALL),"
        " every AS (SELECT model, minute FROM (SELECT DISTINCT model FROM paced),"
        " range($first, $end) AS minutes(minute))"
        f" SELECT every.model, {shown} FROM (SELECT every.model, every.minute, {', '.join(_MEASURES)} FROM every"
        " LEFT JOIN paced ON every.model IS NOT DISTINCT FROM paced.model AND every.minute = paced.minute) AS every"
        " GROUP BY every.model ORDER BY requests DESC, every.model"
    )
    return {row["model"]: row for row in reader.ask(sql, parameters).to_pylist()}
