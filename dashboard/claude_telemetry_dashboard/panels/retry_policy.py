"""What asking again cost and saved in words, and how it is done held against what works."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import streamlit as st

from claude_telemetry_collector.queries.errors import PolicyCheck, RetryCost
from claude_telemetry_dashboard import formats
from claude_telemetry_dashboard.panels import listing, to_calls

_MARKS = {"broken": "✗ ", "kept": "✓ ", "unknown": "· "}


def in_words(cost: RetryCost, words: str) -> str:
    """What retries came to. `words` says when: `in the last hour`."""
    if not cost.retried:
        known = cost.calls - cost.attempts_unknown
        if not known:
            return "Whoever recorded these calls does not tell of their attempts."
        return f"No call was asked more than once {words}." + _unknown(cost)
    said = (
        f"{formats.count(cost.retried)} calls were asked more than once {words}: {formats.count(cost.saved)} went well "
        f"in the end, {formats.count(cost.lost)} failed all the same."
    )
    if cost.told:
        said += (
            f" The application waited {formats.ms(cost.waited_ms)} between attempts and {formats.ms(cost.failed_ms)} "
            f"in those that failed."
        )
    return said + _bill(cost) + _unknown(cost)


def _bill(cost: RetryCost) -> str:
    if not cost.unseen:
        return " What the API refused with a status cost no money."
    said = (
        f" The answer to {formats.count(cost.unseen)} attempts was seen by nobody, and may be on the bill all the same"
    )
    if cost.unseen_at_most_usd is None:
        return said + "; what that comes to is not known."
    more = f", {formats.count(cost.unseen_unpriced)} of unknown price not counted" if cost.unseen_unpriced else ""
    return f"{said}: up to {formats.usd(cost.unseen_at_most_usd)}, if each was billed like the answer that came{more}."


def _unknown(cost: RetryCost) -> str:
    if not cost.attempts_unknown:
        return ""
    return f" Of {formats.count(cost.attempts_unknown)} calls nobody says how often they were asked."


def show(checks: Sequence[PolicyCheck]) -> None:
    """A line for each rule, the broken ones first; what to do about the one that is selected."""
    order = {"broken": 0, "kept": 1, "unknown": 2}
    ranked: list[PolicyCheck] = sorted(checks, key=lambda check: (order[check.verdict], -check.against))
    rows = pa.table(
        {
            "place": pa.array(range(len(ranked)), pa.int64()),
            "rule": pa.array([_MARKS[check.verdict] + check.title for check in ranked], pa.string()),
            "seen": pa.array([seen(check) for check in ranked], pa.string()),
            "typical_ms": pa.array([check.figure_ms for check in ranked], pa.float64()),
            "expected": pa.array([check.expected for check in ranked], pa.string()),
        }
    )
    columns = {
        "rule": listing.text("Rule", "✓ kept, ✗ broken, · no occasion to tell.", 250),
        "seen": listing.text("Seen", "How often it could have been kept, and was broken.", 130),
        "typical_ms": listing.text("Typical", "Half of the pauses or time limits that it is about were shorter.", 90),
        "expected": listing.text("What works", "The reference that it is held against.", 290),
    }
    row = listing.show(listing.long_times(rows, "typical_ms"), columns, key="retry-policy")
    if row is None:
        st.caption("Select a rule for what to do about it.")
        return
    check = ranked[int(row["place"])]
    st.text(f"{check.expected} {check.to_do}")
    to_calls.link_to_one("The last call that broke it", check.trace_id, check.span_id)


def seen(check: PolicyCheck) -> str:
    """What was seen of a rule."""
    if check.verdict == "unknown":
        return "no occasion"
    if not check.against:
        return "kept"
    return f"{formats.count(check.against)} of {formats.count(check.about)} break it"
