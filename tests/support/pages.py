"""Pages as a browser would get them, without one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from claude_telemetry_dashboard import app

PLAIN = frozenset({"text", "code", "dataframe", "vega_lite_chart", "selectbox"})
"""The elements that take text as text. All others read Markdown, so what comes from a record has no place in them."""


class Pages:
    """One page, opened: `Pages("calls", status="error")`."""

    def __init__(self, name: str = "overview", **parameters: str) -> None:
        self.test = AppTest.from_file(app.__file__, default_timeout=60)
        for parameter, value in parameters.items():
            self.test.query_params[parameter] = value
        # AppTest has a way to open pages that are files. Ours are functions, known by the hash of their URL.
        setattr(self.test, "_page_hash", calc_hash(name))  # noqa: B010
        self.run()

    def run(self) -> None:
        """Draws it again, with what was clicked or chosen meanwhile."""
        self.test.run()
        assert not list(self.test.exception), [exception.value for exception in self.test.exception]

    def choose(self, key: str, value: str | None) -> None:
        """Chooses in a filter, and draws the page again."""
        self.test.selectbox(key=key).set_value(value)
        self.run()

    def click(self, label: str) -> None:
        """Clicks a button by what stands on it, and draws the page again."""
        next(button for button in self.test.button if button.label == label).click()
        self.run()

    def tile(self, title: str) -> str:
        """What a tile shows."""
        return next(str(metric.value) for metric in self.test.metric if metric.label == title)

    @property
    def texts(self) -> list[str]:
        """What is shown as plain text."""
        return [text.value for text in self.test.text]

    @property
    def said(self) -> str:
        """Everything that is written on the page in words: texts, notes, headings, code."""
        shown: list[Any] = [
            *self.test.text,
            *self.test.caption,
            *self.test.markdown,
            *self.test.subheader,
            *self.test.info,
            *self.test.success,
            *self.test.warning,
            *self.test.error,
            *self.test.code,
        ]
        return "\n".join(str(element.value) for element in shown)

    @property
    def tables(self) -> list[dict[str, list[Any]]]:
        """Its tables, column by column."""
        frames: list[Any] = [frame.value for frame in self.test.dataframe]
        return [frame.to_dict("list") for frame in frames]

    def rendered_markdown(self) -> Iterator[tuple[str, str]]:
        """Each element whose text may be read as Markdown: its type, and all that it was given."""
        for element in self._elements(self.test.main):
            if element.type not in PLAIN:
                yield element.type, str(element.proto)

    def _elements(self, block: Any) -> Iterator[Any]:
        for child in block.children.values():
            if hasattr(child, "children"):
                yield from self._elements(child)
            else:
                yield child
