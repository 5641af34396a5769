"""Every scenario's calls, landed and priced again from what is kept of them: nothing comes out otherwise."""

from __future__ import annotations

from pathlib import Path

from claude_telemetry.record import BOOKKEEPING
from claude_telemetry_collector.decode import LandedCall
from claude_telemetry_collector.reprice import Repricing
from claude_telemetry_collector.store import Writer, open_database
from tests.scenarios.playing import played
from tests.scenarios.scenario import SCENARIOS
from tests.scenarios.test_scenarios import no_idle_time as no_idle_time  # a fixture; with it come all scenarios

DAYS = {"since": "2020-01-01", "until": "2100-01-01"}


def test_the_calls_of_all_scenarios_come_out_the_same_with_the_same_book(tmp_path: Path) -> None:
    assert SCENARIOS
    connection = open_database(tmp_path / "calls.duckdb", memory_limit="256MB")
    told = [
        (scenario.name, record)
        for scenario in SCENARIOS
        if "delivered" in scenario.modes
        for record in played(scenario, "delivered").records
        if record.call.operation not in BOOKKEEPING
    ]
    names = {record.call.span_id: name for name, record in told}
    landed = [
        LandedCall(
            record=record, source="claude_telemetry", attributes={}, whole=True, received_at=record.call.started_at
        )
        for _, record in told
    ]
    Writer(connection).land(landed)

    difference = Repricing(connection, None).do({**DAYS, "repricing_id": "r1"})

    otherwise = connection.execute(
        "SELECT former.span_id, former.cost_usd, calls.cost_usd, former.cost_flags, calls.cost_flags,"
        " former.cost_breakdown, calls.cost_breakdown, former.billed, calls.billed"
        " FROM former_costs AS former JOIN calls USING (trace_id, span_id)"
    ).fetchall()
    assert [(names[row[0]], *row[1:]) for row in otherwise] == []
    assert difference["left"] == dict(
        connection.execute(
            "SELECT if(cost_flags = 'tokens_unknown', 'usage_cut', 'no_usage') AS why, count(*) FROM calls"
            " WHERE cost_flags = 'tokens_unknown' OR (usage IS NULL AND billed IS DISTINCT FROM FALSE) GROUP BY why"
        ).fetchall()
    )
    kinds = connection.execute(
        "SELECT count(*) FILTER (hops IS NOT NULL), count(*) FILTER (usage_partial AND usage IS NOT NULL),"
        " count(*) FILTER (custom_id IS NOT NULL), count(*) FILTER (operation = 'agent_model_request'),"
        " count(*) FILTER (region IS NOT NULL), count(*) FILTER (empty_refusal),"
        " count(*) FILTER (declined IS NOT NULL),"
        " count(*) FILTER ((usage->'iterations') IS NOT NULL) FROM calls"
    ).fetchall()[0]
    assert min(kinds) > 0, kinds
    connection.close()
