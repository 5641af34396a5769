"""What a role sees, and that no question leads past it."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from claude_telemetry.errors import CollectorError, QuestionRefusedError
from claude_telemetry.settings import Address
from claude_telemetry_collector.queries.metrics.rolled import SHAPE
from claude_telemetry_collector.store import (
    Reader,
    ReaderServer,
    RemoteReader,
    Role,
    connect,
    new_doors,
    open_database,
    publish,
)
from claude_telemetry_collector.store.masks import MASKED, Masks
from claude_telemetry_collector.store.rollups import Rollups
from tests.support.calls import a_call, land

LOOPBACK = Address("127.0.0.1", 0)

SECRETS = ("ann@example.org", "s-ann-1", "order-of-ann", "told by ann")
"""What no answer to a viewer may hold."""

As = Callable[[Role], RemoteReader]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("roles")


@pytest.fixture(scope="module")
def connection(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    opened = open_database(folder / "calls.duckdb", memory_limit="256MB")
    Rollups(opened, SHAPE).close()
    land(
        opened,
        [
            a_call(
                user_id="ann@example.org",
                session_id="s-ann-1",
                custom_id="order-of-ann",
                tags='{"tier": "gold", "who": "ann@example.org"}',
                attributes={"note": "told by ann"},
                feature="chat",
            ),
            a_call(user_id="ann@example.org", session_id="s-ann-2", feature="search"),
            a_call(user_id="bob", tags="[]", feature="search"),
            a_call(user_id=None, feature="search"),
        ],
    )
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def ask_as(connection: duckdb.DuckDBPyConnection, folder: Path) -> Iterator[As]:
    doors = new_doors(folder)
    server = ReaderServer(connection, LOOPBACK, "owner", doors=doors, jobs={"count": lambda arguments: {"n": 1}})
    server.start()
    publish(folder, server.url, "owner", doors.tokens)
    tokens: dict[Role, str] = {"admin": "owner", **doors.tokens}
    yield lambda role: RemoteReader(server.url, tokens[role])
    server.stop()


def rows(reader: Reader, sql: str, **parameters: object) -> list[dict[str, Any]]:
    return reader.ask(sql, parameters).to_pylist()


def test_an_admin_sees_people_and_nobody_else_does(ask_as: As) -> None:
    users = "SELECT DISTINCT user_id FROM calls ORDER BY ALL"

    assert [row["user_id"] for row in rows(ask_as("admin"), users)] == ["ann@example.org", "bob", None]
    shown = [row["user_id"] for row in rows(ask_as("viewer"), users)]
    assert shown == [row["user_id"] for row in rows(ask_as("operator"), users)]
    assert len(shown) == 3
    assert shown[2] is None
    assert all(name.startswith("user-") and len(name) == len("user-") + 12 for name in shown[:2])


def test_by_the_name_that_is_shown_one_can_filter(ask_as: As) -> None:
    viewer = ask_as("viewer")
    (ann,) = [row["user_id"] for row in rows(viewer, "SELECT user_id FROM calls WHERE feature = 'chat'")]

    assert rows(viewer, "SELECT count(*) AS n FROM calls WHERE user_id = $user", user=ann) == [{"n": 2}]
    assert rows(viewer, "SELECT count(*) AS n FROM calls WHERE user_id = $user", user="ann@example.org") == [{"n": 0}]


def test_tags_keep_their_names_and_equal_values_stay_equal(ask_as: As) -> None:
    (tags,) = [row["tags"] for row in rows(ask_as("viewer"), "SELECT tags FROM calls WHERE feature = 'chat'")]
    (tier,) = rows(ask_as("viewer"), "SELECT count(*) AS n, any_value(tags->>'tier') AS tier FROM calls"
                                     " WHERE tags->>'tier' IS NOT NULL")  # fmt: skip

    assert '"who":"value-' in tags
    assert tier["n"] == 1
    assert tier["tier"].startswith("value-")


@pytest.mark.parametrize(
    "table",
    ["calls", "call_parts", "events", "tool_runs", "incidents", "call_sources", "rolled_hours", "segment_position"],
)
def test_a_masked_table_has_the_columns_of_the_real_one(ask_as: As, table: str) -> None:
    whole, masked = (ask_as(role).ask(f"FROM {table} LIMIT 0").schema for role in ("admin", "viewer"))

    assert masked.equals(whole)


def test_what_a_viewer_gets_of_a_call_names_nobody(ask_as: As) -> None:
    everything = "".join(str(rows(ask_as("viewer"), f"FROM {table}")) for table in ("calls", "call_sources"))

    assert "claude-sonnet-5-5" in everything
    assert not [secret for secret in SECRETS if secret in everything]


def test_another_folder_has_other_names_and_the_same_one_keeps_them(
    connection: duckdb.DuckDBPyConnection, ask_as: As, folder: Path, tmp_path: Path
) -> None:
    assert new_doors(folder).pseudonym_key == new_doors(folder).pseudonym_key != new_doors(tmp_path).pseudonym_key
    assert stat.S_IMODE((folder / "pseudonym.key").stat().st_mode) == 0o600


def test_a_key_that_was_cut_off_is_told(tmp_path: Path) -> None:
    (tmp_path / "pseudonym.key").write_text("abc")

    with pytest.raises(CollectorError, match="holds no key of 32 bytes"):
        new_doors(tmp_path)


def test_a_column_is_hidden_until_somebody_has_decided_that_it_is_about_nobody(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """A new text column fails here: name it in `masks.SHOWN`, or, when it may name a person, in this list."""
    Masks(connection, "key")
    hidden = connection.execute(
        "SELECT c.table_name || '.' || c.column_name FROM duckdb_columns() c JOIN duckdb_views() v"
        " ON v.database_name = $masked AND v.view_name = c.table_name AND contains(v.sql, ') AS ' || c.column_name)"
        " WHERE c.database_name = current_database() AND NOT c.internal"
        " AND regexp_matches(v.sql, 'CAST\\(NULL AS [A-Z]+\\) AS ' || c.column_name || '\\b') ORDER BY ALL",
        {"masked": MASKED},
    ).fetchall()

    assert [name for (name,) in hidden] == [
        "call_parts.record",
        "calls.attributes",
        "events.attributes",
        "notices.trouble",
        "seen_bodies.hash",
    ]


@pytest.mark.parametrize(
    "sql",
    [
        "FROM calls.main.calls",
        "FROM main.calls",
        "FROM calls.calls",
        "FROM masked.main.calls",
        'FROM "calls"."main"."calls"',
        "SELECT (SELECT any_value(user_id) FROM calls.main.calls)",
        "SELECT 1 WHERE EXISTS (FROM main.calls)",
        "WITH c AS (FROM main.calls) FROM c",
        "WITH RECURSIVE c AS (SELECT 'x' AS u UNION ALL SELECT user_id FROM calls.main.calls) FROM c",
        "SELECT 1 UNION ALL SELECT user_id FROM main.calls",
        "FROM calls c JOIN calls.main.calls r ON c.span_id = r.span_id",
        "FROM calls, LATERAL (SELECT user_id FROM calls.main.calls)",
        "SELECT [x.user_id FOR x IN (SELECT list(c) FROM main.calls c)]",
        "FROM duckdb_views",
        "FROM duckdb_columns",
        "FROM duckdb_views()",
        "FROM duckdb_variables()",
        "FROM duckdb_settings()",
        "FROM duckdb_secrets()",
        "FROM information_schema.tables",
        "FROM pg_catalog.pg_views",
        "FROM pg_views",
        "FROM sqlite_master",
        "FROM pg_class",
        "FROM (SELECT * FROM (WITH pg_views AS (SELECT 1) FROM pg_views)) x, pg_views",
        "WITH Duckdb_Views AS (SELECT 1) FROM duckdb_views",
        "FROM query('FROM calls.main.calls')",
        "FROM query_table('calls.main.calls')",
        "FROM query_table(['calls'])",
        "FROM pragma_table_info('calls')",
        "FROM pragma_storage_info('calls.main.calls')",
        "FROM parquet_scan('calls')",
        "FROM read_text('pseudonym.key')",
        "FROM 'pseudonym.key'",
        "FROM sniff_csv('pseudonym.key')",
        "FROM glob('*')",
        "SELECT getvariable('pseudonym_key')",
        "SELECT GetVariable('pseudonym_key')",
        "SELECT current_setting('search_path')",
        "FROM (DESCRIBE calls)",
        "FROM (SHOW ALL TABLES)",
        "FROM (SUMMARIZE main.calls)",
        "FROM (DESCRIBE FROM calls.main.calls)",
        "PRAGMA show_tables",
        "EXPLAIN SELECT * FROM calls",
        "EXPLAIN ANALYZE SELECT * FROM calls",
        "USE calls",
        "SET search_path = 'calls.main'",
        "SET VARIABLE pseudonym_key = ''",
        "RESET VARIABLE pseudonym_key",
        "PREPARE p AS FROM calls.main.calls",
        "EXECUTE p",
        "CALL query('FROM calls')",
        "ATTACH ':memory:' AS m",
        "DETACH masked",
        "CREATE TEMP TABLE t AS FROM calls.main.calls",
        "CREATE MACRO m() AS TABLE FROM calls.main.calls",
        "COPY (FROM calls.main.calls) TO 'x'",
        "SELECT 1; FROM calls.main.calls",
        "FROM calls AT (VERSION => 1), main.calls",
        "FROM main.calls TABLESAMPLE 10%",
        "FROM main.calls UNPIVOT (v FOR n IN (user_id))",
        "SELECT * FROM calls POSITIONAL JOIN calls.main.calls",
        "VALUES ((SELECT any_value(user_id) FROM main.calls))",
        "SELECT json_execute_serialized_sql(json_serialize_sql('FROM calls.main.calls'))",
        "FROM json_execute_serialized_sql(json_serialize_sql('FROM calls.main.calls'))",
    ],
)  # fmt: skip
def test_no_question_of_a_viewer_leads_past_the_masks(ask_as: As, sql: str) -> None:
    with pytest.raises(QuestionRefusedError) as refused:
        ask_as("viewer").ask(sql)
    assert not [secret for secret in SECRETS if secret in str(refused.value)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT pg_get_viewdef(view_oid) AS told FROM (SELECT range AS view_oid FROM range(30000))",
        "SELECT sha256(user_id) AS told FROM calls",
        "WITH calls AS (SELECT user_id FROM calls) SELECT * FROM calls",
        "SELECT calls AS told FROM calls",
        "SELECT to_json(calls) AS told FROM calls",
        "SELECT calls.* FROM calls",
        "SELECT COLUMNS('user.*|session.*|custom.*|attr.*|tags') FROM calls",
        "SELECT list(c) AS told FROM calls c",
        "SELECT max_by(c, c.user_id) AS told FROM calls AS c(a, b)",
    ],
)
def test_what_is_answered_names_nobody(ask_as: As, folder: Path, sql: str) -> None:
    try:
        told = str(ask_as("viewer").ask(sql).to_pylist())
    except QuestionRefusedError as refused:
        told = str(refused)

    assert not [secret for secret in SECRETS if secret in told]
    assert (folder / "pseudonym.key").read_text() not in told


def test_questions_of_every_shape_are_answered_to_a_viewer(ask_as: As) -> None:
    viewer = ask_as("viewer")

    assert rows(viewer, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT sum(i) AS s"
                        " FROM n") == [{"s": 6}]  # fmt: skip
    assert rows(
        viewer,
        "WITH daily AS (SELECT feature, count(*) AS n FROM calls GROUP BY ALL), ranked AS (FROM daily)"
        " SELECT a.n FROM ranked a JOIN daily USING (feature), (VALUES (1)) v, range(1) ORDER BY ALL",
    ) == [{"n": 1}, {"n": 3}]


def test_only_who_may_have_jobs_done_has_them_done(ask_as: As) -> None:
    assert ask_as("operator").do("count", {}) == ask_as("admin").do("count", {}) == {"n": 1}
    with pytest.raises(QuestionRefusedError, match="count is not for a viewer"):
        ask_as("viewer").do("count", {})


def test_a_role_is_found_by_the_data_folder(ask_as: As, folder: Path) -> None:
    assert rows(connect(folder, "viewer"), "SELECT count(*) AS n FROM calls WHERE user_id = 'bob'") == [{"n": 0}]
    assert rows(connect(folder), "SELECT count(*) AS n FROM calls WHERE user_id = 'bob'") == [{"n": 1}]


def test_a_collector_that_knows_no_roles_shows_a_viewer_nothing(ask_as: As, tmp_path: Path) -> None:
    publish(tmp_path, "http://127.0.0.1:9", "owner")

    with pytest.raises(CollectorError, match="answers no viewer"):
        connect(tmp_path, "viewer").ask("SELECT 1")
