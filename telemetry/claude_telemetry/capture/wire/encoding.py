"""Content encodings, undone as the bytes arrive.

A body that is read along is seen as it came over the wire. `br` and `zstd` are undone by the packages that the HTTP
library itself uses for them: it asks the server for an encoding only when it can import the package.
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable
from typing import Any, Protocol

Decoder = Callable[[bytes], bytes]

MOST = 64 * 1024 * 1024
"""Bytes that one chunk may become. What becomes more was made to fill memory, and is not read along."""

_MOST_TIMES = 5
"""Encodings on top of each other that are undone: as many as httpx2 undoes (2.16, `_decoders.py`)."""


def decoder_for(encoding: str) -> Decoder:
    """What undoes a `content-encoding`, chunk by chunk. Raises `ValueError` for one that we cannot undo.

    So does the decoder, for a chunk that is not so encoded or becomes too large.
    """
    names = [name for part in encoding.split(",") if (name := part.strip().lower()) not in ("", "identity")]
    if len(names) > _MOST_TIMES:
        raise ValueError(f"the body is encoded {len(names)} times over")
    if not names:
        return _as_it_is
    # Undone in the opposite order of how they were done.
    first, *others = [_decoder(name) for name in reversed(names)]
    return _chained(first, others) if others else first


def _decoder(name: str) -> Decoder:
    if name in ("gzip", "x-gzip"):
        return _Members(lambda: zlib.decompressobj(zlib.MAX_WBITS | 16))
    if name == "deflate":
        return _Members(_Deflated, only_one=True)
    if name == "br":
        return _Members(_made_by(("brotli", "brotlicffi"), _Brotli), only_one=True)
    if name == "zstd":
        return _Members(_made_by(("compression.zstd", "backports.zstd", "zstandard"), _zstd))
    raise ValueError("the body has an encoding that is not known here")


class _Member(Protocol):
    """What undoes one member of a body: gzip's word for what zstd calls a frame. Such as zlib's own."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Members:
    """Undoes a body of members, one after another. Bytes after the last one that are no member are ignored."""

    __slots__ = ("_first", "_member", "_new", "_only_one", "_over")

    def __init__(self, new: Callable[[], _Member], *, only_one: bool = False) -> None:
        self._new = new
        self._member = new()
        self._only_one = only_one
        self._first = True
        self._over = False

    def __call__(self, chunk: bytes) -> bytes:
        pieces: list[bytes] = []
        room = MOST
        while chunk and not self._over:
            if self._member.eof:
                self._next()
                continue
            pieces.append(piece := self._undone(chunk, room))
            room -= len(piece)
            if room <= 0:
                raise ValueError("a chunk of the body becomes too large to read along")
            chunk = self._member.unused_data if self._member.eof else b""
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _next(self) -> None:
        self._first = False
        self._over = self._only_one
        self._member = self._new()

    def _undone(self, chunk: bytes, room: int) -> bytes:
        try:
            return self._member.decompress(chunk, room)
        except Exception as error:
            # Each package has an error class of its own, and `brotli` and `zstd` may not be there to import theirs.
            if self._first:
                raise ValueError("the body is not encoded as its header says") from error
            self._over = True
            return b""


class _Deflated:
    """The `deflate` of the standard is zlib's format, but some servers send it without zlib's two bytes of header."""

    __slots__ = ("_head", "_inner")

    def __init__(self) -> None:
        self._head = b""
        self._inner: _Member | None = None

    @property
    def eof(self) -> bool:
        return self._inner is not None and self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return b"" if self._inner is None else self._inner.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        if self._inner is None:
            data = self._head = self._head + data
            if len(data) < 2:
                return b""
            # RFC 1950, 2.2: the method, and a check that makes both bytes a multiple of 31.
            has_header = data[0] & 0x0F == zlib.DEFLATED and int.from_bytes(data[:2]) % 31 == 0
            self._inner = zlib.decompressobj(zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS)
        return self._inner.decompress(data, max_length)


class _Brotli:
    __slots__ = ("_process",)

    eof = False
    unused_data = b""

    def __init__(self, module: Any) -> None:
        decompressor = module.Decompressor()
        self._process: Callable[..., bytes] = getattr(decompressor, "process", None) or decompressor.decompress

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        try:
            return self._process(data, output_buffer_limit=max_length)
        except TypeError:
            return self._process(data)  # brotli before 1.2 knows no limit


class _Zstandard:
    """The members of the `zstandard` package, whose `decompress` knows no limit."""

    __slots__ = ("_inner",)

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    @property
    def eof(self) -> bool:
        return bool(self._inner.eof)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._inner.unused_data)

    def decompress(self, data: bytes, max_length: int, /) -> bytes:  # noqa: ARG002 - the protocol's
        return bytes(self._inner.decompress(data))


def _zstd(module: Any) -> Any:
    decompressor = module.ZstdDecompressor()
    return _Zstandard(decompressor.decompressobj()) if hasattr(decompressor, "decompressobj") else decompressor


def _made_by(names: tuple[str, ...], make: Callable[[Any], Any]) -> Callable[[], _Member]:
    """What makes members with the first of these packages that is there. Raises `ValueError` when none is."""
    for name in names:
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        return lambda: make(module)
    raise ValueError(f"install {names[-1]} so that bodies in this encoding can be read along")


def _chained(first: Decoder, others: list[Decoder]) -> Decoder:
    def undo(chunk: bytes) -> bytes:
        chunk = first(chunk)
        for decode in others:
            chunk = decode(chunk)
        return chunk

    return undo


def _as_it_is(chunk: bytes) -> bytes:
    return chunk
