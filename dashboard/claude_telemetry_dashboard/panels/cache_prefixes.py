"""Cached prefixes and missed ones: what each is worth, how long it should live, why calls read nothing."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import streamlit as st

from claude_telemetry_collector.queries.cache import CAUSES, PARTIAL, LookedAt, Misses, Prefix, Prefixes
from claude_telemetry_dashboard import formats
from claude_telemetry_dashboard.panels import box, grouped, numbers
from claude_telemetry_dashboard.panels.grouped import Amount

_USD = pa.decimal128(38, 12)
_MOST_ADVICE = 3
_NOTABLE_USD = 0.01
"""What would save less is not worth a change."""
_FINGERPRINT_DIGITS = 8
_NAME_CHARACTERS = 60

_LABELS: Mapping[str, str] = {"name": "Prompt or feature", "model": "Model", "life": "Lives"}
_WIDTHS = {"name": 125, "model": 122, "life": 56}
_AMOUNTS: Mapping[str, Amount] = {
    "net_usd": Amount(title="Net saving", help="What reads saved, less what writes cost on top.", unit="USD", width=78),
    "wasted_usd": Amount(
        title="In vain",
        help="What writing cost on top of plain input, where nobody read it again while it lived.",
        unit="USD",
        width=66,
    ),
    "other_life_usd": Amount(
        title="Other life",
        help="What 1 hour in place of 5 minutes would have saved, or 5 minutes in place of 1 hour; below zero where it "
        "would have cost more. An estimate: what is written again is taken to be as long as the shortest such prefix.",
        unit="USD",
        width=76,
    ),
    "calls": Amount(title="Calls", help="Calls whose prompt began like this.", unit="{call}", width=58),
    "reads_had": Amount(title="Reads", help="How often a written token was read, on average.", unit="times", width=54),
    "reads_needed": Amount(
        title="Needed",
        help="How often a written token has to be read to pay for its writing: the break-even.",
        unit="times",
        width=58,
    ),
    "gaps_5m": Amount(title="≤ 5 min", help="Uses within 5 minutes of the one before.", unit="ratio", width=58),
    "gaps_1h": Amount(title="≤ 1 h", help="Uses 5 minutes to an hour after the one before.", unit="ratio", width=52),
    "gaps_longer": Amount(title="> 1 h", help="Uses more than an hour after the one before.", unit="ratio", width=52),
}
_COLUMNS: Mapping[str, pa.DataType] = {
    **dict.fromkeys((*_LABELS, "feature", "prompt", "fingerprint"), pa.string()),
    **dict.fromkeys(("net_usd", "wasted_usd", "other_life_usd"), _USD),
    **dict.fromkeys(("calls", "read_tokens", "written_tokens", "unknown", "groups"), pa.int64()),
    **dict.fromkeys(("hit_ratio", "reads_had", "reads_needed", "gaps_5m", "gaps_1h", "gaps_longer"), pa.float64()),
}
_CAUSE_COLUMNS: Mapping[str, pa.DataType] = {
    "why": pa.string(),
    "calls": pa.int64(),
    "share": pa.float64(),
    "written_tokens": pa.int64(),
    "usd": _USD,
    "unknown": pa.int64(),
}


def show(found: Prefixes) -> None:
    """The prefixes, and what to change about them."""
    with box.box(
        "Cached prefixes",
        "Calls whose prompts begin alike up to their first cache mark, by fingerprint: most cached tokens first. No "
        "text of a prompt is kept.",
    ):
        if not found.shown:
            st.caption("No call here tells the fingerprints of its cache marks: calls that our own capture records do.")
            return
        for sentence in (waste(found), *advice(found)):
            st.text(sentence)
        rows = pa.Table.from_pylist([_row(prefix, found.in_all) for prefix in found.shown], pa.schema(_COLUMNS))
        grouped.table(rows, _LABELS, _AMOUNTS, name="cache-prefixes", note=since(found.looked_at), widths=_WIDTHS)


def waste(found: Prefixes) -> str:
    """What was written to the cache and read by nobody, in a sentence."""
    if not found.written_tokens:
        return "Nothing was written to the cache."
    share = formats.ratio(found.wasted_tokens / found.written_tokens)
    said = f"{share} of {formats.count(found.written_tokens)} written tokens were read by nobody while they lived"
    if found.wasted_tokens:
        said += f", and cost {formats.usd(found.wasted_usd)} more than plain input"
    if found.undecided_tokens:
        said += f"; {formats.count(found.undecided_tokens)} more are so new that they may still be read"
    return said + (f". The price is not known of {numbers.calls(found.unknown)}." if found.unknown else ".")


def advice(found: Prefixes) -> list[str]:
    """What to change, the most money first. Text, with names from outside."""
    said: list[tuple[float, str]] = []
    for prefix in found.shown:
        saves = float(prefix.other_life_saves_usd or 0)
        name = _name(prefix)
        if prefix.life is not None and saves >= _NOTABLE_USD:
            words = {"5m": "1 hour in place of 5 minutes", "1h": "5 minutes in place of 1 hour"}[prefix.life]
            said.append((saves, f"{name}: let it live {words}, which would have saved about {formats.usd(saves)}."))
        loss = -float(prefix.net_usd)
        if loss >= _NOTABLE_USD:
            said.append(
                (
                    loss,
                    f"{name}: caching it cost {formats.usd(loss)} more than it saved. Take the mark off, or move it.",
                )
            )
    return [sentence for _, sentence in sorted(said, key=lambda each: -each[0])[:_MOST_ADVICE]]


def misses(found: Misses) -> None:
    """Why calls with cache marks read nothing, or less than was there."""
    with box.box(
        "Why the cache missed",
        "Calls with cache marks that read nothing from the cache, each compared with the call before it that began "
        "alike, or was of the same prompt or feature; and calls that read less than the call before in their session "
        "had there.",
    ):
        if not found.calls:
            st.caption("No call here tells the fingerprints of its cache marks.")
            return
        st.text(missed(found))
        if found.causes:
            _causes(found)


def missed(found: Misses) -> str:
    """How many calls missed the cache, in a sentence."""
    partly = sum(cause.calls for cause in found.causes if cause.name in PARTIAL)
    wholly = sum(cause.calls for cause in found.causes) - partly
    share = f" ({formats.ratio(wholly / found.calls)})" if wholly else ""
    said = f"{formats.count(wholly)} of {numbers.calls(found.calls)} with cache marks read nothing{share}"
    return said + (f", {formats.count(partly)} less than was there." if partly else ".")


def _causes(found: Misses) -> None:
    in_all = sum(cause.calls for cause in found.causes)
    rows = pa.Table.from_pylist(
        [
            {
                "why": CAUSES[cause.name],
                "calls": cause.calls,
                "share": cause.calls / in_all,
                "written_tokens": cause.written_tokens,
                "usd": cause.usd,
                "unknown": cause.unknown,
            }
            for cause in found.causes
        ],
        pa.schema(_CAUSE_COLUMNS),
    )
    amounts = {
        "calls": Amount(title="Calls", help="Calls that missed it for this reason.", unit="{call}"),
        "share": Amount(title="Share", help="Of all that missed it.", unit="ratio"),
        "written_tokens": Amount(title="Written", help="What they wrote to the cache anew.", unit="token"),
        "usd": Amount(title="Cost", help="What writing cost more than reading would have.", unit="USD"),
        "unknown": Amount(title="Unknown", help="Calls whose prices are not known: in no cost.", unit="{call}"),
    }
    grouped.table(rows, {"why": "Why"}, amounts, name="cache-misses", note=since(found.looked_at))


def since(seen: LookedAt) -> str:
    """Which calls were looked at, where not all were."""
    if seen.calls == seen.of_calls:
        return ""
    return (
        f"The newest {formats.count(seen.calls)} of {formats.count(seen.of_calls)} calls with cache marks, since "
        f"{formats.moment(seen.window.start)} UTC."
    )


def _name(prefix: Prefix) -> str:
    named = prefix.prompt_name or prefix.feature or prefix.head[:_FINGERPRINT_DIGITS]
    return f"{named[:_NAME_CHARACTERS]} on {formats.text(prefix.model)[:_NAME_CHARACTERS]}"


def _row(prefix: Prefix, in_all: int) -> dict[str, object]:
    uses = prefix.gaps_5m + prefix.gaps_1h + prefix.gaps_longer
    had, needed, known = prefix.reads_had, prefix.reads_needed, prefix.unknown < prefix.calls
    return {
        "name": prefix.prompt_name or prefix.feature or prefix.head[:_FINGERPRINT_DIGITS],
        "model": prefix.model,
        "life": {"5m": "5 min", "1h": "1 hour", None: None}[prefix.life],
        "feature": prefix.feature,
        "prompt": prefix.prompt_name,
        "fingerprint": prefix.head,
        "net_usd": prefix.net_usd if known else None,
        "wasted_usd": prefix.wasted_usd if known else None,
        "other_life_usd": prefix.other_life_saves_usd if known else None,
        "calls": prefix.calls,
        "hit_ratio": prefix.reading / prefix.calls,
        "read_tokens": prefix.read_tokens,
        "written_tokens": prefix.written_tokens,
        "reads_had": None if had is None else float(had),
        "reads_needed": None if needed is None else float(needed),
        "gaps_5m": prefix.gaps_5m / uses if uses else None,
        "gaps_1h": prefix.gaps_1h / uses if uses else None,
        "gaps_longer": prefix.gaps_longer / uses if uses else None,
        "unknown": prefix.unknown,
        "groups": in_all,
    }
