"""A JSON body, read along."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

LARGEST = 64 * 1024 * 1024
"""Bytes of a body that are kept until its end. The API's largest answers are far below it."""


class JsonBody:
    """Yields the one object of a JSON body, when the body has ended."""

    __slots__ = ("_chunks", "_size")

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> Iterator[Mapping[str, Any]]:
        """Nothing, until `end`. Raises `ValueError` when the body grows beyond what is kept."""
        self._size += len(chunk)
        if self._size > LARGEST:
            self._chunks.clear()
            raise ValueError("the body is too large to read along")
        self._chunks.append(chunk)
        return iter(())

    def end(self) -> Iterator[Mapping[str, Any]]:
        """The object. Raises `ValueError` when the body is cut short or no JSON."""
        body = b"".join(self._chunks)
        self._chunks.clear()
        decoded: object = json.loads(body)
        if isinstance(decoded, dict):
            yield cast("Mapping[str, Any]", decoded)
