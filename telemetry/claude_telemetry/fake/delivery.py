"""How an answer goes over the wire: its content encoding, the ends of its lines, the pieces that it is cut into."""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any, Literal

from claude_telemetry.fake.loopback import Exchange

Encoding = Literal["gzip", "deflate", "br", "zstd"]

_PACKAGES: Mapping[str, tuple[str, ...]] = {
    "br": ("brotli", "brotlicffi"),
    "zstd": ("compression.zstd", "backports.zstd", "zstandard"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How answers are delivered. Raises `ValueError` for an encoding whose package is not there."""

    encoding: Encoding | None = None
    """For clients that accept it; others get the answer as it is."""
    line_end: Literal["\n", "\r\n", "\r"] = "\n"
    """Of server-sent events."""
    pieces: Sequence[int] = ()
    """The bytes of each piece, over and over: `(1,)` is byte by byte, `(7, 100)` is 7, 100, 7, … Without them a stream
    goes out event by event and anything else as a whole."""

    def __post_init__(self) -> None:
        if any(length < 1 for length in self.pieces):
            raise ValueError(f"pieces are {tuple(self.pieces)}: give numbers of bytes from 1 up")
        if self.encoding is not None:
            _packer(self.encoding)


AS_IT_IS = Delivery()


class Outgoing:
    """One answer on its way out, packed and cut as its delivery says. Its methods raise `OSError` when the client is
    gone."""

    def __init__(self, exchange: Exchange, delivery: Delivery, headers: Mapping[str, str]) -> None:
        self._exchange = exchange
        self._headers = dict(headers)
        self._pack: Callable[[bytes], bytes] = bytes
        self._finish: Callable[[], bytes] = bytes
        if delivery.encoding is not None and delivery.encoding in (exchange.headers.get("accept-encoding") or ""):
            self._headers["content-encoding"] = delivery.encoding
            self._pack, self._finish = _packer(delivery.encoding)
        self._lengths: Iterator[int] | None = cycle(delivery.pieces) if delivery.pieces else None
        self._length = next(self._lengths) if self._lengths is not None else 0
        self._waiting = b""

    def whole(self, status: int, body: bytes) -> None:
        """An answer that is no stream."""
        if self._lengths is not None:
            self.begin(status)
            self.piece(body)
            return self.end()
        return self._exchange.send(status, self._headers, self._packed(body))

    def half(self, status: int, body: bytes) -> None:
        """Promises the whole answer, sends half of it and breaks the connection."""
        packed = self._packed(body)
        self._exchange.send_part_of(status, self._headers, packed, len(packed) // 2)

    def begin(self, status: int) -> None:
        """Starts a stream."""
        self._exchange.begin(status, self._headers)

    def piece(self, data: bytes) -> None:
        """The next part of a stream, which a client can read at once, unless pieces have lengths."""
        self._send(self._pack(data))

    def end(self) -> None:
        """The end of a stream."""
        self._send(self._finish())
        self._flush()
        self._exchange.end()

    def break_off(self) -> None:
        """Breaks the connection after what was sent of a stream."""
        self._flush()
        self._exchange.break_off()

    def _packed(self, body: bytes) -> bytes:
        return self._pack(body) + self._finish()

    def _send(self, data: bytes) -> None:
        if self._lengths is None:
            return self._exchange.piece(data)
        self._waiting += data
        while len(self._waiting) >= self._length:
            self._exchange.piece(self._waiting[: self._length])
            self._waiting = self._waiting[self._length :]
            self._length = next(self._lengths)
        return None

    def _flush(self) -> None:
        self._exchange.piece(self._waiting)
        self._waiting = b""


def _packer(encoding: str) -> tuple[Callable[[bytes], bytes], Callable[[], bytes]]:
    """What packs the parts of a body so that each can be unpacked as soon as it is there, and what ends the body."""
    if encoding in ("gzip", "deflate"):
        zipper = zlib.compressobj(wbits=31 if encoding == "gzip" else 15)
        return lambda data: zipper.compress(data) + zipper.flush(zlib.Z_SYNC_FLUSH), zipper.flush
    module = _package(encoding)
    if encoding == "br":
        brotli = module.Compressor()
        return lambda data: brotli.process(data) + brotli.flush(), brotli.finish
    if hasattr(module, "COMPRESSOBJ_FLUSH_BLOCK"):
        zstandard = module.ZstdCompressor().compressobj()
        block = module.COMPRESSOBJ_FLUSH_BLOCK
        return lambda data: zstandard.compress(data) + zstandard.flush(block), zstandard.flush
    zstd = module.ZstdCompressor()
    return lambda data: zstd.compress(data, zstd.FLUSH_BLOCK), zstd.flush


def _package(encoding: str) -> Any:
    names = _PACKAGES[encoding]
    for name in names:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise ValueError(f"install {names[0]} or {names[-1]} to have answers in the encoding {encoding}")
