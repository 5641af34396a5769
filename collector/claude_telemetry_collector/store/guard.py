"""Which questions from other processes are answered: one SELECT, of tables, that changes nothing and reaches nothing.

The engine's own parser says what a question is, so nothing can mean one thing to the guard and another to the engine.
The guard is the first of three walls. Behind it stand the read-only transaction (`LocalReader`) and an engine that is
cut off from files, networks and its own settings (`open_database`).
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Iterator
from threading import Lock
from typing import Any, cast

import duckdb

from claude_telemetry.errors import QuestionRefusedError
from claude_telemetry_collector.store.masks import Masks

_MAX_SQL = 100_000
_VERDICTS = 512

_NODES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
"""Kinds of query. Whatever else a WITH may hold (DuckDB 2.0 lets it INSERT) is refused."""

_TABLE_FUNCTIONS = frozenset({"generate_series", "generate_subscripts", "json_each", "json_tree", "range", "unnest"})
"""What may stand in FROM with parentheses. The rest reads files, tells about the engine, or runs SQL from text."""

_FUNCTIONS = frozenset({"current_setting", "getenv", "getvariable", "nextval", "read_blob", "read_text", "write_log"})
"""Functions that reach beyond the rows, and are refused."""

_SOURCES = frozenset({"BASE_TABLE", "EMPTY", "EXPRESSION_LIST", "JOIN", "SUBQUERY", "TABLE_FUNCTION"})
"""What may stand in FROM where only some tables may be asked. `DESCRIBE` and `SHOW` there tell of all of them."""


class Guard:
    """Judges SQL, once per text. Thread-safe.

    With `masks`, only what they cover may be asked, by its plain name: a name with a schema before it would lead past
    them, and one of the engine's own would tell about them.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, masks: Masks | None = None) -> None:
        self._connection = connection
        self._masks = masks
        self._verdicts: OrderedDict[str, str | None] = OrderedDict()
        self._lock = Lock()

    def check(self, sql: str) -> None:
        """Raises `QuestionRefusedError`, with the reason, unless `sql` may be asked."""
        with self._lock:
            known = sql in self._verdicts
            reason = self._verdicts.get(sql)
            if known:
                self._verdicts.move_to_end(sql)
        if not known:
            reason = self._judge(sql)
            with self._lock:
                self._verdicts[sql] = reason
                if len(self._verdicts) > _VERDICTS:
                    self._verdicts.popitem(last=False)
        if reason is not None:
            raise QuestionRefusedError(reason)

    def _judge(self, sql: str) -> str | None:
        if len(sql) > _MAX_SQL:
            return f"the question has more than {_MAX_SQL} characters"
        cursor = self._connection.cursor()
        try:
            text = cursor.execute("SELECT json_serialize_sql($sql)", {"sql": sql}).fetchall()[0][0]
            parsed = json.loads(text)
        except duckdb.Error as error:
            return str(error)
        except RecursionError:
            return "the question is nested too deeply"
        finally:
            cursor.close()
        if parsed["error"]:
            return _refusal(str(parsed["error_type"]), str(parsed["error_message"]))
        if len(parsed["statements"]) != 1:
            return f"give exactly one SELECT: this is {len(parsed['statements'])} statements"
        reason = next(_found(parsed["statements"][0], _objection), None)
        if reason is None and self._masks is not None:
            reason = _unmasked(parsed["statements"][0], self._masks)
        return reason


def _refusal(kind: str, message: str) -> str:
    if kind == "not implemented":
        return "only a SELECT is answered: the collector alone writes, and settings are its own"
    return f"this is no SQL that DuckDB understands: {message}"


def _unmasked(parsed: object, masks: Masks) -> str | None:
    """What in the statement would lead past the masks."""
    own_names = {name.lower() for name in _found(parsed, _own_name)}
    taken = own_names & masks.foreign_names
    if taken:
        # Where the question's own name does not reach, it would be the other thing's.
        return f"{min(taken)} is the name of something else here: give that part of the question another"
    known = own_names | masks.names

    def leads_past(fields: dict[str, Any]) -> str | None:
        # What has both stands in FROM.
        if "alias" in fields and "sample" in fields and fields.get("type") not in _SOURCES:
            return "that may not stand in FROM: ask the tables, such as calls, by their names"
        if fields.get("type") != "BASE_TABLE":
            return None
        path = [str(name) for name in fields["qualified_name"]["path"]]
        if fields["schema_name"] or fields["catalog_name"] or len(path) != 1 or path[0].lower() not in known:
            return f"{'.'.join(path)} may not be asked: ask the tables, such as calls, by their names alone"
        return None

    return next(_found(parsed, leads_past), None)


def _own_name(fields: dict[str, Any]) -> str | None:
    """The name that a question gives to a part of itself, with `WITH`."""
    value = fields.get("value")
    if "key" in fields and isinstance(value, dict) and "query_node" in value:
        return str(fields["key"])
    return str(fields["cte_name"]) if "cte_name" in fields else None


def _found(parsed: object, look_at: Callable[[dict[str, Any]], str | None]) -> Iterator[str]:
    """What `look_at` has to say about the parts of a statement, in no order. Not recursive: questions can be nested
    deeply."""
    waiting = [parsed]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting.extend(cast("list[object]", part))
        elif isinstance(part, dict):
            fields = cast("dict[str, Any]", part)
            waiting.extend(fields.values())
            said = look_at(fields)
            if said is not None:
                yield said


def _objection(fields: dict[str, Any]) -> str | None:
    kind = str(fields.get("type"))
    if kind.endswith("_NODE") and kind not in _NODES:
        return "only a SELECT is answered, also inside WITH"
    if kind == "TABLE_FUNCTION":
        name = str(fields["function"].get("function_name", "")).lower()
        if name not in _TABLE_FUNCTIONS:
            return f"{name}() may not be asked: ask the tables, such as calls, attempts and tool_uses"
    if fields.get("class") == "FUNCTION" and str(fields.get("function_name", "")).lower() in _FUNCTIONS:
        return f"{fields['function_name']}() may not be asked: it reaches beyond the rows"
    return None
