"""A report as a *sheet*: sentences and tables of texts, and the sheet in the words of a terminal, Markdown or HTML.

What came from records is text in all three: each writes out what it would read as anything else.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

from claude_telemetry_collector.terminal import columns, cut, printable

_WIDEST_LABEL = 48
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|~$@:-])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of texts below a heading. At least one column."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    labels: int = 1
    """How many columns, from the left, are texts; the others are numbers."""
    note: str = ""
    """What the rows leave out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """All of it, in the order of reading."""

    title: str
    said: tuple[str, ...]
    """Sentences of ours with labels in them."""
    tables: tuple[Table, ...]


def as_text(sheet: Sheet) -> Iterator[str]:
    """Lines for a terminal."""
    yield printable(sheet.title)
    yield from (printable(sentence) for sentence in sheet.said)
    for table in sheet.tables:
        yield ""
        yield table.title
        rows = [[cut(printable(cell), _WIDEST_LABEL) for cell in row] for row in table.rows]
        yield from columns([printable(cell) for cell in table.head], rows, left=table.labels)
        if table.note:
            yield printable(table.note)


def as_markdown(sheet: Sheet) -> Iterator[str]:
    """Lines of GitHub's Markdown."""
    yield f"# {_escaped(sheet.title)}"
    for sentence in sheet.said:
        yield ""
        yield _escaped(sentence)
    for table in sheet.tables:
        yield ""
        yield f"## {_escaped(table.title)}"
        yield ""
        yield _row(table.head)
        yield _row_of(["---" if place < table.labels else "---:" for place in range(len(table.head))])
        yield from (_row(row) for row in table.rows)
        if table.note:
            yield ""
            yield _escaped(table.note)


def as_html(sheet: Sheet) -> Iterator[str]:
    """Lines of one page, which needs nothing else and runs nothing."""
    title = html.escape(printable(sheet.title))
    yield f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_NOTHING_ELSE}">'
    yield f"<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>"
    yield from (f"<p>{html.escape(printable(sentence))}</p>" for sentence in sheet.said)
    for table in sheet.tables:
        yield f'<h2>{html.escape(table.title)}</h2>\n<div class="table"><table>'
        yield f"<thead>{_html_row(table.head, table.labels, 'th')}</thead>\n<tbody>"
        yield from (_html_row(row, table.labels, "td") for row in table.rows)
        yield "</tbody></table></div>"
        if table.note:
            yield f"<p>{html.escape(printable(table.note))}</p>"
    yield "</body>\n</html>"


def _row(cells: tuple[str, ...]) -> str:
    return _row_of([_escaped(cell) for cell in cells])


def _row_of(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    """`text` as Markdown shows it: no link, no picture, no mention, no HTML."""
    return _MARKDOWN.sub(r"\\\1", html.escape(printable(text), quote=False))


def _html_row(cells: tuple[str, ...], labels: int, kind: str) -> str:
    number = ' class="n"'
    told = (
        f"<{kind}{'' if place < labels else number}>{html.escape(printable(cell))}</{kind}>"
        for place, cell in enumerate(cells)
    )
    return f"<tr>{''.join(told)}</tr>"


_NOTHING_ELSE = "default-src 'none'; style-src 'unsafe-inline'"

_STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "h1{font-size:1.4rem}h2{font-size:1.05rem;margin:2rem 0 .5rem}"
    ".table{overflow-x:auto}table{border-collapse:collapse;width:100%}"
    "th,td{padding:.3rem .7rem;text-align:left;border-bottom:1px solid #8884;overflow-wrap:anywhere}"
    ".n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}"
)
