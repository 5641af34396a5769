"""Looking at a request's body without changing it.

The SDK takes iterators wherever a list may stand, and reads them once. So only what can be looked at twice is looked
at: `dict`, `list`, `tuple`, scalars, and the models of an earlier answer that the application passes back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard, cast


def is_list(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, list | tuple)


def object_of(value: object) -> dict[str, Any] | None:
    """`value` as a JSON object: a `dict` as it is, a model as the SDK sends it. `None` for anything else."""
    if isinstance(value, dict):
        return cast("dict[str, Any]", value)
    if not _is_model(value):
        return None
    try:
        dumped: dict[str, Any] = cast("Any", value).model_dump(
            mode="json",
            by_alias=True,
            exclude_unset=True,
            exclude=getattr(type(value), "__api_exclude__", None),  # as the SDK, in 2.10 `_utils/_json.py`
            warnings=False,
        )
    except (AttributeError, TypeError, ValueError):  # pydantic 1, or a model of the application's own
        return None
    return dumped


def field_of(thing: object, name: str) -> object:
    """One field of a JSON object or of a model. `None` where there is none."""
    if isinstance(thing, dict):
        return cast("dict[str, object]", thing).get(name)
    return getattr(thing, name, None) if _is_model(thing) else None


def source_of(block: Mapping[str, Any]) -> dict[str, Any] | None:
    """Where an image or a document comes from, as the block says it."""
    source = block.get("source")
    return cast("dict[str, Any]", source) if isinstance(source, dict) else None


def _is_model(value: object) -> bool:
    from pydantic import BaseModel  # the SDK's own dependency, and loaded by it

    return isinstance(value, BaseModel)
