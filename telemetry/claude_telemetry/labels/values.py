"""What may be a label's value, and the text that it becomes.

A label that cannot be one is told where it is made, as a `LabelError`: never where a call is.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias, cast

from claude_telemetry.errors import LabelError

if TYPE_CHECKING:
    from uuid import UUID

LabelValue: TypeAlias = "str | int | UUID | None"
"""`None` says nothing, and leaves an outer label as it is. An empty text takes the outer label off."""

TagValue: TypeAlias = "str | int | bool | UUID | None"

LONGEST = 512
"""Characters of a label's value that are kept: enough for any id, and a bound on what a mistake can cost."""

TAGS_MOST = 32
TAG_NAME_LONGEST = 64
TAG_LONGEST = 256
"""Tags are on every call: these bounds keep the largest set of them at about ten thousand characters."""


def text_of(name: str, value: object, longest: int = LONGEST) -> str:
    """`value` as a label's text, cut to `longest` characters. Raises `LabelError` that names `name`, not the value."""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return sendable(str(value), longest)
    from uuid import UUID

    if isinstance(value, UUID):
        return str(value)
    raise LabelError(f"the label {name} is a {type(value).__name__}: give text, a whole number or a UUID")


def sendable(text: str, longest: int) -> str:
    """The first `longest` characters of `text`, as text that UTF-8 can hold."""
    text = text[:longest]
    # Half of a surrogate pair, as cut JSON can have it, is no text that can be sent.
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def tags_of(given: object) -> dict[str, str]:
    """The tags that `given` names, as texts; truth values become `true` and `false`. Raises `LabelError`."""
    if not isinstance(given, Mapping):
        raise LabelError(f'tags are a {type(given).__name__}: give a mapping, such as {{"tier": "gold"}}')
    tags: dict[str, str] = {}
    for name, value in cast("Mapping[object, object]", given).items():
        if not isinstance(name, str) or not 0 < len(name) <= TAG_NAME_LONGEST:
            raise LabelError(f"a tag's name is text of 1 to {TAG_NAME_LONGEST} characters")
        if isinstance(value, bool):
            value = "true" if value else "false"
        if value is not None:
            name = sendable(name, TAG_NAME_LONGEST)
            tags[name] = text_of(f"tags[{name!r}]", value, TAG_LONGEST)
    if len(tags) > TAGS_MOST:
        raise LabelError(f"{len(tags)} tags are too many: give {TAGS_MOST} at most, and put the rest in your own span")
    return tags


def merged_tags(outer: Mapping[str, str], inner: Mapping[str, str]) -> dict[str, str]:
    """`inner` over `outer`. Of more than `TAGS_MOST` the inner ones stay."""
    tags = {**inner, **{name: value for name, value in outer.items() if name not in inner}}
    return dict(list(tags.items())[:TAGS_MOST]) if len(tags) > TAGS_MOST else tags


def tags_json(tags: Mapping[str, str]) -> str:
    """`tags` as their column holds them: a JSON object, by name, so that equal tags are equal text. Empty for none."""
    held = {name: value for name, value in tags.items() if value}
    if not held:
        return ""
    import json

    return json.dumps(held, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
