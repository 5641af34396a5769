"""A method of a class, replaced; and put back as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Hook:
    """One replaced method."""

    def __init__(self, owner: type, name: str, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        """`wrap` makes the replacement of what is there."""
        self._owner = owner
        self._name = name
        self._wrap = wrap
        self._original: Callable[..., Any] | None = None
        self._replacement: Callable[..., Any] | None = None

    def put(self) -> None:
        """Replaces the method, unless ours is in place still, under somebody else's."""
        # Somebody who patched before us, and takes their patch away after, takes ours with it.
        if self._original is None or self._owner.__dict__[self._name] is self._original:
            original: Callable[..., Any] = self._owner.__dict__[self._name]
            self._original, self._replacement = original, self._wrap(original)
            setattr(self._owner, self._name, self._replacement)

    def undo(self) -> None:
        """Puts the method back, unless somebody has put theirs on top since: a plain restore would remove it."""
        if self._original is not None and self._owner.__dict__.get(self._name) is self._replacement:
            setattr(self._owner, self._name, self._original)
            self._original = self._replacement = None
