"""What it takes to price a call again, read off its row: the usage that was kept, and how it was asked for.

The price comes out as it did when the call was recorded, to the flag, if the book is the same: `charge_again` is what
`capture` did, from what was kept of it. A call that a middleware asked several models for has several answers, each
with a usage of its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple, cast

from claude_telemetry.pricing import Book, Charge, charge_of, model_to_price, not_known, together
from claude_telemetry.record.identity import AGENT_MODEL_REQUEST
from claude_telemetry_collector.decode.anthropic_sdk import usage_told
from claude_telemetry_collector.decode.charging import model_asked
from claude_telemetry_collector.decode.door import MAX_ITEMS
from claude_telemetry_collector.queries.window import MODEL

ROW = (
    "started_at, source, platform, region, operation, request_model, model, status, http_status, stop_reason, stream,"
    " usage, usage_partial, hops, empty_refusal, refusal_category, declined, batch_id, custom_id, workspace_id,"
    " service_tier, input_tokens, cache_read_tokens, cache_write_tokens, cache_write_5m_tokens, cache_write_1h_tokens,"
    " output_tokens, cost_usd, net_cost_usd, cost_status, cost_breakdown, cost_flags, billed, price_version,"
    " CASE WHEN source = 'anthropic_sdk' THEN attributes::JSON END AS sdk_attributes,"
    f" {MODEL} AS shown_model"
)
"""The select list of the rows of `calls` that are read here."""

TELLERS_FLAGS = frozenset(
    {
        "abandoned_attempts",
        "session_model_assumed",
        "server_tools_unreported",
        "speed_unreported",
        "compaction_cache_unreported",
    }
)
"""Flags of a cost that do not come of its price, but of who told of the call."""


class KeptAnswer(NamedTuple):
    """One answer of a model, as far as its price depends on it."""

    usage: str | None
    """The API's usage object, as JSON. `None` when it is not known."""
    model: str | None
    """The id to price it by."""
    empty_refusal: bool
    refusal_category: str | None
    declined: tuple[tuple[str, str | None], ...]
    incomplete: bool
    """Its output is not known."""


class KeptCall(NamedTuple):
    """A call whose usage was kept."""

    day: datetime
    """Midnight of the UTC day on which the application asked."""
    platform: str
    region: str | None
    workspace_id: str | None
    batch: bool
    answers: tuple[KeptAnswer, ...]
    """More than one where a middleware asked again."""
    more_flags: tuple[str, ...]
    """What its cost leaves out, or rests on, beside its price."""
    deployment_type: str | None = None
    """Of Foundry. No call tells it; a user's own prices may."""
    priced: bool = True
    """False for a model request of a session whose model nobody told: that has no price in any book."""


class NotKept(NamedTuple):
    """Why a call cannot be priced again."""

    why: str
    """`free`: nothing was due, whatever the price. `no_usage`: its usage was not kept. `usage_cut`: not all of it was.
    `refusal_unknown`: it was refused, and whether there was content is not known."""


def kept_call(row: Mapping[str, Any]) -> KeptCall | NotKept:
    """What was kept of the call in `row`, which has the columns of `ROW`."""
    answers = _answers(row)
    if isinstance(answers, NotKept):
        return answers
    flags = tuple(flag for flag in (row["cost_flags"] or "").split(",") if flag in TELLERS_FLAGS)
    return KeptCall(
        day=row["started_at"].replace(hour=0, minute=0, second=0, microsecond=0),
        platform=row["platform"] or "anthropic",
        region=row["region"],
        workspace_id=row["workspace_id"],
        batch=row["custom_id"] is not None,
        answers=answers,
        more_flags=flags,
        priced=row["operation"] != AGENT_MODEL_REQUEST or row["model"] is not None,
    )


def charge_again(call: KeptCall, book: Book | None = None) -> Charge:
    """What `call` costs by `book`; by that of this process for `None`."""
    charges = charges_again(call, book)
    return charges[0] if len(charges) == 1 else together(charges)


def charges_again(call: KeptCall, book: Book | None = None) -> list[Charge]:
    """What each answer of `call` costs."""
    if not call.priced:
        return [not_known()]
    place = (call.day, call.platform, call.region, call.deployment_type, call.workspace_id, call.batch)
    return [_charge(answer, *place, book) for answer in call.answers]


def usage_of(answer: KeptAnswer) -> dict[str, Any] | None:
    """The usage object of `answer`. `None` when it is not known."""
    return None if answer.usage is None else _object(answer.usage)


@lru_cache(maxsize=8192)
def _charge(
    answer: KeptAnswer,
    day: datetime,
    platform: str,
    region: str | None,
    deployment_type: str | None,
    workspace_id: str | None,
    batch: bool,
    book: Book | None,
) -> Charge:
    """Worked out once for calls that are alike."""
    usage = usage_of(answer)
    if usage is None:
        return not_known()
    return charge_of(
        usage,
        model=answer.model,
        at=day,
        platform=platform,
        region=region,
        deployment_type=deployment_type,
        workspace_id=workspace_id,
        batch=batch,
        empty_refusal=answer.empty_refusal,
        refusal_category=answer.refusal_category,
        declined=dict(answer.declined),
        incomplete=answer.incomplete,
        book=book,
    )


def _answers(row: Mapping[str, Any]) -> tuple[KeptAnswer, ...] | NotKept:
    """The answers of the call, whose usage our own capture kept as it came, or `decode` as far as somebody told it."""
    usage = _usage(row)
    if row["hops"] is not None:
        told = cast("list[dict[str, Any]]", json.loads(row["hops"]))
        answers = tuple(
            _answer(row, hop, None if hop.get("usage") is None else json.dumps(hop["usage"])) for hop in told
        )
        cut = len(told) >= MAX_ITEMS
        older = any("usage_partial" not in hop for hop in told)
    elif usage is not None:
        partial = row["usage_partial"] is True or row["output_tokens"] is None
        facts = {**row, "declined": _object(row["declined"]), "usage_partial": partial}
        answers, cut = (_answer(row, facts, usage),), False
        # Before there was a column for it, only the price told that there was no content.
        older = row["stop_reason"] == "refusal" and row["empty_refusal"] is None
    else:
        return NotKept("free" if row["billed"] is False else "no_usage")
    if cut or any(_is_cut(answer) for answer in answers) or "tokens_unknown" in (row["cost_flags"] or ""):
        # What cannot be kept of a usage, such as a number that no column holds, is left out of it.
        return NotKept("usage_cut")
    return NotKept("refusal_unknown") if older else answers


def _usage(row: Mapping[str, Any]) -> str | None:
    """The usage of the call, as JSON. The SDK's own tracing tells it in counts."""
    if row["usage"] is not None or row["source"] != "anthropic_sdk":
        return cast("str | None", row["usage"])
    if row["billed"] is False and row["empty_refusal"] is not True:
        return None  # turned away
    usage = usage_told(row, _object(row["sdk_attributes"]))
    return None if usage is None else json.dumps(usage)


def _answer(row: Mapping[str, Any], told: Mapping[str, Any], usage: str | None) -> KeptAnswer:
    declined: Mapping[str, str] = told.get("declined") or {}
    return KeptAnswer(
        usage=usage,
        model=model_to_price(row["platform"], asked=model_asked(row), answered=told.get("model")),
        empty_refusal=told.get("empty_refusal") is True,
        refusal_category=told.get("refusal_category"),
        declined=tuple((model, category or None) for model, category in declined.items()),
        incomplete=told.get("usage_partial") is True,
    )


def _is_cut(answer: KeptAnswer) -> bool:
    """Whether the usage has as many iterations as are kept at most."""
    if answer.usage is None or '"iterations"' not in answer.usage:
        return False
    iterations = _object(answer.usage).get("iterations")
    return isinstance(iterations, list) and len(cast("list[object]", iterations)) >= MAX_ITEMS


def _object(text: str | None) -> dict[str, Any]:
    return {} if text is None else cast("dict[str, Any]", json.loads(text))
