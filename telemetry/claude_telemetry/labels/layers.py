"""Which labels hold: layers in the context, the inner over the outer.

A *layer* is what one `label` says. It lies on those around it and knows the labels that all of them come to, so that
a call reads a mapping that is ready.
"""

from __future__ import annotations

import contextvars
from collections.abc import Mapping
from types import MappingProxyType

from claude_telemetry.labels import baggage
from claude_telemetry.labels.values import merged_tags, tags_json

NOTHING: Mapping[str, str] = MappingProxyType({})


class Said:
    """What a label says: texts by the name of their column in `calls`, and tags. An empty text takes one off."""

    __slots__ = ("columns", "entries", "tags")

    def __init__(
        self, columns: Mapping[str, str], tags: Mapping[str, str] = NOTHING, entries: Mapping[str, str] | None = None
    ) -> None:
        self.columns = columns
        self.tags = tags
        self.entries = entries if entries is not None else baggage.entries_of(columns, tags, propagate=False)
        """What baggage holds for them meanwhile; an empty text is for those that are not handed on."""

    def and_then(self, later: Said) -> Said:
        return Said(
            {**self.columns, **later.columns},
            merged_tags(self.tags, later.tags),
            {**self.entries, **later.entries},
        )


class Layer:
    """Never changed once it is made. It is kept in the context itself, so that leaving needs no token: a generator may
    be closed in another context than the one it was entered in."""

    __slots__ = ("all_columns", "all_tags", "displaced", "labels", "outer", "owner", "said", "tags_json")

    def __init__(self, outer: Layer | None, said: Said, owner: object, displaced: Mapping[str, str] = NOTHING) -> None:
        self.outer = outer
        self.said = said
        self.owner = owner
        self.displaced = displaced
        """What baggage held in the place of each entry that this layer changed. An empty text for nothing."""
        self.all_columns: Mapping[str, str] = said.columns
        self.all_tags: Mapping[str, str] = said.tags
        if outer is not None:
            self.all_columns = {**outer.all_columns, **said.columns}
            self.all_tags = merged_tags(outer.all_tags, said.tags) if said.tags else outer.all_tags
        self.tags_json: str = outer.tags_json if outer is not None and not said.tags else tags_json(self.all_tags)
        self.labels = _labels_of(self.all_columns, self.tags_json)
        """What `current_labels` answers while this layer is the innermost."""

    def without(self, owner: object) -> Layer | None:
        """What holds when `owner` leaves, which need not have come last: generators can end in any order."""
        if self.owner is owner:
            return self.outer
        if self.outer is None:
            return self
        outer = self.outer.without(owner)
        return self if outer is self.outer else Layer(outer, self.said, self.owner, self.displaced)

    def of(self, owner: object) -> Layer | None:
        """The innermost layer of `owner`, from here outwards."""
        layer: Layer | None = self
        while layer is not None and layer.owner is not owner:
            layer = layer.outer
        return layer


_layer: contextvars.ContextVar[Layer | None] = contextvars.ContextVar("claude_telemetry_labels", default=None)


def current_labels() -> Mapping[str, str]:
    """The labels that hold here, by the name of their column in `calls`; tags as JSON. Not to be changed.

    What incoming baggage says (see `allow_baggage`) holds where no label says otherwise.
    """
    held = _layer.get()
    incoming = baggage.incoming()
    if incoming is None:
        return held.labels if held is not None else NOTHING
    if held is None:
        return _labels_of(incoming.columns, tags_json(incoming.tags))
    tags = merged_tags(incoming.tags, held.all_tags)
    return _labels_of({**incoming.columns, **held.all_columns}, tags_json(tags))


def put(said: Said, owner: object) -> None:
    """Lays what `said` says over what holds here, until `owner` leaves."""
    _layer.set(Layer(_layer.get(), said, owner, baggage.agree_with(said.entries)))


def leave(owner: object) -> Said | None:
    """Takes away what `owner` put here, and gives it. `None` where it put nothing: in another context, say."""
    held = _layer.get()
    layer = held.of(owner) if held is not None else None
    if held is None or layer is None:
        return None
    baggage.put_back(layer.displaced)
    _layer.set(held.without(owner))
    return layer.said


def add(said: Said) -> None:
    """Adds what `said` says to the innermost layer, and goes with it; to one of its own where there is none."""
    held = _layer.get()
    if held is None:
        put(said, None)
        return
    displaced = {**baggage.agree_with(said.entries), **held.displaced}
    _layer.set(Layer(held.outer, held.said.and_then(said), held.owner, displaced))


def clear() -> None:
    """Takes every layer away from this context."""
    layer = _layer.get()
    while layer is not None:
        baggage.put_back(layer.displaced)
        layer = layer.outer
    _layer.set(None)


def _labels_of(columns: Mapping[str, str], tags_json: str) -> Mapping[str, str]:
    if not tags_json and all(columns.values()):
        return columns
    labels = {column: text for column, text in columns.items() if text}
    if tags_json:
        labels["tags"] = tags_json
    return labels
