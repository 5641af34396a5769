"""A keyed hash of the prompt, so that two calls can be compared without either text.

A *unit* is what is hashed as one: a tool's definition, a block of the system prompt, a block of a message. A part of
the prompt is its units in order. A *cache prefix* is all units up to a `cache_control` marker, in the order in which
the API caches: tools, then system, then messages. Two calls that asked the cache for the same have the same prefixes.

The application's objects are only looked at: an iterator is never read, since the SDK has to. What counts as the same
prompt, and why, is in `docs/decisions/prompt-fingerprint.md`.
"""

from __future__ import annotations

import json
import marshal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple, TypeVar

from claude_telemetry.capture.blocks import field_of, is_list, object_of, source_of
from claude_telemetry.capture.cache_marks import last_marked
from claude_telemetry.guard import slipped

_LONGEST_MEMORY = 2_000_000
"""Characters of prompts that are remembered with their hash. They are mostly the application's own objects."""
_MOST_REMEMBERED = 4096

# Sixteen bytes each, as the hash of a unit is, so that no sequence of units can look like another.
_TOOLS, _SYSTEM, _MESSAGE, _OPEN, _CLOSE = (
    name.ljust(16, b"\0") for name in (b"tools", b"system", b"message", b"open", b"close")
)

_PLAIN_TEXT = frozenset({"type", "text", "cache_control"})
# A block within these can have a marker of its own.
_HOLD_BLOCKS = ("tool_result", "mcp_tool_result", "search_result")

_Unit = tuple[bytes, bool]
"""Hashes, and whether a cache prefix ends after them."""

_Key = TypeVar("_Key", str, bytes)


class Fingerprint(NamedTuple):
    """Each is 16 hexadecimal digits; `None` when the part is absent or cannot be looked at.

    A tuple and not a dataclass: it is made within every call, and is a quarter of the price.
    """

    prompt: str | None = None
    """Tools and system prompt together."""
    system: str | None = None
    tools: str | None = None
    cache_prefixes: tuple[str, ...] = ()
    """One for each cache breakpoint, first to last, as far as the request can be looked at."""


_NOTHING = Fingerprint()


class _Unseen(Exception):  # noqa: N818 - no failure: a part of the request that is not ours to read
    """A part of the request is an iterator, or something else that cannot be looked at without a change."""


class Fingerprinter:
    """Fingerprints requests with one key. Thread-safe."""

    __slots__ = ("_blocks", "_key", "_named", "_texts")

    def __init__(self, key: bytes) -> None:
        """`key` may have any length: fingerprints can be compared where it is the same."""
        self._key = blake2b(key, digest_size=32).digest()
        self._texts: _Memory[str] = _Memory()
        self._blocks: _Memory[bytes] = _Memory()
        self._named = lru_cache(maxsize=256)(self._names)

    def of(self, body: Mapping[str, Any]) -> Fingerprint:
        """The fingerprint of a request's body, which is not changed. Never raises."""
        try:
            return self._of(body) if isinstance(body, dict) else _NOTHING
        except Exception as error:  # noqa: BLE001 - as `guarded`, without its price on every call
            slipped("fingerprint a prompt", error)
            return _NOTHING

    def _of(self, body: Mapping[str, Any]) -> Fingerprint:
        tools, system = self._part(body.get("tools")), self._part(body.get("system"))
        prefixes = self._prefixes(body, tools, system)
        if not tools and not system:
            return Fingerprint(cache_prefixes=prefixes) if prefixes else _NOTHING
        return Fingerprint(*self._named(_joined(tools), _joined(system)), prefixes)

    def _names(self, tools: bytes | None, system: bytes | None) -> tuple[str | None, str | None, str | None]:
        whole = None if tools is None or system is None else _TOOLS + tools + _SYSTEM + system
        return (
            self._hex(whole, b"prompt") if whole is not None else None,
            self._hex(system, b"system") if system else None,
            self._hex(tools, b"tools") if tools else None,
        )

    def _part(self, value: object) -> list[_Unit] | None:
        """The units of tools or system. Empty when there are none, `None` when they cannot be looked at."""
        if not value:  # nor are the SDK's `NOT_GIVEN` and `omit`
            return []
        try:
            return self._content(value)
        except _Unseen:
            return None

    # Cache prefixes

    def _prefixes(
        self, body: Mapping[str, Any], tools: list[_Unit] | None, system: list[_Unit] | None
    ) -> tuple[str, ...]:
        last = last_marked(body)
        if tools is None or (last is None and not (_any_marked(tools) or _any_marked(system))):
            return ()
        found: list[str] = []
        chain = blake2b(key=self._key, digest_size=8, person=b"prefix")

        def add(tag: bytes, units: Iterable[_Unit]) -> None:
            chain.update(tag)
            for digest, marked in units:
                chain.update(digest)
                if marked:
                    found.append(chain.hexdigest())

        add(_TOOLS, _loaded(tools, body.get("tools")))
        try:
            if system is None:
                raise _Unseen
            add(_SYSTEM, system)
            for position, message in enumerate(body["messages"][: last[0] + 1] if last is not None else ()):
                role, content = field_of(message, "role"), field_of(message, "content")
                if not isinstance(role, str):
                    raise _Unseen
                automatic = last[1] if last is not None and position == last[0] else None
                add(_MESSAGE + self._text(role), self._content(content, automatic))
        except _Unseen:
            pass  # the prefixes before it are known all the same
        return tuple(found)

    # Units

    def _content(self, content: object, automatic: int | None = None) -> list[_Unit]:
        """The units of a text or of a list of blocks. `automatic` is the block that the API itself marks."""
        if isinstance(content, str):
            return [(self._text(content), automatic is not None)]
        if not is_list(content):
            raise _Unseen
        units: list[_Unit] = []
        for position, block in enumerate(content):
            self._add(units, block, position == automatic)
        return units

    def _add(self, units: list[_Unit], block: object, marked: bool) -> None:
        block = object_of(block)
        if block is None:
            raise _Unseen
        if not marked and "cache_control" in block:
            marked = isinstance(block["cache_control"], dict)
        kind, text = block.get("type"), block.get("text")
        if kind == "text" and isinstance(text, str) and _is_plain_text(block):
            units.append((self._text(text), marked))
        elif kind in _HOLD_BLOCKS and block.get("content"):
            units.append((self._block({**block, "content": None}) + _OPEN, False))
            units += self._content(block["content"])
            units.append((_CLOSE, marked))
        elif (source := source_of(block)) is not None and isinstance(source.get("data"), str):
            # Apart from the rest, as it can be megabytes.
            rest = {**block, "source": {**source, "data": ""}}
            units.append((self._block(rest) + _OPEN + self._text(source["data"]) + _CLOSE, marked))
        else:
            units.append((self._block(block), marked))

    def _text(self, text: str) -> bytes:
        if type(text) is not str:
            text = str.__str__(text)  # of an enumeration, say, whose equality is its own
        known = self._texts.get(text)
        if known is None:
            known = self._digest(text.encode("utf-8", "surrogatepass"), b"text")
            self._texts.remember(text, known)
        return known

    def _block(self, block: dict[str, Any]) -> bytes:
        try:
            # Four times as fast as JSON, but no format to compare by: it tells lists from tuples, and Python versions
            # need not agree on it. So it only finds what has been hashed before. Version 2 has no references.
            seen_as = marshal.dumps(block, 2)
        except ValueError:  # holds a model of the SDK, say
            return self._digest(_canonical(block), b"block")
        known = self._blocks.get(seen_as)
        if known is None:
            known = self._digest(_canonical(block), b"block")
            self._blocks.remember(seen_as, known)
        return known

    def _digest(self, data: bytes, person: bytes) -> bytes:
        return blake2b(data, key=self._key, digest_size=16, person=person).digest()

    def _hex(self, data: bytes, person: bytes) -> str:
        return blake2b(data, key=self._key, digest_size=8, person=person).hexdigest()


class _Memory(dict[_Key, bytes]):
    """Hashes of what was hashed before. Starts over when full: what is asked for every time is back at once.

    Looking up a text that is the same object as before takes no time, however long it is.
    """

    def __init__(self) -> None:
        super().__init__()
        self._size = 0

    def remember(self, key: _Key, digest: bytes) -> None:
        if len(key) > _LONGEST_MEMORY:
            return
        if self._size + len(key) > _LONGEST_MEMORY or len(self) >= _MOST_REMEMBERED:
            self.clear()
            self._size = 0
        self._size += len(key)
        self[key] = digest


def _joined(units: list[_Unit] | None) -> bytes | None:
    if units is None:
        return None
    return units[0][0] if len(units) == 1 else b"".join([digest for digest, _ in units])


def _any_marked(units: list[_Unit] | None) -> bool:
    return units is not None and any(marked for _, marked in units)


def _loaded(units: list[_Unit], tools: Sequence[object] | None) -> Iterator[_Unit]:
    """Without the tools that the API leaves out of the prefix until the model searches for them.

    Source: https://platform.claude.com/docs/en/agents-and-tools/tool-use/tool-use-with-prompt-caching, read 2026-11-20.
    """
    for unit, tool in zip(units, tools or (), strict=False):
        if field_of(tool, "defer_loading") is not True:
            yield unit


def _is_plain_text(block: Mapping[str, Any]) -> bool:
    """Whether a text block is its text and nothing else, so that it is the same as the text alone."""
    return len(block) == 2 or all(value is None or name in _PLAIN_TEXT for name, value in block.items())


def _canonical(block: Mapping[str, Any]) -> bytes:
    """The same for every way to write `block` that the API takes for the same prompt. Raises `_Unseen`."""
    said = {name: block[name] for name in sorted(block) if name != "cache_control" and block[name] is not None}
    try:
        return _json(said).encode("utf-8", "surrogatepass")
    except (TypeError, ValueError, RecursionError):
        raise _Unseen from None


def _sent(value: object) -> dict[str, Any]:
    sent = object_of(value)
    if sent is None:
        raise TypeError
    return sent


_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_sent).encode
