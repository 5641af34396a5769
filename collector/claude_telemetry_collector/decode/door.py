"""What is let in of the attributes that senders attach.

Two things stay outside whoever sends them: *content* (what people wrote to Claude, and what it answered) and *secrets*
(header values, keys). An attribute that is a fact of the record is let in by its name. Of the rest, numbers and flags
are; text is unless its name speaks of content or secrets, or it is long: names and ids are short, prompts are not.

What is let in is plain: text that DuckDB can hold, finite numbers of 64 bits, lists and objects of these, of bounded
depth and size. Anything else counts as not sent.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import cast

from claude_telemetry.record import Attempt, Call, ToolUse, columns_of
from claude_telemetry.record.event import PREFIX, Event
from claude_telemetry.record.tool_run import ToolRun

MAX_FACT_TEXT = 65_536
MAX_TEXT = 1_024
MAX_WORD = 128
MAX_KEY = 256
MAX_ITEMS = 128
MAX_DEPTH = 5
"""Of lists and objects within a value."""

MAX_WHOLE = 2**63 - 1


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_RECORDS = (Call, Attempt, ToolUse, ToolRun, Event)
_FACTS = frozenset(column.fact.attribute for record in _RECORDS for column in columns_of(record)) - {None}

_CONTENT = _words(
    "answer answers args argument arguments body choice choices completion completions content contents context data "
    "definition definitions description document documents error exception input inputs instruction instructions "
    "message messages object output outputs prompt prompts query question questions reasoning response result results "
    "schema sequences stacktrace statement template text thinking tools transcript value variables"
)
"""Words in a name of which the value may be content. Read off the emitters in the table of dialects, 2026-11-20."""

_SECRET = _words(
    "apikey auth authorization bearer cookie credential credentials header headers key password passwd secret "
    "signature token"
)

_NAMES_ONLY = _words("fingerprint format hash id ids level model name names reason reasons role type types version")
"""Last words of a name of which the value is a name, even where it names a piece of content."""

# The addresses may carry a key in their query; `url.path` and `server.address` say the rest.
_LEFT_OUT = frozenset({"url.full", "url.query", "http.url", "http.target", "user.email", "enduser.email"})
"""Claude Code says who its user is by an id, a hash and an address; the first two do."""

_SEALED = frozenset(
    {
        "ai.response.providerMetadata",
        "error.message",
        "gen_ai.completion",
        "gen_ai.usage.input_token_details",
        "gen_ai.usage.raw",
        "hidden_params",
        "langfuse.observation.cost_details",
        "langfuse.observation.usage_details",
        "langsmith.metadata.usage_metadata",
        "llm.anthropic.usage",
        "llm.invocation_parameters",
        "metadata",
        "metadata.usage_object",
        "metadata.user_api_key_end_user_id",
        "metadata.user_api_key_user_id",
        "mlflow.chat.tokenUsage",
        "mlflow.llm.cost",
        "mlflow.spanInputs",
        "mlflow.spanOutputs",
        "output.value",
        "query_source",
        "query_source_safe",
        "traceloop.prompt.key",
    }
)
"""Texts that emitters put a usage, an id or a name into: beside content, or under a name that speaks of it."""

_BEGINS_NUMBERS = frozenset("0123456789- ")
_NUMBER = re.compile(r"\s*-?[0-9]{1,19}(?:\.[0-9]{0,19})?\s*")

MAX_NUMBER = 40
MAX_SEALED = 1_048_576
MAX_STATUS_MESSAGE = 4_096

_WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")


def let_in(attributes: Iterable[tuple[str, object]]) -> dict[str, object]:
    """Of `attributes`, already Python values, what may be kept. Of two with one name, the later."""
    kept: dict[str, object] = {}
    for key, value in attributes:
        if len(key) > MAX_KEY:
            continue
        name, max_text = _verdict(key)
        if isinstance(value, str) and 0 < len(value) <= max_text and value.isascii() and "\0" not in value:
            kept[name] = value  # nearly all of them, and nothing is to be done
            continue
        if isinstance(value, int) and -MAX_WHOLE <= value <= MAX_WHOLE:
            kept[name] = value
            continue
        known = plain(value, max_text) if max_text or isinstance(value, bool | int | float) else None
        if known is not None:
            kept[name] = known
    return kept


def sealed_texts(attributes: Iterable[tuple[str, object]]) -> dict[str, str]:
    """Of `attributes`, the texts in which a dialect may look for a number or an id. None of them may be kept.

    Numbers that were written as texts are among them, since some emitters write their counts so.
    """
    return {
        key: value[:MAX_SEALED]
        for key, value in attributes
        if isinstance(value, str) and (key in _SEALED or (value[:1] in _BEGINS_NUMBERS and _is_number(value)))
    }


def _is_number(text: str) -> bool:
    return len(text) <= MAX_NUMBER and _NUMBER.fullmatch(text) is not None


def plain(value: object, max_text: int, *, depth: int = MAX_DEPTH, judged: bool = True) -> object:
    """`value` if it can be kept, without the parts that cannot, or `None`. `judged`: parts by their names too."""
    if isinstance(value, str):
        return storable(value) if len(value) <= max_text else None
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value if -MAX_WHOLE <= value <= MAX_WHOLE else None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth == 0:
        return None
    if isinstance(value, list):
        items = cast("list[object]", value)[:MAX_ITEMS]
        return [plain(item, max_text, depth=depth - 1, judged=judged) for item in items]
    if isinstance(value, dict):
        return _plain_object(cast("dict[str, object]", value), max_text, depth - 1, judged)
    return None


def _plain_object(value: dict[str, object], max_text: int, depth: int, judged: bool) -> dict[str, object]:
    kept: dict[str, object] = {}
    for key, part in value.items():
        if len(kept) == MAX_ITEMS or len(key) > MAX_KEY:
            continue
        name, allowed = _verdict(key)
        if not judged or allowed or isinstance(part, bool | int | float):
            known = plain(part, max_text, depth=depth, judged=judged)
            if known is not None:
                kept[name] = known
    return kept


def storable(text: str) -> str:
    """`text` as UTF-8 without NUL, which is all that a table holds. What is neither shows as a replacement mark."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode("utf-8")
    return text


@lru_cache(maxsize=4096)
def _verdict(key: str) -> tuple[str, int]:
    """The name as it is kept, and how long a text may be under it: 0 for none, and nothing that holds text."""
    if key in _FACTS:
        return storable(key), MAX_FACT_TEXT
    if key.startswith(PREFIX):
        return storable(key), MAX_WORD  # of an event: `decode.events` judges the value
    return storable(key), MAX_TEXT if _speaks_of_neither(key) else 0


def _speaks_of_neither(key: str) -> bool:
    """Whether the name says that its value is neither content nor a secret."""
    if key.lower() in _LEFT_OUT:
        return False
    words = [word.lower() for word in _WORD.findall(key)]
    if not _SECRET.isdisjoint(words):
        return False
    if _CONTENT.isdisjoint(words):
        return True
    return words[-1] in _NAMES_ONLY
