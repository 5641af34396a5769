"""Which calls that came as columns can land as they are: those that are new, there once, and told of by nobody else."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np

from claude_telemetry_collector.decode import LandedCall, LandedPart
from claude_telemetry_collector.decode.columnar import Columns, Flags, integers
from claude_telemetry_collector.decode.span import EPOCH
from claude_telemetry_collector.store.copies import SAME_CALL
from claude_telemetry_collector.store.landed_keys import LandedKeys, keys_of
from claude_telemetry_collector.store.pieces import Key, Piece, key_of, start_of
from claude_telemetry_collector.store.regrouping import Regrouping

_US = timedelta(microseconds=1)


class Newness:
    """Within the transaction that is open at `cursor`. For one thread."""

    def __init__(
        self,
        cursor: duckdb.DuckDBPyConnection,
        regrouping: Regrouping,
        copies_there: Callable[[Mapping[Key, datetime], timedelta], Collection[Key]],
    ) -> None:
        """`copies_there`: asks the database which of these keys are there, begun within that of the time given."""
        self._cursor = cursor
        self._regrouping = regrouping
        self._copies_there = copies_there
        self._keys: LandedKeys | None = None

    def alone(self, columns: Columns, told: Sequence[LandedCall], parts: Sequence[LandedPart]) -> Flags:
        """Which of `columns` are new, there once, and told of by nobody else, there or in `told` or `parts`."""
        alone = ~self._regrouping.met(columns, told, parts)
        others: list[Piece] = [*told, *parts]
        alone &= ~np.isin(columns.key, keys_of(map(key_of, others)))
        _, which, count = np.unique(columns.key, return_inverse=True, return_counts=True)
        alone &= count[which] == 1
        maybe = np.flatnonzero(alone & self._keys_there().may_be_there(columns.key, columns.started_us))
        if len(maybe):
            asked = columns.calls.select(["trace_id", "span_id", "started_at"]).take(integers(maybe)).to_pydict()
            keys = list(zip(asked["trace_id"], asked["span_id"], strict=True))
            there = self._copies_there(dict(zip(keys, asked["started_at"], strict=True)), SAME_CALL)
            alone[[place for place, key in zip(maybe.tolist(), keys, strict=True) if key in there]] = False
        return alone

    def remember(self, columns: Columns | None, told: Sequence[LandedCall], parts: Sequence[LandedPart]) -> None:
        """That all of it is there from now on. It does no harm when in the end it is not."""
        if columns is not None:
            self._keys_there().add(columns.key, columns.started_us)
        if self._keys is not None and (told or parts):
            pieces: list[Piece] = [*told, *parts]
            self._keys.add(keys_of(map(key_of, pieces)), np.array([(start_of(one) - EPOCH) // _US for one in pieces]))

    def _keys_there(self) -> LandedKeys:
        if self._keys is None:
            self._keys = LandedKeys(self._cursor, datetime.now(UTC))
        return self._keys
