"""Where the spans lie in a request as protobuf, without a look at what is in them.

Source: `trace_service.proto` as opentelemetry-proto 1.45 has it, read 2026-11-20. A request has groups, of
one resource each; a group has scopes; a scope has spans. Each list is field 1 of what it is in, or field 2.
"""

from __future__ import annotations

from dataclasses import dataclass, field

_MOST_FIELDS = 100_000
"""Of a body, outside its spans. Two bytes can be one, and what is noted of it takes a hundred."""
_GROUP, _SCOPE, SPAN = 0x0A, 0x12, 0x12
"""The tags of what a body, a group and a scope list."""


@dataclass(slots=True)
class Scope:
    """A list of spans within a body."""

    group: bytes
    """What stands beside the scopes of its group: the resource."""
    begin: int
    until: int
    start: list[int] = field(default_factory=list[int])
    end: list[int] = field(default_factory=list[int])
    """Of each span."""
    head: bytes = b""
    """What stands beside the spans."""


class OddError(Exception):
    """A body is not written as encoders write it, or is none."""


def scopes_in(body: bytes) -> list[Scope]:
    """The lists of spans in `body`. Looks at nothing within a span. Raises `OddError`."""
    found: list[Scope] = []
    fields = 0
    try:
        _, groups = _parts(body, 0, len(body), _GROUP)
        for at, end in groups:
            group, scopes = _parts(body, at, end, _SCOPE)
            for begin, until in scopes:
                found.append(_scope(body, Scope(group, begin, until)))
                fields += 1 + len(found[-1].end)
                if fields > _MOST_FIELDS:
                    raise OddError
    except IndexError:
        raise OddError from None
    return found


def request_of(group: bytes, scope: bytes) -> bytes:
    """A request with one group, of what it has beside its scopes and of one `scope`."""
    return listed(_GROUP, group + listed(_SCOPE, scope))


def _scope(body: bytes, scope: Scope) -> Scope:
    start, end, rest = scope.start, scope.end, list[bytes]()
    at, until = scope.begin, scope.until
    while at < until:
        begun, tag, size = at, body[at], body[at + 1]
        at += 2
        if size >= 0x80:
            size = size & 0x7F | body[at] << 7
            at += 1
            if size >= 0x4000:
                at, size = _long_size(body, at, size)
        if at + size > until or tag & 7 != 2 or tag >= 0x80:
            raise OddError
        if tag == SPAN:
            start.append(at)
            end.append(at + size)
            if len(end) > _MOST_FIELDS:
                raise OddError
        else:
            rest.append(body[begun : at + size])
            if len(rest) > _MOST_FIELDS:
                raise OddError
        at += size
    scope.head = b"".join(rest)
    return scope


def _parts(body: bytes, at: int, end: int, listed: int) -> tuple[bytes, list[tuple[int, int]]]:
    """What is in a message but for the fields of the tag `listed`, and where those are."""
    rest: list[bytes] = []
    found: list[tuple[int, int]] = []
    while at < end:
        begun, tag = at, body[at]
        if len(found) + len(rest) > _MOST_FIELDS or tag & 7 != 2 or tag >= 0x80:
            raise OddError
        at, until = _content(body, at + 1, end)
        if tag == listed:
            found.append((at, until))
        else:
            rest.append(body[begun:until])
        at = until
    return b"".join(rest), found


def _content(body: bytes, at: int, end: int) -> tuple[int, int]:
    """From where to where what begins with its length at `at` goes."""
    size = shift = 0
    while True:
        byte = body[at]
        at += 1
        size |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
        if shift > 28:
            raise OddError
    if at + size > end:
        raise OddError
    return at, at + size


def _long_size(body: bytes, at: int, size: int) -> tuple[int, int]:
    """Where a length ends whose first two bytes were read, and what it comes to."""
    size &= 0x3FFF
    for shift in (14, 21):
        byte = body[at]
        at += 1
        size |= (byte & 0x7F) << shift
        if byte < 0x80:
            return at, size
    raise OddError


def listed(tag: int, content: bytes) -> bytes:
    """`content` as one of a list."""
    size, length = len(content), bytearray()
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    length.append(size)
    return bytes((tag,)) + bytes(length) + content
