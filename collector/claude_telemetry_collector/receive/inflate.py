"""Inflates a body piece by piece, and never holds more than is allowed, whatever the body would grow to."""

from __future__ import annotations

import zlib

from claude_telemetry_collector.receive.refusal import Refusal, too_large

CODINGS = ("identity", "gzip", "deflate")

_WBITS = {"gzip": 31, "deflate": 15}
_MOST_MEMBERS = 64
"""Concatenated gzip files are legal; thousands of empty ones in one body only cost time."""


class Inflating:
    """One body on its way in."""

    def __init__(self, coding: str, most_bytes: int) -> None:
        """`coding` is one of `CODINGS`; `most_bytes` is how large the body may become."""
        self._coding = coding
        self._wbits = _WBITS.get(coding)
        self._most_bytes = most_bytes
        self._pieces: list[bytes] = []
        self._size = 0
        self._member = zlib.decompressobj()
        self._members = 0
        self._within = False
        """Whether a member has begun and not ended."""

    def feed(self, piece: bytes) -> int:
        """How many bytes came out. Raises a `Refusal` when they are too many, or `piece` is not what `coding` says."""
        before = self._size
        if self._wbits is None:
            self._keep(piece)
            return self._size - before
        while piece:
            if not self._within:
                self._begin(self._wbits)
            try:
                # One byte more than allowed, to tell a body of just the right size from one that goes on.
                self._keep(self._member.decompress(piece, self._most_bytes - self._size + 1))
            except zlib.error:
                raise Refusal(400, f"the body is not {self._coding}, although content-encoding says so") from None
            self._within = not self._member.eof
            piece = self._member.unconsumed_tail if self._within else self._member.unused_data
        return self._size - before

    def whole(self) -> bytes:
        """Everything that came out. Raises a `Refusal` when the end is missing."""
        if self._within:
            raise Refusal(400, f"the {self._coding} body stops before its end: it was cut on the way")
        return b"".join(self._pieces)

    def _keep(self, out: bytes) -> None:
        self._size += len(out)
        if self._size > self._most_bytes:
            raise too_large(self._most_bytes)
        self._pieces.append(out)

    def _begin(self, wbits: int) -> None:
        self._members += 1
        if self._members > (_MOST_MEMBERS if self._coding == "gzip" else 1):
            raise Refusal(400, f"the body goes on after the end of its {self._coding} data")
        self._member = zlib.decompressobj(wbits)
        self._within = True
