"""Says when a module has been imported."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING

from claude_telemetry.guard import guarded

if TYPE_CHECKING:  # they take milliseconds to import
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec


class Arrivals:
    """A finder of modules, which stands in `sys.meta_path` while some are expected. It asks the finders behind it."""

    def __init__(self) -> None:
        self._expected: dict[str, Callable[[str], None]] = {}

    def expect(self, name: str, arrived: Callable[[str], None]) -> None:
        """Once `name` has been imported, `arrived` is called with it, in the importing thread."""
        self._expected[name] = arrived
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def expect_none(self) -> None:
        self._expected.clear()
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in self._expected:
            return None
        spec = self._found_behind(fullname, path, target)
        if spec is not None and spec.loader is not None:
            with guarded("watch an import"):
                self._tell_after(spec.loader, fullname)
        return spec

    def _found_behind(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None) -> ModuleSpec | None:
        finders = list(sys.meta_path)
        for finder in finders[finders.index(self) + 1 :] if self in finders else finders:
            find_spec = getattr(finder, "find_spec", None)  # as Python's own import does
            spec: ModuleSpec | None = find_spec(fullname, path, target) if find_spec is not None else None
            if spec is not None:
                return spec
        return None

    def _tell_after(self, loader: Loader, expected: str) -> None:
        """The loader stays what it is, since others look at it; only this one of its methods is another, once."""
        if isinstance(loader, type):
            return  # a loader of built-in modules, which all of them share
        exec_module = loader.exec_module

        def exec_and_tell(module: ModuleType) -> None:
            if module.__name__ == expected:  # some loaders are shared by several modules
                vars(loader).pop("exec_module", None)
            exec_module(module)
            if module.__name__ == expected:
                with guarded("tell of an import"):
                    self._arrived(expected)

        vars(loader)["exec_module"] = exec_and_tell

    def _arrived(self, name: str) -> None:
        arrived = self._expected.pop(name, None)
        if not self._expected:
            self.expect_none()
        if arrived is not None:
            arrived(name)
