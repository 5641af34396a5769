"""What there is to choose from: the values of a label, and the application's own tags."""

from __future__ import annotations

from datetime import timedelta

from claude_telemetry_collector.queries.metrics import ask_grouped, label_key
from claude_telemetry_collector.queries.metrics.rolled import LABELS
from claude_telemetry_collector.queries.window import Segment, Window, calls_in
from claude_telemetry_collector.store import Reader

_MOST_CHOICES = 200
_LATELY = timedelta(days=2)
_LOOKED_AT = 50_000
"""Calls whose tags are read to say which there are: the newest ones, since taking JSON apart takes its time."""


def choices(reader: Reader, window: Window, column: str) -> list[str]:
    """The values of a label or tag (`tag:<name>`) among the calls of `window`, in order; the 200 most frequent ones
    when there are more. Where they are not rolled up, those of its last two days suffice, if there are any."""
    if column in LABELS:
        return _choices(reader, window, column)
    return _choices(reader, _lately(window), column) or _choices(reader, window, column)


def tag_choices(reader: Reader, window: Window) -> list[tuple[str, str]]:
    """The tags among the newest calls of `window`, name and value, in order; the 200 most frequent ones when there are
    more."""
    return _tag_choices(reader, _lately(window)) or _tag_choices(reader, window)


def tag_names(reader: Reader, window: Window) -> list[str]:
    """The names of the tags that `tag_choices` tells of."""
    return sorted({name for name, _ in tag_choices(reader, window)})


def _lately(window: Window) -> Window:
    return Window(max(window.start, window.end - _LATELY), window.end)


def _choices(reader: Reader, window: Window, column: str) -> list[str]:
    def written(groups: str) -> str:
        return (
            f"SELECT key_0 AS choice FROM ({groups}) WHERE key_0 IS NOT NULL"  # noqa: S608
            " ORDER BY calls DESC, choice LIMIT $most"
        )

    keys, asked = [label_key(column)], {"most": _MOST_CHOICES}
    found = ask_grouped(reader, ["requests"], window, Segment(), keys, written, asked, rests_on=())
    return sorted(str(choice) for choice in found.column("choice").to_pylist())


def _tag_choices(reader: Reader, window: Window) -> list[tuple[str, str]]:
    where, parameters = calls_in(window, Segment())
    parameters |= {"most": _MOST_CHOICES, "looked_at": _LOOKED_AT}
    sql = (
        "WITH tagged AS (SELECT tags FROM calls"  # noqa: S608
        f" WHERE {where} AND tags IS NOT NULL ORDER BY started_at DESC LIMIT $looked_at),"
        " told AS (SELECT one.key AS name, one.value ->> '$' AS told FROM tagged, json_each(tags) AS one)"
        " SELECT name, told FROM told WHERE told IS NOT NULL"
        " GROUP BY name, told ORDER BY count(*) DESC, name, told LIMIT $most"
    )
    return sorted((row["name"], row["told"]) for row in reader.ask(sql, parameters).to_pylist())
