"""The bytes that a call's content may have, and what is kept of content that needs more: the newest, whole parts."""

from __future__ import annotations

from collections.abc import Sequence

from claude_telemetry.capture.content_parts import Part, json_of


class Room:
    """What is left of the bytes that a question or an answer may have. Nothing is taken after something was cut."""

    __slots__ = ("_left", "cut")

    def __init__(self, size: int) -> None:
        self._left = size
        self.cut = False

    def message(self, role: str, parts: Sequence[Part], finish_reason: str | None = None) -> str | None:
        """The JSON of a message with those of its parts that fit, the last ones. `None` when none of them does."""
        start = json_of({"role": role, "parts": []})[:-2]
        end = "]}" if finish_reason is None else f'],"finish_reason":{json_of(finish_reason)}}}'
        if not self._fits(start + end):
            return None
        shown = self.newest(parts)
        return None if parts and not shown else f"{start}{','.join(shown)}{end}"

    def newest(self, parts: Sequence[Part]) -> list[str]:
        shown: list[str] = []
        for part in reversed(parts):
            text = self.take(part)
            if text is not None:
                shown.append(text)
        return shown[::-1]

    def take(self, part: Part) -> str | None:
        """The JSON of `part`, or of the start of its text that fits, or `None`."""
        if self.cut:
            return None
        text = _sendable(json_of(part))
        if self._fits(text):
            return text
        content = part.get("content")
        while isinstance(content, str) and content:
            size = _size(text) + 1
            if size <= self._left:
                return text
            content = content[: len(content) * max(self._left, 0) // size]
            text = _sendable(json_of({**part, "content": content}))
        return None

    def _fits(self, text: str) -> bool:
        size = _size(text) + 1  # and a comma
        if self.cut or size > self._left:
            self.cut = True
            return False
        self._left -= size
        return True


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _sendable(text: str) -> str:
    """Without halves of surrogate pairs, as cut JSON can have them: they are no text that can be sent."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
