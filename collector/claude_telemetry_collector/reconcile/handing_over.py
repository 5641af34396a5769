"""From the process that has the key to the process that holds the database.

A pull can be larger than what the store takes at once, so it travels in *parts*, as the job `billed`. The store keeps
parts in memory until it has the last one, and only then replaces what was there: half a pull changes nothing.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from claude_telemetry.errors import QuestionRefusedError
from claude_telemetry_collector.store.billed import BilledCost, BilledLog, BilledUsage, Pulled
from claude_telemetry_collector.store.remote import Store

JOB = "billed"

_BYTES_A_PART = 512 * 1024
"""Of rows: half of what the store takes as one body, so that the rest has room."""
_Row = TypeVar("_Row", BilledUsage, BilledCost)
_USAGE = tuple(field.name for field in fields(BilledUsage))
_COSTS = tuple(field.name for field in fields(BilledCost))


def store_pulled(store: Store, pulled: Pulled) -> None:
    """Has the store put `pulled` in the place of what the same family has said before about the same days: all of it,
    or, with an exception, nothing. Raises as `Store.do` does."""
    about = {
        "pull": secrets.token_hex(8),
        "columns": [*_USAGE, *_COSTS],
        "family": pulled.family,
        "since": pulled.since.isoformat(),
        "until": pulled.until.isoformat(),
        "refreshed_at": _told(pulled.refreshed_at),
        "fetched_at": _told(pulled.fetched_at),
    }
    rows = [("usage", _row_of(row, _USAGE)) for row in pulled.usage]
    rows += [("costs", _row_of(row, _COSTS)) for row in pulled.costs]
    parts = list(_parts(rows))
    for number, part in enumerate(parts):
        store.do(JOB, {**about, "part": number, "last": number == len(parts) - 1, **part})


class BilledJob:
    """The job `billed`, in the store process. One part at a time, as jobs are done."""

    def __init__(self, log: BilledLog) -> None:
        self._log = log
        self._pull: object = None
        self._next_part = 0
        self._usage: list[BilledUsage] = []
        self._costs: list[BilledCost] = []

    def __call__(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Takes a part. With the last one, answers how many rows of each kind are there now. Raises
        `QuestionRefusedError`."""
        if arguments.get("columns") != [*_USAGE, *_COSTS]:
            raise QuestionRefusedError(
                "this collector is of another version than the command: restart it, so that both are the same"
            )
        if arguments["part"] == 0:
            self._forget()
            self._pull = arguments["pull"]
        if arguments["pull"] != self._pull or arguments["part"] != self._next_part:
            raise QuestionRefusedError("another pull has come in between, or a part got lost: pull again")
        self._next_part += 1
        try:
            self._usage += [_read(row, BilledUsage, _USAGE) for row in arguments["usage"]]
            self._costs += [_read(row, BilledCost, _COSTS) for row in arguments["costs"]]
            if not arguments["last"]:
                return {}
            pulled = self._pulled(arguments)
        except (KeyError, TypeError, ValueError, InvalidOperation) as error:
            self._forget()
            raise QuestionRefusedError(f"a part of the pull cannot be read: {error}") from error
        self._forget()
        self._log.replace(pulled)
        return {"usage": len(pulled.usage), "costs": len(pulled.costs)}

    def _pulled(self, arguments: Mapping[str, Any]) -> Pulled:
        refreshed_at = arguments["refreshed_at"]
        return Pulled(
            family=arguments["family"],
            since=date.fromisoformat(arguments["since"]),
            until=date.fromisoformat(arguments["until"]),
            usage=tuple(self._usage),
            costs=tuple(self._costs),
            refreshed_at=None if refreshed_at is None else datetime.fromisoformat(refreshed_at),
            fetched_at=datetime.fromisoformat(arguments["fetched_at"]),
        )

    def _forget(self) -> None:
        self._pull, self._next_part, self._usage, self._costs = None, 0, [], []


def _parts(rows: Sequence[tuple[str, list[object]]]) -> Iterator[dict[str, list[list[object]]]]:
    """The rows by kind, in parts that are not too large; at least one part."""
    part, size = _empty_part(), 0
    for kind, row in rows:
        length = len(json.dumps(row))
        if size + length > _BYTES_A_PART:
            yield part
            part, size = _empty_part(), 0
        part[kind].append(row)
        size += length + 2
    yield part


def _empty_part() -> dict[str, list[list[object]]]:
    return {"usage": [], "costs": []}


def _row_of(row: BilledUsage | BilledCost, names: Sequence[str]) -> list[object]:
    return [_told(getattr(row, name)) for name in names]


def _told(value: object) -> object:
    """As JSON has it."""
    if isinstance(value, Decimal):
        return str(value)
    return value.isoformat() if isinstance(value, datetime) else value


def _read(values: Sequence[Any], record: Callable[..., _Row], names: Sequence[str]) -> _Row:
    """The row that was told like this. Raises `ValueError`."""
    return record(**{name: _meant(name, value) for name, value in zip(names, values, strict=True)})


def _meant(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name.endswith("_at"):
        return datetime.fromisoformat(value)
    return Decimal(value) if name.endswith("_usd") else value
