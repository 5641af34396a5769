"""Columns of Arrow out of places in the data, without a Python object for each value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from claude_telemetry_collector.decode.columnar.wire import Bytes, Data, Flags, Ints

Array: TypeAlias = "pa.Array[Any]"
"""A column of Arrow."""

_HEX: npt.NDArray[np.uint16] = np.frombuffer(bytes(range(256)).hex().encode(), dtype=np.uint16)


def texts(data: Data, start: Ints, end: Ints, present: Flags) -> Array:
    """What lies from `start` to `end` each, in the order of the data; nothing where it is not `present`.

    Whether it is UTF-8 is not looked at.
    """
    count = len(start)
    bounds = np.zeros(2 * count + 1, dtype=np.int32)
    bounds[0:-1:2] = np.where(present, start, 0)
    bounds[1:-1:2] = np.where(present, end, 0)
    np.maximum.accumulate(bounds, out=bounds)
    bounds[-1] = bounds[-2] if count else 0
    pieces = pa.Array.from_buffers(pa.binary(), 2 * count, [None, buffer_of(bounds), buffer_of(data.raw)])
    taken = pieces.take(integers(np.arange(0, 2 * count, 2, dtype=np.int64), present))
    buffers: list[Any] = taken.buffers()
    return pa.StringArray.from_buffers(len(taken), buffers[1], buffers[2], buffers[0], taken.null_count)


def not_plain(array: Array) -> Ints:
    """Which texts of `array` hold anything but ASCII, or a NUL."""
    buffers: list[Any] = array.buffers()
    if buffers[2] is None:
        return np.zeros(0, dtype=np.int64)
    bounds = np.frombuffer(buffers[1], dtype=np.int32)[array.offset : array.offset + len(array) + 1]
    held = np.frombuffer(buffers[2], dtype=np.int8)[bounds[0] : bounds[-1]]
    if len(held) == 0 or held.min() > 0:
        return np.zeros(0, dtype=np.int64)
    places = np.flatnonzero(held <= 0) + bounds[0]
    search: Any = np.searchsorted
    behind: Ints = search(bounds, places, side="right")
    return np.flatnonzero(np.bincount(behind - 1))


def hexadecimal(data: Data, start: Ints, size: int, present: Flags | None = None) -> Array:
    """The `size` bytes from `start` on each, as lower-case hexadecimal digits."""
    raw: Bytes = data.bytes.take(start[:, None] + np.arange(size))
    digits = _HEX.take(raw)
    bounds = np.arange(len(start) + 1, dtype=np.int32) * np.int32(2 * size)
    return pa.StringArray.from_buffers(len(start), buffer_of(bounds), buffer_of(digits), _nulls(present))


def integers(values: Ints, present: Flags | None = None, of: pa.DataType | None = None) -> Array:
    """64 bits each, as `of`; `None` for `int64`."""
    return pa.Array.from_buffers(of or pa.int64(), len(values), [_nulls(present), buffer_of(values)])


def flags(values: Flags, present: Flags | None = None) -> Array:
    return pa.Array.from_buffers(pa.bool_(), len(values), [_nulls(present), bitmap(values)])


def money(picodollars: Ints, present: Flags) -> Array:
    """As `DECIMAL(18,12)` has it."""
    wide = np.zeros((len(picodollars), 2), dtype=np.int64)
    wide[:, 0] = picodollars
    return pa.Array.from_buffers(pa.decimal128(18, 12), len(picodollars), [_nulls(present), buffer_of(wide)])


def bitmap(values: Flags) -> pa.Buffer:
    return buffer_of(np.packbits(values, bitorder="little"))


def _nulls(present: Flags | None) -> pa.Buffer | None:
    return None if present is None or present.all() else bitmap(present)


def repeated(values: Array, which: Ints) -> Array:
    """One of `values` a row."""
    made: Any = pa.DictionaryArray
    array: Array = made.from_arrays(integers(which), values)
    return array


def picked(values: Array, which: Ints, present: Flags | None = None) -> Array:
    """Those of `values`; nothing where it is not `present`."""
    return values.take(integers(which, present))


def one_of(values: Array, names: Sequence[str]) -> Flags:
    """Which of `values` are among `names`."""
    compute: Any = pc
    return flags_of(compute.is_in(values, value_set=pa.array(names, pa.string())))


def codes_of(values: Array) -> tuple[Ints, int]:
    """A number for each of `values`, alike for those that are, and how many numbers there are."""
    binary: Any = values.view(pa.binary())
    encoded: Any = binary.dictionary_encode()
    codes: Ints = encoded.indices.to_numpy().astype(np.int64)
    return codes, len(encoded.dictionary)


def are_there(values: Array) -> Flags:
    """Which of `values` are known."""
    compute: Any = pc
    return flags_of(compute.is_valid(values))


def are_alike(some: Array, others: Array) -> Flags:
    """Where both are the same, or both unknown."""
    compute: Any = pc
    return flags_of(compute.equal(some, others)) | ~(are_there(some) | are_there(others))


def flags_of(found: Array) -> Flags:
    """What Arrow found, where unknown is no."""
    certain: Any = pc.fill_null(found, pa.scalar(False))
    found_flags: Flags = certain.to_numpy(zero_copy_only=False)
    return found_flags.copy()


def buffer_of(values: Any) -> pa.Buffer:
    """The memory of an array of numpy, or of bytes."""
    return pa.py_buffer(values)
