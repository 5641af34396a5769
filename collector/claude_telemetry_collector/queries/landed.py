"""Whether anything has landed since somebody looked: asked all the time, so it takes no look at the calls."""

from __future__ import annotations

from dataclasses import dataclass

from claude_telemetry_collector.store import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """Another one whenever the rows of calls may be others. Only good for being compared."""

    rows: int
    repriced: int
    """How many former costs are kept: it grows when past calls get other prices."""
    segment: int | None
    """With `offset`, up to where what was received is landed: it moves with every landing."""
    offset: int | None


def landed(reader: Reader) -> Landed:
    """What there is at this moment."""
    # DuckDB knows how many rows a table has.
    row = reader.ask(
        "SELECT (SELECT count(*) FROM calls) AS rows, (SELECT count(*) FROM former_costs) AS repriced,"
        ' (SELECT max(segment) FROM segment_position) AS segment, (SELECT max("offset") FROM segment_position) AS place'
    ).to_pylist()[0]
    return Landed(rows=row["rows"], repriced=row["repriced"], segment=row["segment"], offset=row["place"])
