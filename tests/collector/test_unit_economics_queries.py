"""What one of each costs, by feature."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from claude_telemetry_collector.decode import LandedCall
from claude_telemetry_collector.queries import Segment, Window
from claude_telemetry_collector.queries.unit_economics import unit_economics
from claude_telemetry_collector.store import LocalReader
from tests.support.calls import NOON, a_call, land

NOW = Window(NOON, NOON + timedelta(days=1))


def chat(cost: str | None, user: str | None, session: str | None, *, before: bool = False) -> LandedCall:
    return a_call(
        started_at=NOW.before().start if before else NOW.start,
        feature="chat",
        user_id=user,
        session_id=session,
        cost_usd=None if cost is None else Decimal(cost),
    )


def asked(store: duckdb.DuckDBPyConnection, *calls: LandedCall) -> list[dict[str, Any]]:
    land(store, calls)
    return unit_economics(LocalReader(store), NOW, NOW.before(), Segment()).to_pylist()


def test_one_of_each_by_hand(store: duckdb.DuckDBPyConnection) -> None:
    """0.12 over 4 calls with a price; two users have 0.10 of it, one session 0.08. Before, one user had 2 calls for
    0.04, in two sessions."""
    rows = asked(
        store,
        chat("0.04", "ann", "s1"),
        chat("0.04", "ann", "s1"),
        chat("0.02", "bob", None),
        chat("0.02", None, None),
        chat(None, "cid", "s2"),
        chat("0.02", "ann", "s8", before=True),
        chat("0.02", "ann", "s9", before=True),
    )
    row = rows[0]
    assert (row["calls"], row["cost_usd"], row["unpriced"]) == (5, Decimal("0.12"), 1)
    assert [row[f"per_{unit}_usd"] for unit in ("request", "session", "user")] == [
        Decimal("0.03"),
        Decimal("0.08"),
        Decimal("0.05"),
    ]
    changes = [row[f"per_{unit}_change"] for unit in ("request", "session", "user")]
    assert changes == pytest.approx([0.03 / 0.02 - 1, 0.08 / 0.02 - 1, 0.05 / 0.04 - 1])


def test_without_names_and_before_the_first_day_nothing_is_made_up(store: duckdb.DuckDBPyConnection) -> None:
    row = asked(store, chat("0.02", None, None))[0]
    assert [row[name] for name in ("per_session_usd", "per_user_usd", "per_request_change")] == [None, None, None]


def test_a_feature_that_is_gone_has_no_row(store: duckdb.DuckDBPyConnection) -> None:
    assert asked(store, chat("0.02", None, None, before=True)) == []
