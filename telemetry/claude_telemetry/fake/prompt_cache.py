"""Tokens and the prompt cache, near enough to the real ones that hit rates and costs make sense.

A *prefix* is the request up to a block that is marked with `cache_control`: tools first, then system, then messages.
The longest prefix that is known is read, what follows up to the last mark is written, the rest is plain input.
Source: https://platform.claude.com/docs/en/build-with-claude/prompt-caching, read 2026-11-20.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any, cast

_MINIMUM_TOKENS = 1024
_CHARACTERS_PER_TOKEN = 4
_LIFETIME_S = {"5m": 300.0, "1h": 3600.0}


def tokens_of(value: object) -> int:
    """About as many tokens as a text, or the JSON of anything else, has. At least one."""
    text = value if isinstance(value, str) else json.dumps(value)
    return max(1, len(text) // _CHARACTERS_PER_TOKEN)


class PromptCache:
    """Remembers prefixes for as long as the API would. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until: dict[bytes, float] = {}

    def input_usage(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The input part of the usage object of `body`, a request; what is marked in it is known afterwards."""
        running, marks = _marks(body)
        read, written = 0, {"5m": 0, "1h": 0}
        now = time.monotonic()
        with self._lock:
            for prefix, tokens, lifetime in marks:
                if self._until.get(prefix, 0.0) > now:
                    read, written = tokens, {"5m": 0, "1h": 0}
                else:
                    written[lifetime] += tokens - read - sum(written.values())
                self._until[prefix] = now + _LIFETIME_S[lifetime]
        return {
            "input_tokens": running - read - sum(written.values()),
            "cache_creation_input_tokens": sum(written.values()),
            "cache_read_input_tokens": read,
            "cache_creation": {"ephemeral_5m_input_tokens": written["5m"], "ephemeral_1h_input_tokens": written["1h"]},
        }


def _marks(body: Mapping[str, Any]) -> tuple[int, list[tuple[bytes, int, str]]]:
    """All input tokens, and for each mark that is long enough: the prefix's digest, its tokens, its lifetime."""
    digest = hashlib.sha256(str(body.get("model")).encode())
    running = 0
    marks: list[tuple[bytes, int, str]] = []
    for block, lifetime in _blocks(body):
        digest.update(json.dumps(block, sort_keys=True).encode())
        running += tokens_of(block)
        if lifetime is not None and running >= _MINIMUM_TOKENS:
            marks.append((digest.digest(), running, lifetime))
    return running, marks


def _blocks(body: Mapping[str, Any]) -> Iterator[tuple[object, str | None]]:
    """Each block without its mark, and the lifetime that the mark asks for."""
    said = [message.get("content") for message in _mappings(body.get("messages"))]
    for group in (body.get("tools"), body.get("system"), *said):
        if isinstance(group, str):
            yield group, None
        for block in _mappings(group):
            mark = block.get("cache_control")
            bare = {name: value for name, value in block.items() if name != "cache_control"}
            yield bare, None if mark is None else "1h" if mark.get("ttl") == "1h" else "5m"


def _mappings(value: object) -> list[dict[str, Any]]:
    items = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("dict[str, Any]", item) for item in items if isinstance(item, dict)]
