"""Content encodings, undone as the bytes arrive.

A body that is read along is seen as it came over the wire. `br` and `zstd` are undone by the packages that the HTTP
library itself uses for them: it asks the server for an encoding only when it can import the package.
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable
from typing import Any

Decoder = Callable[[bytes], bytes]


def decoder_for(encoding: str) -> Decoder:
    """What undoes a `content-encoding`, chunk by chunk. Raises `ValueError` for one that we cannot undo."""
    names = [name for part in encoding.split(",") if (name := part.strip().lower()) not in ("", "identity")]
    if not names:
        return _as_it_is
    if len(names) > 1:
        raise ValueError(f"the body is encoded {len(names)} times over")
    return _decoder(names[0])


def _decoder(name: str) -> Decoder:
    if name in ("gzip", "x-gzip"):
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress
    if name == "deflate":
        return zlib.decompressobj().decompress
    if name == "br":
        return _foreign(("brotlicffi", "brotli"), lambda module: module.Decompressor())
    if name == "zstd":
        return _foreign(("compression.zstd", "backports.zstd", "zstandard"), _zstd)
    raise ValueError("the body has an encoding that is not known here")


def _foreign(names: tuple[str, ...], make: Callable[[Any], Any]) -> Decoder:
    for name in names:
        try:
            decompressor = make(importlib.import_module(name))
        except ImportError:
            continue
        decode: Decoder = getattr(decompressor, "process", None) or decompressor.decompress
        return decode
    raise ValueError(f"install {names[-1]} so that bodies in this encoding can be read along")


def _zstd(module: Any) -> Any:
    decompressor = module.ZstdDecompressor()
    return decompressor.decompressobj() if hasattr(decompressor, "decompressobj") else decompressor


def _as_it_is(chunk: bytes) -> bytes:
    return chunk
