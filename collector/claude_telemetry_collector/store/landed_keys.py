"""What is there, as far as that can be told without asking the database.

What has landed lately is remembered in a *Bloom filter*: it may take something new for something that is there, and
then the database is asked, but never the other way round. A filter has two *generations*. Once the younger is full, the
older is forgotten.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

import duckdb
import numpy as np
import numpy.typing as npt

from claude_telemetry_collector.decode.columnar import Flags, Ints, mixed
from claude_telemetry_collector.store.arrow import stored
from claude_telemetry_collector.store.copies import SAME_CALL

_CALL_WORDS, _MOST_CALLS = 1 << 22, 6_000_000
"""32 MiB a generation, and a minute of 100,000 calls a second. Of what is not there, one in ten thousand is then taken
for something that is."""
_BODY_WORDS, _MOST_BODIES = 1 << 20, 1_500_000
_BITS = 6
"""That a key sets, in one word of 64."""
_US = timedelta(microseconds=1)
_REACH_US = SAME_CALL // _US
_LATELY = timedelta(minutes=1)
_MOST_LOADED = 500_000
"""At a start. Of calls from before, the database is asked; bodies from before are told by their spans."""
_NEVER_US = -(2**62)


class _Filter:
    def __init__(self, words: int, most_keys: int) -> None:
        self._size, self._most_keys = words, most_keys
        self._generations = [np.zeros(words, dtype=np.uint64)]
        self._keys = 0
        self.generations_begun = 0

    def may_have(self, keys: Ints) -> Flags:
        """Which of `keys` may have been added: all others were not, unless they are forgotten."""
        place, bits = self._places(keys)
        found = np.zeros(len(keys), dtype=np.bool_)
        for words in self._generations:
            found |= (words.take(place) & bits) == bits
        return found

    def add(self, keys: Ints) -> None:
        if self._keys and self._keys + len(keys) > self._most_keys:
            self._generations = [self._generations[-1], np.zeros(self._size, dtype=np.uint64)]
            self._keys = 0
            self.generations_begun += 1
        place, bits = self._places(keys)
        # Two keys may meet in one word, so that `|=` would lose one of them.
        np.bitwise_or.at(self._generations[-1], place, bits)
        self._keys += len(keys)

    def _places(self, keys: Ints) -> tuple[Ints, npt.NDArray[np.uint64]]:
        """The word of each key, and the bits that it sets there."""
        mixture = keys.view(np.uint64)
        bits = np.zeros(len(keys), dtype=np.uint64)
        for turn in range(_BITS):
            bits |= np.uint64(1) << ((mixture >> np.uint64(22 + 6 * turn)) & np.uint64(63))
        return (mixture & np.uint64(self._size - 1)).astype(np.int64), bits


class LandedBodies:
    """The hashes of the bodies that are there. One that is forgotten is told by its spans."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._filter = _Filter(_BODY_WORDS, _MOST_BODIES)
        rows = cursor.execute(
            "SELECT hash FROM seen_bodies ORDER BY seen_at DESC LIMIT $most", {"most": _MOST_LOADED}
        ).fetchall()
        self.add([bytes(value) for (value,) in rows])

    def maybe(self, hashes: Collection[bytes]) -> list[bytes]:
        """Those of `hashes` that may be there."""
        found = self._filter.may_have(_words(hashes))
        return [value for value, may_be in zip(hashes, found.tolist(), strict=True) if may_be]

    def add(self, hashes: Collection[bytes]) -> None:
        """What is there from now on. It does no harm when in the end it is not."""
        if hashes:
            self._filter.add(_words(hashes))


class LandedKeys:
    """The keys of the calls that are there, and from which time on all are known. For one thread."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, now: datetime) -> None:
        self._filter = _Filter(_CALL_WORDS, _MOST_CALLS)
        self._last_us = [_NEVER_US, _NEVER_US]
        """When the last call of each generation began."""
        since = {"since": stored(now - _LATELY)}
        count, last = cursor.execute(_LAST_SQL.format(">="), since).fetchall()[0]
        if count <= _MOST_LOADED:
            rows = cursor.execute(_SINCE_SQL, since).fetchall()
            ids = bytes.fromhex("".join(text for text, _ in rows))
            self.add(_keys(ids), np.array([at for _, at in rows], dtype=np.int64))
            _, last = cursor.execute(_LAST_SQL.format("<"), since).fetchall()[0]
        self._known_from_us = _NEVER_US if last is None else int(last) + 1

    def may_be_there(self, keys: Ints, started_us: Ints) -> Flags:
        """Which of these may be there: about all others it is certain that they are not."""
        return self._filter.may_have(keys) | (started_us - _REACH_US < self._known_from_us)

    def add(self, keys: Ints, started_us: Ints) -> None:
        """What is there from now on. It does no harm when in the end it is not."""
        if not len(keys):
            return
        generations = self._filter.generations_begun
        self._filter.add(keys)
        if self._filter.generations_begun > generations:
            # What the generation before the last had is forgotten.
            self._known_from_us = max(self._known_from_us, self._last_us[0] + 1)
            self._last_us = [self._last_us[1], _NEVER_US]
        self._last_us[1] = max(self._last_us[1], int(started_us.max()))


_THERE = (
    "(SELECT trace_id, span_id, started_at FROM calls UNION ALL SELECT trace_id, span_id, started_at FROM call_parts)"
)
_LAST_SQL = f"SELECT count(*), epoch_us(max(started_at)) FROM {_THERE} WHERE started_at {{}} $since"  # noqa: S608
_SINCE_SQL = (
    f"SELECT trace_id || span_id AS ids, epoch_us(started_at) FROM {_THERE} WHERE started_at >= $since"  # noqa: S608
    # Others have none that a span could have.
    " AND regexp_full_match(trace_id || span_id, '[0-9a-f]{48}')"
)
"""Names of columns, and nothing from outside."""


def keys_of(ids: Iterable[tuple[str, str]]) -> Ints:
    """The keys of calls with these trace and span ids, in hexadecimal."""
    return _keys(bytes.fromhex("".join(trace_id + span_id for trace_id, span_id in ids)))


def _keys(raw: bytes) -> Ints:
    words = np.frombuffer(raw, dtype="<u8").reshape(-1, 3)
    return mixed(words[:, 0], words[:, 1], words[:, 2])


def _words(hashes: Collection[bytes]) -> Ints:
    """The first 64 bits of each: they are as good as any."""
    return np.frombuffer(b"".join(value[:8].ljust(8, b"\0") for value in hashes), dtype=np.int64)
