"""A prompt as one object, so that its name, its text and its version cannot drift apart.

    SUMMARY = prompt("summary", "Summarise {text} in one sentence.", version="3")

    with SUMMARY.using(text=article) as question:
        client.messages.create(..., messages=[{"role": "user", "content": question}])

The version that is recorded holds a fingerprint of the template: whoever changes the text without a new version still
gets a new one on the pages. The template itself is in no span and in no log.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import TracebackType
from typing import Final

from claude_telemetry.errors import LabelError
from claude_telemetry.labels import layers
from claude_telemetry.labels.layers import Said
from claude_telemetry.labels.values import LabelValue, text_of

_FIELD = re.compile(r"\{\{([^\W\d]\w*)\}\}|\{([^\W\d]\w*)\}")
"""`{name}` is a place for a value, `{{name}}` is the text `{name}`. Every other brace, as JSON has them, is text."""

_NAME_LONGEST = 128
"""Of a name, and of a version: the fingerprint must not be what is cut off a label."""


class Prompt:
    """A named template. Made by `prompt`; never changed."""

    __slots__ = ("_pieces", "fields", "name", "said", "template", "version")

    def __init__(self, name: str, template: str, *, version: LabelValue = None) -> None:
        if not isinstance(template, str):  # pyright: ignore[reportUnnecessaryIsInstance] - not all callers are checked
            raise LabelError(f"a prompt's template is a {type(template).__name__}: give text")
        self.name: Final = _named("prompt_name", name)
        self.template: Final = template
        given = f"{_named('prompt_version', version)}+" if version is not None else ""
        self.version: Final = given + fingerprint_of(template)
        """What is recorded: the version that was given and the template's fingerprint, `3+1f2e3d4c`; else only that."""
        self._pieces = _pieces_of(template)
        self.fields: Final = frozenset(piece for piece, is_field in self._pieces if is_field)
        """The names that the template has places for."""
        self.said: Final = Said({"prompt_name": self.name, "prompt_version": self.version})

    def format(self, /, **values: object) -> str:
        """The text, with `values` in their places. What a value holds is never looked into for places.

        Raises `LabelError` when a value is missing, is `None`, or has no place; the message holds no value.
        """
        if problem := _problem_of(self.fields, values):
            raise LabelError(f"the prompt {self.name} {problem}")
        return "".join(str(values[piece]) if is_field else piece for piece, is_field in self._pieces)

    def using(self, /, **values: object) -> Using:
        """For a `with` block: gives the text, and labels the calls inside with this prompt and its version.

        Raises as `format` does, before the block.
        """
        return Using(self, self.format(**values))

    def __repr__(self) -> str:
        # Without the template: what prints an object may be a log.
        return f"prompt({self.name!r}, version={self.version!r})"


class Using:
    """A prompt with its values. In a `with` block it gives `text`."""

    __slots__ = ("_prompt", "text")

    def __init__(self, prompt: Prompt, text: str) -> None:
        self._prompt = prompt
        self.text = text

    def __enter__(self) -> str:
        layers.put(self._prompt.said, self)
        return self.text

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        layers.leave(self)


def prompt(name: str, template: str, *, version: LabelValue = None) -> Prompt:
    """A prompt that knows its name, its text and its version.

    `{name}` in the template is a place for a value; write `{{name}}` for these characters themselves. All other braces
    stay as they are, so JSON needs no care. Also as a label: `@label(prompt=SUMMARY)`.

    The recorded version is `version` and eight digits that change whenever the template does, the same in every
    process. Raises `LabelError` for an empty name, or a value that can be no label.
    """
    return Prompt(name, template, version=version)


def fingerprint_of(template: str) -> str:
    """Eight hexadecimal digits of SHA-256: two versions of one prompt share them once in four thousand million."""
    import hashlib

    return hashlib.sha256(template.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _pieces_of(template: str) -> tuple[tuple[str, bool], ...]:
    """Text and names of fields in turn, each with whether it is a field."""
    pieces: list[tuple[str, bool]] = []
    done = 0
    for found in _FIELD.finditer(template):
        literal, field = found.groups()
        pieces.append((template[done : found.start()], False))
        pieces.append((f"{{{literal}}}", False) if field is None else (field, True))
        done = found.end()
    pieces.append((template[done:], False))
    return tuple(pieces)


def _problem_of(fields: frozenset[str], values: Mapping[str, object]) -> str | None:
    given = {name for name, value in values.items() if value is not None}
    if missing := sorted(fields - given):
        return f"needs a value for {', '.join(missing)}, or {{{{{missing[0]}}}}} where no value is meant"
    if unknown := sorted(given - fields):
        places = f"it has {', '.join(sorted(fields))}" if fields else "it has none"
        return f"has no place for {', '.join(unknown)}: {places}"
    return None


def _named(label: str, value: LabelValue) -> str:
    text = text_of(label, value, _NAME_LONGEST)
    if not text:
        raise LabelError(f"the {label} of a prompt is empty: give a name")
    return text
