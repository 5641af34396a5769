"""Labels from process to process, as W3C baggage: read by an allow-list, handed on when asked, kept from Anthropic.

*Baggage* is OpenTelemetry's: names and texts in its context, which its instrumentation of web frameworks, HTTP clients
and task queues takes from one process to another. What `label(..., propagate=True)` hands on has names of our own,
`claude.user`, `claude.tags.tier`: so it never stands in the way of an application's own entries, and each process
that it comes to can tell what to keep from Anthropic.

The SDK writes all baggage of the context into its requests when its tracing is on and OpenTelemetry's propagators are
the default ones (anthropic 1.14 to 2.10, `inject_trace_headers`), and OpenTelemetry's instrumentation of `httpx` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from claude_telemetry.guard import guarded
from claude_telemetry.labels.values import LONGEST, TAG_LONGEST, TAG_NAME_LONGEST, TAGS_MOST, sendable

if TYPE_CHECKING:
    from contextvars import Token

    from opentelemetry.context import Context

OURS = "claude.*"
"""In an allow-list: everything that `propagate=True` hands on."""

DEFAULT_ALLOWED = ("user.id", "session.id", OURS)
"""`user.id` and `session.id` are OpenTelemetry's names. What the environment and the API key are called is a fact about
a process and not about a request, so neither is handed on."""

_NOTHING: Mapping[str, str] = MappingProxyType({})

_COLUMN_OF: Mapping[str, str] = {
    "claude.user": "user_id",
    "claude.session": "session_id",
    "claude.feature": "feature",
    "claude.prompt": "prompt_name",
    "claude.prompt_version": "prompt_version",
    "claude.tenant": "tenant",
}
"""What a label is called on the way: `claude.` and its name in `label()`."""

_NAME_OF = {column: name for name, column in _COLUMN_OF.items()}
_STANDARD = {"user.id": "user_id", "session.id": "session_id"}
_TAG = "claude.tags."

_HEADER = "baggage"
_HEADER_FOR_EACH = ("uberctx-", "ot-baggage-")
"""The Jaeger and the OpenTracing propagators write a header for each entry, and this before its name."""


class Incoming:
    """What the baggage of a context says, of what is allowed. An entry of no label's name is a tag."""

    __slots__ = ("columns", "tags")

    def __init__(self, columns: Mapping[str, str], tags: Mapping[str, str]) -> None:
        self.columns = columns
        self.tags = tags


class _Allowed:
    """The allow-list, by what each name becomes."""

    def __init__(self, names: frozenset[str]) -> None:
        known = {**_STANDARD, **_COLUMN_OF}
        self._ours = OURS in names
        self._columns = {name: known[name] for name in known if name in names or (self._ours and name in _COLUMN_OF)}
        self._tags = {name: name[:TAG_NAME_LONGEST] for name in names if name not in known and name != OURS}

    def of(self, entries: Mapping[str, object]) -> Incoming | None:
        columns: dict[str, str] = {}
        tags: dict[str, str] = {}
        for name, value in entries.items():
            if (column := self._columns.get(name)) is not None:
                # Our own name says it more exactly than OpenTelemetry's, whichever comes first.
                if name in _COLUMN_OF or column not in columns:
                    columns[column] = sendable(_value_of(name, value), LONGEST)
            elif (tag := self._tag_named(name)) is not None and len(tags) < TAGS_MOST:
                tags[tag] = sendable(_value_of(name, value), TAG_LONGEST)
        return Incoming(columns, tags) if columns or tags else None

    def _tag_named(self, name: str) -> str | None:
        if self._ours and name.startswith(_TAG):
            return sendable(name.removeprefix(_TAG), TAG_NAME_LONGEST) or None
        return self._tags.get(name)


_allowed: _Allowed | None = None
_entries: Callable[[], Mapping[str, object]] | None = None
"""The baggage of the current context. Unset, and OpenTelemetry not imported, until somebody has to do with baggage."""


def _look_into_baggage() -> None:
    global _entries
    from opentelemetry.baggage import get_all

    _entries = get_all


def allow_baggage(names: Iterable[str] = DEFAULT_ALLOWED) -> None:
    """From now on, incoming baggage of these names is a default for the labels of calls: below every `label`.

    `user.id` and `session.id` become the user and the session, `claude.*` is all that another process handed on with
    `propagate=True`, and any other name becomes a tag. None at all, or `none` alone, and nothing is read.
    """
    global _allowed
    _look_into_baggage()
    listed = frozenset(name.strip() for name in names) - {"", "none"}
    _allowed = _Allowed(listed) if listed else None


def incoming() -> Incoming | None:
    """What the current baggage says. `None` for nothing. Never raises, and is quick where there is no baggage."""
    if _allowed is None or _entries is None or not (entries := _entries()):
        return None
    with guarded("read labels from baggage"):
        return _allowed.of(entries)
    return None


def entries_of(columns: Mapping[str, str], tags: Mapping[str, str], *, propagate: bool) -> Mapping[str, str]:
    """What baggage is to hold for these labels. Without `propagate` nothing: an empty text for each."""
    entries = {_NAME_OF[column]: text for column, text in columns.items() if column in _NAME_OF}
    entries.update((_TAG + name, text) for name, text in tags.items())
    if not propagate:
        return dict.fromkeys(entries, "")
    _look_into_baggage()
    return entries


def agree_with(entries: Mapping[str, str]) -> Mapping[str, str]:
    """Makes the baggage of the current context say what `entries` do, an empty text for no such entry.

    What was handed on for an outer user must not go out as if it were the inner one's. Answers with what it changed,
    as it was, for `put_back`. Never raises.
    """
    if _entries is None or not entries:
        return _NOTHING
    here = _entries()
    changes = {name: text for name, text in entries.items() if text or name in here}
    if not changes:
        return _NOTHING
    former = {name: before if isinstance(before := here.get(name), str) else "" for name in changes}
    put_back(changes)
    return former


def put_back(entries: Mapping[str, str]) -> None:
    """Sets these entries in the baggage of the current context, and removes those with an empty text. Never raises."""
    if not entries:
        return
    with guarded("hand labels on as baggage"):
        from opentelemetry import baggage, context

        changed = context.get_current()
        for name, text in entries.items():
            changed = baggage.set_baggage(name, text, changed) if text else baggage.remove_baggage(name, changed)
        # For good, and not until a token is used: a token is of one context, and a label may be left in another.
        context.attach(changed)


def handed_on() -> bool:
    """Whether the baggage of the current context holds labels that were handed on, here or by another process."""
    return _entries is not None and bool(entries := _entries()) and any(map(_is_ours, entries))


class Kept:
    """While a request is sent, no label is in the baggage of the context."""

    __slots__ = ("_context", "_token")

    def __init__(self, context: Context, token: Token[Context]) -> None:
        self._context = context
        self._token = token

    def over(self) -> None:
        """The request is sent: the baggage is as it was. Never raises."""
        from opentelemetry import context

        # A coroutine that nobody awaits any more may be closed in another context, which is none of our business.
        if context.get_current() is self._context:
            context.detach(self._token)


def keep_from_anthropic(headers: MutableMapping[str, str]) -> Kept | None:
    """Takes what was handed on off `headers`, which are about to be sent to Anthropic, and off the current context,
    where an instrumented HTTP client would look for it, until `over` is called.

    The application's own entries stay. `None` when there is nothing to keep. Never raises.
    """
    if not handed_on():
        return None
    with guarded("keep labels from Anthropic"):
        from opentelemetry import baggage, context

        _take_off(headers)
        within = context.get_current()
        for name in filter(_is_ours, baggage.get_all()):
            within = baggage.remove_baggage(name, within)
        return Kept(within, context.attach(within))
    return None


def _value_of(name: str, value: object) -> str:
    # What comes from elsewhere is text, and OpenTelemetry leaves an entry's properties in it, `u_42;ttl=5`. We write
    # none; what an application sets in its own process can be anything.
    text = str(value) if isinstance(value, str | int) else ""
    return text if _is_ours(name) else text.partition(";")[0].rstrip()


def _is_ours(name: str) -> bool:
    return name in _COLUMN_OF or name.startswith(_TAG)


def _take_off(headers: MutableMapping[str, str]) -> None:
    from urllib.parse import unquote_plus

    if (header := headers.get(_HEADER)) is not None:
        entries = header.split(",")
        stay = [entry for entry in entries if not _is_ours(unquote_plus(entry.partition("=")[0].strip()))]
        if not stay:
            del headers[_HEADER]
        elif len(stay) < len(entries):
            headers[_HEADER] = ",".join(stay).strip()
    for name in list(headers):
        for prefix in _HEADER_FOR_EACH:
            if name.lower().startswith(prefix) and _is_ours(unquote_plus(name[len(prefix) :].lower())):
                del headers[name]
