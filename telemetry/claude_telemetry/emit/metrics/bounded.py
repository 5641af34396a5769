"""Attribute values, kept to a bounded number of them.

Each distinct set of attributes is a series that the SDK holds in memory and a backend stores. A model or a feature is
one of a handful as meant, and one of a million when somebody puts an id there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

MOST = 50
"""Distinct values of one attribute that are told apart, first come."""

OTHER = "_other"
"""What any further value is called."""


class Bounded:
    """The values of one attribute. Never waits for a lock; threads that race may let one value more through."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: set[str] = set()

    def of(self, value: str) -> str:
        """`value`, or `_other` when it is new and there are enough."""
        if value in self._known:
            return value
        if len(self._known) >= MOST:
            return OTHER
        self._known.add(value)
        return value


class Labels:
    """The attributes of a point, each within its bound."""

    def __init__(self) -> None:
        self._bounded: defaultdict[str, Bounded] = defaultdict(Bounded)

    def of(self, values: Mapping[str, str | None]) -> dict[str, str]:
        """`values` by the name of their attribute. What is `None` is left out."""
        return {name: self._bounded[name].of(value) for name, value in values.items() if value is not None}
