"""Inflates a body piece by piece, and never holds more than is allowed, whatever the body would grow to."""

from __future__ import annotations

import sys
import zlib
from typing import Protocol

from claude_telemetry_collector.receive.refusal import Refusal, too_large

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CODINGS = ("identity", "gzip", "deflate", "zstd")

MOST_RATIO = 500
"""How many times its size a body may grow to. Batches of spans that differ only in ids and times reach 40."""
_FREE_BYTES = 4 * 1024 * 1024
"""Up to here, the ratio does not matter."""
_WBITS = {"gzip": 31, "deflate": 15}
_MOST_MEMBERS = 64
"""Concatenated gzip files and zstd frames are legal; thousands of empty ones in one body only cost time."""
_ZSTD_WINDOW_LOG = 23
"""8 MiB, which RFC 8878 says that every decoder should support; more would be memory that a sender decides about."""


class Inflating:
    """One body on its way in."""

    def __init__(self, coding: str, most_bytes: int) -> None:
        """`coding` is one of `CODINGS`; `most_bytes` is how large the body may become."""
        self._coding = coding
        self._most_bytes = most_bytes
        self._pieces: list[bytes] = []
        self._fed = 0
        self._size = 0
        self._member: _Member | None = None
        self._members = 0

    def feed(self, piece: bytes) -> int:
        """How many bytes came out. Raises a `Refusal` when they are too many, or `piece` is not what `coding` says."""
        before = self._size
        self._fed += len(piece)
        if self._coding == "identity":
            self._keep(piece)
            return self._size - before
        while piece:
            member = self._member or self._begun()
            try:
                # One byte more than allowed, to tell a body of just the right size from one that goes on.
                out, piece = member.take(piece, self._most_bytes - self._size + 1)
            except (zlib.error, zstd.ZstdError):
                raise Refusal(400, f"the body is not {self._coding}, although content-encoding says so") from None
            self._keep(out)
            if member.ended:
                self._member = None
        return self._size - before

    def whole(self) -> bytes:
        """Everything that came out. Raises a `Refusal` when the end is missing."""
        if self._member is not None:
            raise Refusal(400, f"the {self._coding} body stops before its end: it was cut on the way")
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)

    def _keep(self, out: bytes) -> None:
        self._size += len(out)
        if self._size > self._most_bytes:
            raise too_large(self._most_bytes)
        if self._size > _FREE_BYTES and self._size > MOST_RATIO * self._fed:
            raise Refusal(
                413,
                f"the body grows to more than {MOST_RATIO} times its size: send it without compression",
                reason="ratio",
            )
        self._pieces.append(out)

    def _begun(self) -> _Member:
        self._members += 1
        if self._members > (1 if self._coding == "deflate" else _MOST_MEMBERS):
            raise Refusal(400, f"the body goes on after the end of its {self._coding} data")
        self._member = _Zstd() if self._coding == "zstd" else _Zlib(_WBITS[self._coding])
        return self._member


class _Member(Protocol):
    """One compressed file; a body is several of them, one after the other."""

    ended: bool

    def take(self, piece: bytes, most_bytes: int) -> tuple[bytes, bytes]:
        """At most `most_bytes` that came out, and what is left of `piece`."""
        ...


class _Zlib:
    def __init__(self, wbits: int) -> None:
        self.ended = False
        self._inflate = zlib.decompressobj(wbits)

    def take(self, piece: bytes, most_bytes: int) -> tuple[bytes, bytes]:
        out = self._inflate.decompress(piece, most_bytes)
        self.ended = self._inflate.eof
        return out, self._inflate.unused_data if self.ended else self._inflate.unconsumed_tail


class _Zstd:
    def __init__(self) -> None:
        self.ended = False
        self._inflate = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG})

    def take(self, piece: bytes, most_bytes: int) -> tuple[bytes, bytes]:
        # It keeps what it did not get to. Whoever calls refuses the body then: it came to as much as it may.
        out = self._inflate.decompress(piece, most_bytes)
        self.ended = self._inflate.eof
        return out, self._inflate.unused_data if self.ended else b""
