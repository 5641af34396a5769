"""Where in a request's messages the last cache breakpoint is: a `cache_control` on a block, or the automatic one.

The automatic one is a `cache_control` of the request itself. The API puts it on the last block that can have it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from claude_telemetry.capture.blocks import field_of, is_list

# A marker cannot stand on these, so the automatic one does not either.
# Source: https://platform.claude.com/docs/en/build-with-claude/prompt-caching, read 2026-11-20.
_NOT_CACHEABLE = ("thinking", "redacted_thinking")


def last_marked(body: Mapping[str, Any]) -> tuple[int, int | None] | None:
    """Where the last cache prefix within the messages ends: which message, and which of its blocks if the API itself is
    to mark it. `None` when none does, or none that can be known."""
    messages, thread = body.get("messages"), body.get("thread")
    if not is_list(messages) or (thread and field_of(thread, "previous_message_id")):
        return None  # in a thread, the server holds the messages before
    automatic = isinstance(body.get("cache_control"), dict)
    for position in range(len(messages) - 1, -1, -1):
        content = field_of(messages[position], "content")
        if automatic and (block := _last_cacheable(content)) is not None:
            return position, block
        if type(content) is not str and _any_block_marked(content):
            return position, None
    return None


def _last_cacheable(content: object) -> int | None:
    if isinstance(content, str):
        return 0 if content else None
    if is_list(content):
        for position in range(len(content) - 1, -1, -1):
            kind = field_of(content[position], "type")
            if kind not in _NOT_CACHEABLE and not (kind == "text" and not field_of(content[position], "text")):
                return position
    return None


def _any_block_marked(content: object) -> bool:
    if not is_list(content):
        return False
    for block in content:
        if type(block) is dict:  # else a block of an earlier answer: those have no markers
            known = cast("dict[str, Any]", block)
            if "cache_control" in known and isinstance(known["cache_control"], dict):
                return True
            if "content" in known and type(known["content"]) is not str and _any_block_marked(known["content"]):
                return True
    return False
