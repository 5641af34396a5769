"""How the stand-in behaves when left to itself: answers of believable length and speed, errors, spells of overload.

A *spell* is a time in which about half of all requests are turned away with 529, as on a bad day. The first comes soon
after the start, so that whoever watches sees what an incident looks like, and sees it pass.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from claude_telemetry.fake.steps import Answer, Failure, Step, failure, text_block, thinking_block, tool_use_block

_SPELL_STARTS_S = 20.0
_SPELL_LASTS_S = 25.0
_SPELL_EVERY_S = 1200.0
_TURNED_AWAY_IN_A_SPELL = 0.7

_USUAL_ERRORS: Sequence[tuple[int, float]] = ((529, 0.008), (429, 0.005), (500, 0.002))
_SAID = (
    "the order arrived on Monday and our team looked into it because a second parcel was sent by mistake so please "
    "keep it with our thanks while we update the invoice and let you know when everything is settled"
)


@dataclass(frozen=True, slots=True)
class _Speed:
    first_token_s: float
    tokens_per_s: float


# By the family's name within the model's id; what is in none is as fast as Sonnet.
_SPEEDS: Mapping[str, _Speed] = {
    "haiku": _Speed(0.25, 180.0),
    "sonnet": _Speed(0.6, 90.0),
    "opus": _Speed(1.1, 60.0),
    "fable": _Speed(1.5, 45.0),
}


class Weather:
    """A behaviour for `FakeClaude`. Thread-safe."""

    def __init__(self, *, seed: int, pace: float = 1.0) -> None:
        """The same `seed` gives the same answers to requests in the same order. At `pace` 0 nothing takes time, and
        there are no spells, which are made of time."""
        self._random = random.Random(seed)  # noqa: S311 - made-up answers, not secrets
        self._pace = pace
        self._lock = threading.Lock()
        self._started = time.monotonic()

    def __call__(self, body: Mapping[str, Any]) -> Step:
        with self._lock:
            return self._failure() or self._answer(body)

    def _failure(self) -> Failure | None:
        if self._in_a_spell() and self._random.random() < _TURNED_AWAY_IN_A_SPELL:
            return self._turned_away(529)
        draw = self._random.random()
        for status, share in _USUAL_ERRORS:
            draw -= share
            if draw < 0:
                return self._turned_away(status)
        return None

    def _turned_away(self, status: int) -> Failure:
        # Without a pace the SDK would still wait half a second for each of them.
        headers = None if self._pace else {"retry-after-ms": "5"}
        return failure(status, headers=headers, delay_s=self._pace * self._random.uniform(0.05, 0.3))

    def _in_a_spell(self) -> bool:
        since = (time.monotonic() - self._started - _SPELL_STARTS_S) % _SPELL_EVERY_S
        return self._pace > 0 and since < _SPELL_LASTS_S and time.monotonic() - self._started >= _SPELL_STARTS_S

    def _answer(self, body: Mapping[str, Any]) -> Answer:
        most = int(body.get("max_tokens", 1024))
        wanted = max(4, int(self._random.lognormvariate(5.0, 0.7)))
        words = min(wanted, most)
        content = self._content(body, words)
        stop_reason = "tool_use" if content[-1]["type"] == "tool_use" else "max_tokens" if wanted > most else "end_turn"
        speed = next((speed for name, speed in _SPEEDS.items() if name in str(body["model"])), _SPEEDS["sonnet"])
        first = self._pace * speed.first_token_s * self._random.lognormvariate(0.0, 0.35)
        rest = self._pace * words / speed.tokens_per_s
        if body.get("stream") is True:
            # Four words a piece.
            return Answer(content=content, stop_reason=stop_reason, delay_s=first, chunk_delay_s=rest * 4 / words)
        return Answer(content=content, stop_reason=stop_reason, delay_s=first + rest)

    def _content(self, body: Mapping[str, Any], words: int) -> list[dict[str, Any]]:
        thinks = cast("Mapping[str, Any]", body.get("thinking") or {}).get("type") in ("enabled", "adaptive")
        thought = [thinking_block(self._text(words // 2))] if thinks else []
        tools = [
            str(tool["name"]) for tool in cast("list[Mapping[str, Any]]", body.get("tools") or []) if "name" in tool
        ]
        chosen = cast("Mapping[str, Any]", body.get("tool_choice") or {})
        if chosen.get("type") in ("any", "tool"):
            calls_a_tool = True
        else:
            calls_a_tool = chosen.get("type") != "none" and not _answers_a_tool(body) and self._random.random() < 0.5
        if tools and calls_a_tool:
            name = str(chosen.get("name") or self._random.choice(tools))
            return [*thought, tool_use_block(name, {"number": self._random.randrange(10_000)})]
        return [*thought, text_block(self._text(words))]

    def _text(self, words: int) -> str:
        return " ".join(self._random.choices(_SAID.split(), k=max(1, words)))


def _answers_a_tool(body: Mapping[str, Any]) -> bool:
    """Whether the last message brings a tool's result."""
    content = body["messages"][-1].get("content")
    return isinstance(content, list) and any(
        block.get("type") == "tool_result" for block in cast("list[Mapping[str, Any]]", content)
    )
