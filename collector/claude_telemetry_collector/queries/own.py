"""Questions of one's own: one SELECT, as somebody wrote it. What may be asked, the store judges."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

import pyarrow as pa

from claude_telemetry_collector.queries.window import Window
from claude_telemetry_collector.store import Reader

SINCE, UNTIL = "since", "until"
"""The ends of the window, which a question can name as `$since` and `$until`."""


def own_question(reader: Reader, sql: str, window: Window) -> pa.Table:
    """The rows of `sql`, in which `$since` and `$until` are the ends of `window`, without two columns of one name.

    Raises `QuestionRefusedError` for what may not be asked, is no SQL, or takes too long.
    """
    ends = {SINCE: window.start, UNTIL: window.end}
    named = {name: at for name, at in ends.items() if re.search(rf"\${name}\b", sql)}
    return with_names_told_apart(reader.ask(sql, named))


def with_names_told_apart(answer: pa.Table) -> pa.Table:
    """`answer`, where of a name that comes twice, as in a join of two tables, the second is numbered: `model_1`."""
    return answer.rename_columns(_told_apart(answer.column_names))


def _told_apart(names: Sequence[str]) -> list[str]:
    told: list[str] = []
    for name in names:
        unlike = (name if number == 0 else f"{name}_{number}" for number in itertools.count())
        told.append(next(other for other in unlike if other not in told and (other == name or other not in names)))
    return told
