"""Events as Bedrock streams them: one frame each, in Amazon's format of event streams.

The format is what botocore 1.44.5 reads (`eventstream.py`, `data/bedrock-runtime`): a prelude with lengths and their
checksum, headers, a payload, and a checksum of it all.
"""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any

CONTENT_TYPE = "application/vnd.amazon.eventstream"

_STRING = 7


def chunk(event: Mapping[str, Any]) -> bytes:
    """The frame of an event of the Messages API, padded as Bedrock does so that its length says less of the text."""
    text = json.dumps(event, separators=(",", ":")).encode()
    padding = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"[: 4 + len(text) % 48]
    payload = {"bytes": base64.b64encode(text).decode(), "p": padding}
    return _frame({":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}, payload)


def exception(kind: str, message: str) -> bytes:
    """The frame that ends a stream which went wrong, such as `throttlingException`."""
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return _frame(headers, {"message": message})


def _frame(headers: Mapping[str, str], payload: Mapping[str, Any]) -> bytes:
    packed = b"".join([_header(name, value) for name, value in headers.items()])
    body = json.dumps(payload, separators=(",", ":")).encode()
    prelude = struct.pack("!II", 16 + len(packed) + len(body), len(packed))
    unchecked = prelude + struct.pack("!I", zlib.crc32(prelude)) + packed + body
    return unchecked + struct.pack("!I", zlib.crc32(unchecked))


def _header(name: str, value: str) -> bytes:
    return struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", _STRING, len(value)) + value.encode()
