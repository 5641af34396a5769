"""A JSON body, read along, and how bytes become the JSON object in them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

LARGEST = 64 * 1024 * 1024
"""Bytes of a body that are kept until its end. The API's largest answers are far below it."""


class JsonBody:
    """Yields the one object of a JSON body, when the body has ended."""

    __slots__ = ("_body",)

    def __init__(self) -> None:
        self._body = bytearray()

    def feed(self, chunk: bytes) -> tuple[()]:
        """Nothing, until `end`. Raises `ValueError` when the body grows beyond what is kept."""
        if len(self._body) + len(chunk) > LARGEST:
            self._body = bytearray()
            raise ValueError("the body is too large to read along")
        self._body += chunk
        return ()

    def end(self) -> Iterator[Mapping[str, Any]]:
        """The object. Raises `ValueError` when the body is cut short or no JSON."""
        body, self._body = self._body, bytearray()
        decoded = object_of(body)
        if decoded is not None:
            yield decoded


def object_of(data: bytes | bytearray) -> Mapping[str, Any] | None:
    """The JSON object in `data`, or `None` for any other JSON. Raises `ValueError` for what is no JSON."""
    try:
        decoded: object = json.loads(data)
    except RecursionError:
        raise ValueError("the JSON is nested too deep to read along") from None
    return cast("Mapping[str, Any]", decoded) if isinstance(decoded, dict) else None
