"""How this application asks again, held against what works: one check a rule, each with its evidence.

The reference numbers: after a 429 wait 1, 2, 4 seconds with jitter and as long as `retry-after` says, five times at
most; after a 500 or 529 ask again once; after any other 4xx never. In production four or five attempts save what the
SDK's default of two retries loses at limits. Time limits of one to two minutes.
Sources: https://platform.claude.com/docs/en/api/errors and …/api/rate-limits, anthropic 2.10's `_base_client.py` (two
retries, 408, 409, 429 and 5xx, `retry-after` up to 60 s), read 2026-11-20; the numbers beyond those are a convention.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from claude_telemetry_collector.queries.errors.tries import AGAIN, HOPELESS, newest_tries_in
from claude_telemetry_collector.queries.window import Segment, Window
from claude_telemetry_collector.store import Reader

Verdict = Literal["kept", "broken", "unknown"]

MOST_RETRIES_AT_A_LIMIT = 5
LONGEST_SDK_OBEYS_MS = 60_000
"""What the SDK does not wait for although `retry-after` says so."""
LONG_TIMEOUT_MS = 120_000
FEWEST_FOR_JITTER = 10
"""First pauses that say whether they differ."""
_LIKE_EACH_OTHER = 0.02
"""A spread of pauses below which there is no jitter: clocks alone make a percent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyCheck:
    """One rule, and what was seen of it."""

    rule: str
    title: str
    expected: str
    to_do: str
    about: int
    """How many times it could have been kept or broken."""
    against: int
    """How many times it was broken."""
    figure_ms: float | None = None
    """A typical time, where the rule is about one: the median pause, or the median time limit."""
    trace_id: str | None = None
    span_id: str | None = None
    """The last call that broke it."""

    @property
    def verdict(self) -> Verdict:
        """`unknown` when there was no occasion."""
        return "unknown" if not self.about else "broken" if self.against else "kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    name: str
    title: str
    expected: str
    to_do: str
    about: str
    """The attempts that it is about, as SQL over `tries`."""
    against: str
    """Those of them that break it."""
    figure: str | None = None


_LAST = "attempt = asked - 1"
_LIMITED = "http_status = 429"
_BROKEN_DOWN = "http_status IN (500, 529)"

_RULES = (
    _Rule(
        name="hopeless",
        title="What cannot succeed is not repeated",
        expected="400, 401, 403, 404 and 413 are never asked again.",
        to_do="Retry only 408, 409, 429, 5xx and broken connections, as the SDK does.",
        about=HOPELESS,
        against=AGAIN,
    ),
    _Rule(
        name="limit_given_up",
        title="Rate limits are waited out",
        expected="A 429 is asked again.",
        to_do="Leave `max_retries` above 0, or queue the request.",
        about=_LIMITED,
        against="asked <= 1",
    ),
    _Rule(
        name="limit_too_often",
        title="Rate limits are not hammered",
        expected=f"At most {MOST_RETRIES_AT_A_LIMIT} retries at a rate limit.",
        to_do="Give up after five, and let the queue slow down.",
        about=f"{_LIMITED} AND {AGAIN}",
        against=f"attempt >= {MOST_RETRIES_AT_A_LIMIT}",
    ),
    _Rule(
        name="short_wait",
        title="Pauses at a rate limit grow from a second",
        expected="Without retry-after: about 1, 2, 4 s, with jitter. Less than half of that is short.",
        to_do="Start at a second and double it.",
        about=f"{_LIMITED} AND {AGAIN} AND retry_after_ms IS NULL AND waited_ms IS NOT NULL",
        against="waited_ms < 500 * least(2 ** attempt, 4)",
        figure="waited_ms",
    ),
    _Rule(
        name="retry_after",
        title="Retry-after is obeyed",
        expected="The pause is at least what the answer asks for.",
        to_do="Read the header `retry-after`. The SDK ignores it above a minute: queue such requests.",
        about=f"{AGAIN} AND retry_after_ms IS NOT NULL AND waited_ms IS NOT NULL",
        # Both are rounded to milliseconds, and timers fire a little early.
        against="waited_ms < retry_after_ms * 0.95",
        figure="waited_ms",
    ),
    _Rule(
        name="breakdown_often",
        title="A breakdown is asked again once",
        expected="After a 500 or a 529 one retry: more of them add load and rarely help.",
        to_do="Fall back to another model, or come back in minutes.",
        about=f"{_BROKEN_DOWN} AND {AGAIN}",
        against="attempt >= 1",
    ),
    _Rule(
        name="given_up_early",
        title="What passes by itself is asked four times",
        expected="A call is lost to a rate limit or a broken connection only after 4 attempts or more.",
        to_do="Raise `max_retries` to 4 where nobody waits for the answer; the SDK's default is 2.",
        about=f"status = 'error' AND {_LAST} AND error_type IN ('rate_limit_error', 'connection_error')",
        against="asked < 4",
    ),
    _Rule(
        name="long_timeout",
        title="Time limits are one to two minutes",
        expected="Whoever waits gives up within 120 s; longer answers are streamed.",
        to_do="Set `timeout`, or stream. The SDK's default is ten minutes.",
        about="error_type = 'client_timeout_error' AND duration_ms IS NOT NULL",
        against=f"duration_ms > {LONG_TIMEOUT_MS}",
        figure="duration_ms",
    ),
)


def retry_policy(reader: Reader, window: Window, segment: Segment) -> tuple[PolicyCheck, ...]:
    """Every rule, and what was seen of it in the newest `NEWEST` of these calls that were retried or failed. Calls
    whose attempts are not told are part of none."""
    tries, parameters = newest_tries_in(reader, window, segment)
    parts = ", ".join(part for rule in _RULES for part in _parts(rule))
    row = reader.ask(f"{tries} SELECT {parts}, {_JITTER} FROM tries", parameters).to_pylist()[0]  # noqa: S608
    return (*(_check(rule, row) for rule in _RULES), _jitter(row))


def _parts(rule: _Rule) -> tuple[str, ...]:
    about, against = f"({rule.about})", f"(({rule.about}) AND ({rule.against}))"
    figure = f"quantile_cont({rule.figure}, 0.5) FILTER (WHERE {about})" if rule.figure else "NULL"
    return (
        f"count(*) FILTER (WHERE {about}) AS {rule.name}_about",
        f"count(*) FILTER (WHERE {against}) AS {rule.name}_against",
        f"{figure} AS {rule.name}_figure",
        f"arg_max(trace_id, started_at) FILTER (WHERE {against}) AS {rule.name}_trace",
        f"arg_max(span_id, started_at) FILTER (WHERE {against}) AS {rule.name}_span",
    )


def _check(rule: _Rule, row: Mapping[str, Any]) -> PolicyCheck:
    return PolicyCheck(
        rule=rule.name,
        title=rule.title,
        expected=rule.expected,
        to_do=rule.to_do,
        about=row[f"{rule.name}_about"],
        against=row[f"{rule.name}_against"],
        figure_ms=row[f"{rule.name}_figure"],
        trace_id=row[f"{rule.name}_trace"],
        span_id=row[f"{rule.name}_span"],
    )


# First pauses alone: later ones differ since they grow.
_FIRST_PAUSE = f"{AGAIN} AND attempt = 0 AND retry_after_ms IS NULL AND waited_ms > 0"
_JITTER = (
    f"count(*) FILTER (WHERE {_FIRST_PAUSE}) AS pauses, avg(waited_ms) FILTER (WHERE {_FIRST_PAUSE}) AS pause_avg_ms,"
    f" stddev_samp(waited_ms) FILTER (WHERE {_FIRST_PAUSE}) AS pause_spread_ms"
)


def _jitter(row: Mapping[str, Any]) -> PolicyCheck:
    enough = row["pauses"] >= FEWEST_FOR_JITTER
    alike = enough and row["pause_spread_ms"] < row["pause_avg_ms"] * _LIKE_EACH_OTHER
    return PolicyCheck(
        rule="jitter",
        title="Pauses are jittered",
        expected=f"First pauses differ; {FEWEST_FOR_JITTER} of them tell. Clients that wait alike come back together.",
        to_do="Add a random part to each pause.",
        about=row["pauses"] if enough else 0,
        against=row["pauses"] if alike else 0,
        figure_ms=row["pause_avg_ms"],
    )
