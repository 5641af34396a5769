"""The tables as a role sees them that is not to know who people are: views in which they have other names.

A user, a session and a batch's own ids get a *pseudonym*, a keyed hash of the name: the same for the same name, so that
one can count, compare and filter by it, and nobody without the key finds the name that it stands for. What may hold
anything, such as attributes, is not there at all. A text column that is not listed here is not there either, so that a
new fact is hidden until somebody has decided that it is about no person.

The views lie in a database of their own, in memory, which takes the place of the real one for such a question; `Guard`
refuses every name that does not lead there. The key is a variable of the connection that asks, and in no SQL.
"""

from __future__ import annotations

from collections.abc import Mapping

import duckdb

MASKED = "masked"
"""The database of the views."""

PSEUDONYMS: Mapping[str, str] = {"user_id": "user", "session_id": "session", "custom_id": "item"}
"""Columns that name somebody, or are an application's own ids and may, with what a pseudonym begins with."""

LABELS = "tags"
"""Free labels of applications: their names are shown, their values are pseudonyms, since one may be a person's."""

RULE_LABELS = "segment"
"""The labels that a rule is about: as they are, but for those of `PSEUDONYMS`."""

# fmt: off
SHOWN = frozenset((
    "api_key_alias", "api_key_id", "asked_by_span_id", "asked_by_trace_id", "batch_id", "cache_fingerprints",
    "call_span_id", "call_trace_id", "channel", "closed_why", "context_window", "cost_breakdown", "cost_flags",
    "cost_status", "cost_type", "currency", "declined", "description", "direction", "effort", "environment",
    "error_type", "family", "feature", "framework", "hops", "incident_id", "inference_geo", "input_basis",
    "instance", "message_id", "metric", "model", "name", "notice_id", "operation", "organization_id", "outcome",
    "parent_span_id", "platform", "price_version", "prompt_fingerprint", "prompt_name", "prompt_version",
    "provider", "refusal_category", "region", "repricing_id", "request_id", "request_model",
    "requested_service_tier", "role", "rule", "run_id", "run_name", "service", "service_tier", "source", "span_id",
    "speed", "state", "status", "stop_reason", "stream_end", "system_fingerprint", "tenant", "thinking", "title",
    "token_type", "told", "tool_use_id", "tools_fingerprint", "trace_id", "type", "shape", "usage", "workspace_id",
))
# fmt: on
"""Text columns that are about no person: names of models, parts of applications, customers, keys; ids of calls."""

_DIGITS = 12
"""48 bits: with 100,000 users one in 50,000 stores has two that look the same."""

_HARMLESS = ("BIGINT", "INTEGER", "DOUBLE", "BOOLEAN", "TIMESTAMP", "DATE", "DECIMAL", "UBIGINT", "UINTEGER", "HUGEINT")
"""Types of numbers and times. Of any other type a column is hidden unless it is named above."""

_KEY = "pseudonym_key"


class Masks:
    """The views over all tables that `connection` has now."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, key: str) -> None:
        self._key = key
        self.names = frozenset(_make_views(connection))
        """What can be asked, in lower case."""
        self.foreign_names = frozenset(_names_of_everything(connection)) - self.names
        """What else goes by a name in this engine, in lower case."""

    def put_on(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """From now on `cursor` finds the views where the tables were."""
        cursor.execute(f"USE {MASKED}")
        cursor.execute(f"SET VARIABLE {_KEY} = $key", {"key": self._key})


def _make_views(connection: duckdb.DuckDBPyConnection) -> list[str]:
    cursor = connection.cursor()
    try:
        cursor.execute(f"ATTACH IF NOT EXISTS ':memory:' AS {MASKED}")
        rows = cursor.execute(
            "SELECT table_name, column_name, data_type FROM duckdb_columns()"
            " WHERE database_name = current_database() AND schema_name = 'main' AND NOT internal"
            " ORDER BY table_name, column_index"
        ).fetchall()
        columns: dict[str, list[str]] = {}
        for table, column, kind in rows:
            columns.setdefault(str(table), []).append(_seen(str(column), str(kind)))
        (database,) = cursor.execute("SELECT current_database()").fetchall()[0]
        for table, seen in columns.items():
            cursor.execute(
                f'CREATE OR REPLACE VIEW {MASKED}.main."{table}" AS'  # noqa: S608
                f' SELECT {", ".join(seen)} FROM "{database}".main."{table}"'
            )
        return [table.lower() for table in columns]
    finally:
        cursor.close()


def _seen(column: str, kind: str) -> str:
    """A column as it is seen."""
    if column in PSEUDONYMS:
        return f'{_pseudonym(PSEUDONYMS[column], column)} AS "{column}"'
    if column == LABELS:
        return f'{_with_values(column, _pseudonym("value", "entry.value"))}::JSON AS "{column}"'
    if column == RULE_LABELS and kind == "VARCHAR":
        named = " ".join(f"WHEN '{name}' THEN {_pseudonym(kind, 'entry.value')}" for name, kind in PSEUDONYMS.items())
        return f'{_with_values(column, f"CASE entry.key {named} ELSE entry.value END")}::VARCHAR AS "{column}"'
    if column in SHOWN or (kind.startswith(_HARMLESS) and not kind.endswith("]")):
        return f'"{column}"'
    return f'CAST(NULL AS {kind}) AS "{column}"'


def _pseudonym(kind: str, value: str) -> str:
    """SQL. NULL stays NULL.

    Each of these functions DuckDB works out once for each name of a column's dictionary, and not once a row; `left`,
    `CASE` over them and slices it does not (2.0: 3 ms for a million rows, and 100).
    """
    return f"'{kind}-' || substring(sha256(getvariable('{_KEY}') || '{kind}:' || {value}), 1, {_DIGITS})"


def _with_values(column: str, value: str) -> str:
    """SQL: the JSON object `column` with `value` for each value. NULL for what is no object of texts."""
    entries = f'map_entries(from_json(CAST("{column}" AS JSON), \'"MAP(VARCHAR, VARCHAR)"\'))'
    masked = f"list_transform({entries}, lambda entry: {{'key': entry.key, 'value': {value}}})"
    return f"CAST(to_json(map_from_entries({masked})) AS VARCHAR)"


def _names_of_everything(connection: duckdb.DuckDBPyConnection) -> list[str]:
    cursor = connection.cursor()
    try:
        rows = cursor.execute("SELECT view_name FROM duckdb_views() UNION SELECT table_name FROM duckdb_tables()")
        return [str(name).lower() for (name,) in rows.fetchall()]
    finally:
        cursor.close()
