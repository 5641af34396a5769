"""Prompts and their versions: when each came, and what its calls were like.

A *prompt* is what an application calls one (`prompt_name`); of calls without such a name, the feature that they belong
to, or the service. A *version* is what the application calls one (`prompt_version`); of calls without, the fingerprint
of their system prompt and tools: so an edit is found although nobody named it. A *text* is such a fingerprint within a
named version: more than one means that the prompt changed, and its version's name did not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import pyarrow as pa

from claude_telemetry_collector.queries.buckets import buckets
from claude_telemetry_collector.queries.metrics.conditions import ENDED, INPUT, WHOLE_PRICE
from claude_telemetry_collector.queries.statistics import Sample
from claude_telemetry_collector.queries.window import MODEL, Segment, Window, calls_in
from claude_telemetry_collector.queries.zones import UTC_NAME
from claude_telemetry_collector.store import Reader

Named = Literal["prompt", "feature", "service"]
"""What a prompt has its name from."""

MOST_PROMPTS = 100
MOST_VERSIONS = 20
MOST_TEXTS = 10
"""A version of more texts has something in it that changes from call to call: each is no change of the prompt."""

_NAMED_BY = (
    "CASE WHEN prompt_name IS NOT NULL THEN 'prompt' WHEN feature IS NOT NULL THEN 'feature'"
    " WHEN service IS NOT NULL THEN 'service' END"
)
_PROMPT = "coalesce(prompt_name, feature, service)"
_VERSION = "coalesce(prompt_version, prompt_fingerprint)"
_HAS_ONE = f"({_PROMPT} IS NOT NULL AND {_VERSION} IS NOT NULL)"

MEANS: Mapping[str, tuple[str, str]] = {
    "cost": ("cost_usd::DOUBLE", WHOLE_PRICE),
    "input": (f"{INPUT}::DOUBLE", "input_tokens IS NOT NULL"),
    "output": ("output_tokens::DOUBLE", "status = 'ok' AND output_tokens IS NOT NULL"),
    "latency": ("duration_ms::DOUBLE", "status = 'ok' AND duration_ms IS NOT NULL"),
}
"""What is measured of each call, and of which calls, as SQL. Output and latency are of calls that went well: one that
failed early is short for another reason."""

SHARES: Mapping[str, tuple[str, str]] = {
    "errors": ("status = 'error'", ENDED),
    "refusals": ("stop_reason = 'refusal'", "stop_reason IS NOT NULL"),
    "truncations": ("stop_reason = 'max_tokens'", "stop_reason IS NOT NULL"),
}
"""Shares of calls: which, and of which, as SQL."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """Which prompt."""

    named: Named
    name: str


@dataclass(frozen=True, slots=True)
class Share:
    """Some calls of all that it could have been."""

    hits: int
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a prompt, in a window. Times are UTC."""

    name: str
    """What the application calls it, or a fingerprint. From outside."""
    is_named: bool
    first_at: datetime
    last_at: datetime
    is_new: bool
    """Whether the period before the window, as long as it, had no call of it."""
    calls: int
    texts: int
    """How many fingerprints its calls have; 0 where none tells one."""
    model: str | None
    """The one that most of its calls went to."""
    model_ratio: float
    """The share of its calls that did."""
    cost_usd: Decimal | None
    """Of all its calls that have a price."""
    unpriced: int
    means: Mapping[str, Sample]
    """Per call, by the names of `MEANS`."""
    logs: Mapping[str, Sample]
    """Of the natural logarithms of those values that are above zero."""
    shares: Mapping[str, Share]
    """By the names of `SHARES`."""


def prompts(reader: Reader, window: Window, segment: Segment) -> tuple[tuple[Prompt, int, int], ...]:
    """The prompts whose calls tell a version or a fingerprint, with how many calls and versions; most calls first."""
    where, parameters = calls_in(window, segment)
    sql = (
        f"SELECT {_NAMED_BY} AS named, {_PROMPT} AS name, count(*) AS calls, count(DISTINCT {_VERSION}) AS versions"  # noqa: S608
        f" FROM calls WHERE {where} AND {_HAS_ONE} GROUP BY ALL ORDER BY calls DESC, named, name LIMIT {MOST_PROMPTS}"
    )
    rows = reader.ask(sql, parameters).to_pylist()
    return tuple((Prompt(row["named"], row["name"]), row["calls"], row["versions"]) for row in rows)


def versions(reader: Reader, window: Window, segment: Segment, prompt: Prompt) -> tuple[tuple[Version, ...], int]:
    """The versions of `prompt` that have most calls, at most 20, in the order in which they came; and how many there
    are in all."""
    where, parameters = _calls_of(prompt, window, segment)
    sql = (
        f"WITH of_it AS (SELECT {_VERSION} AS version, prompt_version, started_at, prompt_fingerprint, cost_usd,"  # noqa: S608
        f" cost_usd IS NULL AND billed IS DISTINCT FROM FALSE AS no_price, {_values()} FROM calls WHERE {where})"
        " SELECT version, bool_or(prompt_version IS NOT NULL) AS is_named, min(started_at) AS first_at,"
        " max(started_at) AS last_at, count(*) AS calls, count(DISTINCT prompt_fingerprint) AS texts,"
        f" sum(cost_usd) AS cost_usd, count(*) FILTER (WHERE no_price) AS unpriced, {_measured()},"
        f" count(*) OVER () AS versions FROM of_it GROUP BY version ORDER BY calls DESC, version LIMIT {MOST_VERSIONS}"
    )
    rows = reader.ask(sql, parameters).to_pylist()
    at_top = _models(reader, where, parameters, rows)
    before = _versions_in(reader, window.before(), segment, prompt)
    # Where nothing was before, the first version is a beginning and no change.
    first = None if before or not rows else min(rows, key=lambda row: (row["first_at"], row["version"]))["version"]
    found = [_version(row, row["version"] not in {*before, first}, *at_top[row["version"]]) for row in rows]
    found.sort(key=lambda version: (version.first_at, version.name))
    return tuple(found), rows[0]["versions"] if rows else 0


def texts(reader: Reader, window: Window, segment: Segment, prompt: Prompt) -> pa.Table:
    """When each text of a named version came: `version`, `text` (VARCHAR, a fingerprint), `first_at` (TIMESTAMP, UTC),
    `calls` (BIGINT). Only of versions with two to ten texts, oldest first."""
    where, parameters = _calls_of(prompt, window, segment)
    return reader.ask(
        "WITH told AS (SELECT prompt_version AS version, prompt_fingerprint AS text, min(started_at) AS first_at,"  # noqa: S608
        f" count(*) AS calls FROM calls WHERE {where} AND prompt_version IS NOT NULL AND prompt_fingerprint IS NOT NULL"
        " GROUP BY ALL) SELECT * EXCLUDE (texts)"
        " FROM (SELECT *, count(*) OVER (PARTITION BY version) AS texts FROM told)"
        f" WHERE texts BETWEEN 2 AND {MOST_TEXTS} ORDER BY first_at, version, text LIMIT 100",
        parameters,
    )


def versions_over_time(
    reader: Reader, window: Window, segment: Segment, prompt: Prompt, step: timedelta, zone: str = UTC_NAME
) -> pa.Table:
    """Calls by version: `bucket` (TIMESTAMP, what clocks of `zone` show when it starts), `version` (VARCHAR, NULL for
    the rest), `rest` (BOOLEAN), `calls` (BIGINT). The seven versions of most calls have rows of their own."""
    where, parameters = _calls_of(prompt, window, segment)
    steps = buckets(window, step, zone)
    return reader.ask(
        f"WITH stepwise AS (SELECT {steps.number} AS number, {_VERSION} AS version, count(*) AS calls FROM calls"  # noqa: S608
        f" WHERE {where} GROUP BY ALL), ranked AS (SELECT version,"
        " row_number() OVER (ORDER BY sum(calls) DESC, version) AS place FROM stepwise GROUP BY version)"
        " SELECT bucket, CASE WHEN place <= 7 THEN ranked.version END AS version, place > 7 AS rest,"
        " sum(stepwise.calls)::BIGINT AS calls FROM stepwise JOIN ranked USING (version)"
        f" JOIN {steps.every} AS every ON every.number = stepwise.number GROUP BY ALL ORDER BY bucket, rest, 2",
        parameters | steps.parameters,
    )


def _calls_of(prompt: Prompt, window: Window, segment: Segment) -> tuple[str, dict[str, object]]:
    where, parameters = calls_in(window, segment)
    # Each column by itself, and no expression over them: so DuckDB leaves out whole blocks that have other prompts.
    of = {
        "prompt": "prompt_name = $prompt_of",
        "feature": "prompt_name IS NULL AND feature = $prompt_of",
        "service": "prompt_name IS NULL AND feature IS NULL AND service = $prompt_of",
    }[prompt.named]
    return f"{where} AND {of} AND {_VERSION} IS NOT NULL", {**parameters, "prompt_of": prompt.name}


def _values() -> str:
    """The select list of what is measured of one call, and its logarithm; NULL where it is not of those calls."""
    means = ", ".join(
        f"CASE WHEN {whose} THEN {value} END AS {name}, CASE WHEN {whose} AND {value} > 0 THEN ln({value}) END AS"
        f" {name}_log"
        for name, (value, whose) in MEANS.items()
    )
    return f"{means}, " + ", ".join(f"CASE WHEN {of} THEN {hit} END AS {name}" for name, (hit, of) in SHARES.items())


def _measured() -> str:
    """The select list of the samples and shares, over `_values`."""
    parts = [
        f"count({value}) AS {value}_n, avg({value}) AS {value}_mean, var_samp({value}) AS {value}_variance"
        for name in MEANS
        for value in (name, f"{name}_log")
    ]
    parts += [f"count(*) FILTER (WHERE {name}) AS {name}_hits, count({name}) AS {name}_n" for name in SHARES]
    return ", ".join(parts)


def _models(
    reader: Reader, where: str, parameters: Mapping[str, object], rows: list[dict[str, Any]]
) -> dict[str, tuple[str | None, int]]:
    """The model that most calls of each version went to, and how many did."""
    sql = (
        "SELECT version, arg_max(model, (calls, model)) AS model, max(calls) AS calls FROM (SELECT"  # noqa: S608
        f" {_VERSION} AS version, {MODEL} AS model, count(*) AS calls FROM calls"
        f" WHERE {where} AND list_contains($versions, {_VERSION}) GROUP BY ALL) GROUP BY version"
    )
    told = reader.ask(sql, {**parameters, "versions": [row["version"] for row in rows]}).to_pylist()
    return {row["version"]: (row["model"], row["calls"]) for row in told}


def _versions_in(reader: Reader, window: Window, segment: Segment, prompt: Prompt) -> frozenset[str]:
    where, parameters = _calls_of(prompt, window, segment)
    sql = f"SELECT DISTINCT {_VERSION} AS version FROM calls WHERE {where} LIMIT 10000"  # noqa: S608
    return frozenset(row["version"] for row in reader.ask(sql, parameters).to_pylist())


def _version(row: Mapping[str, Any], is_new: bool, model: str | None, at_it: int) -> Version:
    return Version(
        name=row["version"],
        is_named=row["is_named"],
        first_at=row["first_at"].replace(tzinfo=UTC),
        last_at=row["last_at"].replace(tzinfo=UTC),
        is_new=is_new,
        calls=row["calls"],
        texts=row["texts"],
        model=model,
        model_ratio=at_it / row["calls"],
        cost_usd=row["cost_usd"],
        unpriced=row["unpriced"],
        means={name: _sample(row, name) for name in MEANS},
        logs={name: _sample(row, f"{name}_log") for name in MEANS},
        shares={name: Share(row[f"{name}_hits"], row[f"{name}_n"]) for name in SHARES},
    )


def _sample(row: Mapping[str, Any], name: str) -> Sample:
    return Sample(row[f"{name}_n"], row[f"{name}_mean"] or 0.0, row[f"{name}_variance"] or 0.0)
