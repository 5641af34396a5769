"""A question on its way to the store: one JSON object with `sql` and `parameters`.

JSON has no times and no exact decimals. They travel as an object with one key that says what the text in it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, cast

from claude_telemetry.errors import QuestionRefusedError

_TEXT_FORMS: Mapping[str, Callable[[str], object]] = {
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "decimal": Decimal,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """SQL, and the values of the `$name`s in it."""

    sql: str
    parameters: Mapping[str, object] = field(default_factory=dict[str, object])


def written(sql: str, parameters: Mapping[str, object] | None) -> bytes:
    """The question as it travels. Raises `QuestionRefusedError` for a parameter that is no plain value."""
    return json.dumps(
        {"sql": sql, "parameters": {name: _told(name, value) for name, value in (parameters or {}).items()}}
    ).encode()


def read(body: bytes) -> Question:
    """The question in `body`. Raises `QuestionRefusedError` when there is none."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise QuestionRefusedError("the question is not JSON") from error
    if not isinstance(said, dict):
        raise QuestionRefusedError('a question is a JSON object: {"sql": "SELECT …", "parameters": {}}')
    told = cast("dict[str, object]", said)
    sql, parameters = told.get("sql"), told.get("parameters", {})
    if not isinstance(sql, str) or not isinstance(parameters, dict):
        raise QuestionRefusedError('a question has a text "sql" and an object "parameters"')
    values = cast("dict[str, object]", parameters)
    return Question(sql=sql, parameters={name: _meant(name, value) for name, value in values.items()})


def read_arguments(body: bytes) -> Mapping[str, Any]:
    """The arguments of a job: any JSON object. Raises `QuestionRefusedError` when there is none."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise QuestionRefusedError("the arguments are not JSON") from error
    if not isinstance(said, dict):
        raise QuestionRefusedError("the arguments of a job are a JSON object")
    return cast("dict[str, Any]", said)


def _told(name: str, value: object) -> object:
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Decimal):
        return {"decimal": str(value)}
    if isinstance(value, datetime):
        return {"datetime": value.isoformat()}
    if isinstance(value, date):
        return {"date": value.isoformat()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_told(name, item) for item in cast("Sequence[object]", value)]
    raise QuestionRefusedError(
        f"the parameter {name} is a {type(value).__name__}: give text, a number, a time or a list"
    )


def _meant(name: str, value: Any) -> object:
    if isinstance(value, dict):
        for form, parse in _TEXT_FORMS.items():
            text = cast("dict[str, object]", value).get(form)
            if isinstance(text, str):
                try:
                    return parse(text)
                except (ValueError, InvalidOperation) as error:
                    raise QuestionRefusedError(f"the parameter {name} is no {form}: {text!r}") from error
        raise QuestionRefusedError(f"the parameter {name} is an object: expected one of {', '.join(_TEXT_FORMS)}")
    if isinstance(value, list):
        return [_meant(name, item) for item in cast("list[object]", value)]
    return value
