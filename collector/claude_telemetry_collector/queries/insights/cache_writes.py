"""What is written to the prompt cache for nothing, and what should live longer or shorter there.

The figures are those of the Cache page (`queries.cache`): the same question, ranked beside all other savings here.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from claude_telemetry_collector.queries.cache import Prefix, Prefixes, prefixes
from claude_telemetry_collector.queries.insights.finding import (
    COUNT,
    NUMBER,
    TEXT,
    USD,
    Bound,
    Finding,
    Link,
    columns,
    counted,
    rows_as_table,
)
from claude_telemetry_collector.queries.window import Segment, Window
from claude_telemetry_collector.store import Reader

_OTHER: Mapping[str | None, str] = {"5m": "1h", "1h": "5m"}

_WASTE_SCHEMA = columns(
    feature=TEXT,
    prompt_name=TEXT,
    model=TEXT,
    calls=COUNT,
    written_tokens=COUNT,
    wasted_tokens=COUNT,
    reads_each_write=NUMBER,
    saves_usd=USD,
)
_LIFE_SCHEMA = columns(
    feature=TEXT,
    prompt_name=TEXT,
    model=TEXT,
    calls=COUNT,
    ttl_now=TEXT,
    ttl=TEXT,
    gaps_within_5_minutes=COUNT,
    gaps_within_1_hour=COUNT,
    gaps_longer=COUNT,
    saves_usd=USD,
)
_LINKS = (Link(page="cache", words="Cache", parameters={}),)


def cache_writes(reader: Reader, window: Window, segment: Segment) -> tuple[Finding, Finding]:
    """Writes that nobody reads, and prefixes that the other life would be cheaper for."""
    found = prefixes(reader, window, segment)
    return _write_waste(found), _cache_life(found)


def _write_waste(found: Prefixes) -> Finding:
    """Tokens that were written to the cache dearer than plain input, and that nobody read while they lived."""
    wasted = sorted((each for each in found.shown if each.wasted_usd > 0), key=lambda each: -each.wasted_usd)
    return Finding(
        name="write_waste",
        title="Cache writes that nobody reads",
        said=(
            f"{counted(found.wasted_tokens, 'token was', 'tokens were')} written to the cache and not read again."
            if found.wasted_usd
            else "What was written to the cache was read again, or may still be."
        ),
        found=found.wasted_usd > 0,
        saved_usd=found.wasted_usd,
        bound=_bound(found),
        evidence=rows_as_table([_waste_row(each) for each in wasted], _WASTE_SCHEMA),
        assumptions=("Without the mark these tokens would have been plain input.",),
        steps=(
            "Take cache_control off what changes from call to call, or move what changes behind the last mark.",
            "See on the Cache page which block broke the cache.",
        ),
        left_out=found.unknown + _not_looked_at(found),
        why_left_out="have no known rate, or are older than the calls that were compared",
        links=_LINKS,
    )


def _cache_life(found: Prefixes) -> Finding:
    """Prefixes that the other life in the cache, 5 minutes or 1 hour, would have been cheaper for."""
    better = [(each, each.other_life_saves_usd) for each in found.shown if each.other_life_saves_usd]
    better = sorted((pair for pair in better if (pair[1] or 0) > 0), key=lambda pair: -(pair[1] or 0))
    saved = sum((amount or Decimal(0) for _, amount in better), Decimal(0))
    return Finding(
        name="cache_life",
        title="The other life in the cache",
        said=(
            f"{counted(len(better), 'prefix', 'prefixes')} would be cheaper with the other life in the cache."
            if better
            else "Every cached prefix has the cheaper life of the two."
        ),
        found=bool(better),
        saved_usd=saved,
        bound=_bound(found),
        evidence=rows_as_table([_life_row(each, amount) for each, amount in better], _LIFE_SCHEMA),
        assumptions=("The calls would have come at the same times, and read what was there.",),
        steps=(
            'Where the table says 1h, write "ttl": "1h" into cache_control; where it says 5m, leave it out.',
            "Hold the net saving on the Cache page against that of the week before.",
        ),
        left_out=found.unknown + _not_looked_at(found),
        why_left_out="have no known rate, or are older than the calls that were compared",
        links=_LINKS,
    )


def _bound(found: Prefixes) -> Bound:
    return "at_least" if found.unknown or _not_looked_at(found) else "exact"


def _not_looked_at(found: Prefixes) -> int:
    return found.looked_at.of_calls - found.looked_at.calls


def _waste_row(prefix: Prefix) -> dict[str, object]:
    return {
        **{name: getattr(prefix, name) for name in _WASTE_SCHEMA.names if hasattr(prefix, name)},
        "reads_each_write": None if prefix.reads_had is None else float(prefix.reads_had),
        "saves_usd": prefix.wasted_usd,
    }


def _life_row(prefix: Prefix, saves: Decimal | None) -> dict[str, object]:
    return {
        **{name: getattr(prefix, name) for name in ("feature", "prompt_name", "model", "calls", "gaps_longer")},
        "ttl_now": prefix.life,
        "ttl": _OTHER.get(prefix.life),
        "gaps_within_5_minutes": prefix.gaps_5m,
        "gaps_within_1_hour": prefix.gaps_1h,
        "saves_usd": saves,
    }
