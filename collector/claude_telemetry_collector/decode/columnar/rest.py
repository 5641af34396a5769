"""What comes with a call and is no column: nearly the same with every call of an application.

So each combination is read once, as the reference reads it, and the calls are told which one is theirs.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pyarrow as pa
from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from claude_telemetry_collector.decode import reference
from claude_telemetry_collector.decode.columnar import texts
from claude_telemetry_collector.decode.columnar.bodies import Place, resource_of
from claude_telemetry_collector.decode.columnar.wire import Data, Flags, Ints
from claude_telemetry_collector.decode.facts import bounded

_MOST_STATES = 2**62
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


class Combinations:
    """Tells owners apart by what they have, one attribute after the other."""

    def __init__(self, data: Data, first: Ints) -> None:
        """`first`: a number for each owner, by which they differ to begin with."""
        self._data = data
        self._state, self._states = first.astype(np.int64), int(first.max(initial=0)) + 1
        self._had: list[tuple[Ints, Ints, Ints]] = []

    def add(self, owner: Ints, start: Ints, end: Ints) -> None:
        """Attributes of some owners, each of which is there once, in the order of the data."""
        found, count = texts.codes_of(texts.texts(self._data, start, end, np.ones(len(owner), dtype=np.bool_)))
        kinds = count + 1
        if self._states * kinds >= _MOST_STATES:
            _, self._state = np.unique(self._state, return_inverse=True)
            self._states = len(self._state)
        codes = np.zeros(len(self._state), dtype=np.int64)
        codes[owner] = found + 1
        self._state = self._state * kinds + codes
        self._states *= kinds
        self._had.append((owner, start, end))

    def told(self) -> tuple[Ints, list[tuple[bytes, ...]], Ints]:
        """An owner of each combination, its attributes, and by owner which combination is its own."""
        _, examples, which = np.unique(self._state, return_index=True, return_inverse=True)
        attributes: list[list[bytes]] = [[] for _ in examples]
        place = np.full(len(self._state), -1, dtype=np.int64)
        place[examples] = np.arange(len(examples))
        for owner, start, end in self._had:
            for at in np.flatnonzero(place[owner] >= 0).tolist():
                attributes[place[owner[at]]].append(self._data.raw[start[at] : end[at]])
        return examples, [tuple(pairs) for pairs in attributes], which


def attributes_of(combinations: Combinations, places: Sequence[Place], place_of: Ints) -> tuple[texts.Array, Flags]:
    """The attributes of each owner as JSON text, and which owners have some that cannot be read."""
    examples, attributes, which = combinations.told()
    groups = [places[int(place)].group for place in place_of[examples]]
    found = [_attributes(group, pairs) for group, pairs in zip(groups, attributes, strict=True)]
    odd = np.array([text is None for text in found], dtype=np.bool_)
    column = texts.repeated(pa.array(found, pa.string()), which)
    return column, odd[which]


@lru_cache(maxsize=4096)
def _attributes(group: bytes, pairs: tuple[bytes, ...]) -> str | None:
    """As JSON, what is kept of `pairs` and of the resource in `group`; `None` when that cannot be read."""
    try:
        others = reference.attributes_in([KeyValue.FromString(pair) for pair in pairs])
    except DecodeError:
        return None
    resource = resource_of(group)
    told = {"resource": dict(resource.others)} if resource is not None and resource.others else {}
    return _ENCODER.encode(bounded(told | others))
