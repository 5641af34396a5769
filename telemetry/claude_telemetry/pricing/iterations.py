"""An answer that took several requests to models: each *iteration* at its own model's price.

The counts at the top of such a usage leave out what compaction, an advisor or a declined attempt used, so the
iterations are summed instead. A *declined* attempt is one whose model refused, so that a fallback model was asked.

Source: https://platform.claude.com/docs/en/build-with-claude/refusals-and-fallback, read 2026-09-24; `BetaUsage` of the
SDK 2.10.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from claude_telemetry.pricing.book import Book, RefusalRule
from claude_telemetry.pricing.counts import Counts, counts_of
from claude_telemetry.pricing.endpoint import Offer, UnpricedError, part_offer_of
from claude_telemetry.pricing.terms import Terms, rates_for

_TYPES = frozenset({"message", "compaction", "advisor_message", "fallback_message"})


class Refusal(NamedTuple):
    """How a call was refused, as far as that is known, and the rule of the day."""

    rule: RefusalRule | None
    empty: bool
    """The answer itself is a refusal without content."""
    category: str | None
    """Of the answer's refusal. `None` is one that has none."""
    declined: Mapping[str, str | None]
    """Model to category, of the attempts that declined on the way."""

    def is_free(self) -> bool:
        """Whether the answer is a refusal that nobody is charged for."""
        return self.empty and self.rule is not None and not self.is_billed(self.category)

    def is_billed(self, category: object) -> bool:
        """Whether a refusal without output is charged in `category`. One that is no word is as good as none."""
        return self.rule is not None and isinstance(category, str) and category in self.rule.billed_categories


class Part(NamedTuple):
    """What one iteration comes to."""

    type: str
    model: str
    amounts: tuple[int, ...]
    """Picodollars, in the order of `Rates`."""
    billed: bool
    family: str | None
    """Of the model. `None` for one without a price that is not billed."""

    def without_output(self) -> Part:
        return self._replace(amounts=(self.amounts[0], 0, *self.amounts[2:]))


class _Entry(NamedTuple):
    type: str
    model: str
    offer: Offer | None
    """`None` for a model without a price, which matters only if it is billed."""
    counts: Counts


def parts_of(
    book: Book,
    iterations: object,
    name: str,
    call: Offer,
    terms: Terms,
    refusal: Refusal,
    flags: list[str],
    *,
    output_known: bool,
) -> list[Part]:
    """Each of `iterations`, priced; without its output when that is not known.

    `name` and `call` are the answer's model and what it stands for.
    Raises `UnpricedError` when one of them has no price: a sum without it would be wrong.
    """
    if not isinstance(iterations, list):
        raise UnpricedError("iteration_unknown")
    entries = [_entry(book, entry, name, call, terms.platform, flags) for entry in cast("list[object]", iterations)]
    served = next((entry for entry in reversed(entries) if entry.type == "fallback_message"), None)
    parts = [_part(entry, served, call, terms, refusal, flags) for entry in entries]
    return parts if output_known else [part.without_output() for part in parts]


def _entry(book: Book, entry: object, name: str, call: Offer, platform: str, flags: list[str]) -> _Entry:
    if not isinstance(entry, Mapping):
        raise UnpricedError("iteration_unknown")
    fields = cast("Mapping[str, Any]", entry)
    kind, model = fields.get("type"), fields.get("model")
    # A kind that is not known here may be billed in a way that is not known here.
    if not isinstance(kind, str) or kind not in _TYPES or not isinstance(model, str | None):
        raise UnpricedError("iteration_unknown")
    counts = counts_of(fields, flags)
    if model is None or model == name:
        return _Entry(kind, name, call, counts)
    return _Entry(kind, model, part_offer_of(book, platform, model, call), counts)


def _part(entry: _Entry, served: _Entry | None, call: Offer, terms: Terms, refusal: Refusal, flags: list[str]) -> Part:
    family = None if entry.offer is None else entry.offer.model.family
    if _is_free(entry, served, refusal, flags):
        return Part(entry.type, entry.model, (0,) * len(entry.counts), billed=False, family=family)
    if entry.offer is None:
        raise UnpricedError("iteration_unknown")
    rates = rates_for(entry.offer, terms, entry.counts, flags, own=entry.offer.model is call.model)
    amounts = tuple(tokens * rate for tokens, rate in zip(entry.counts, rates, strict=True))
    return Part(entry.type, entry.model, amounts, billed=True, family=family)


def _is_free(entry: _Entry, served: _Entry | None, refusal: Refusal, flags: list[str]) -> bool:
    if entry.type == "fallback_message" or (entry.type == "message" and served is None):
        # The last attempt. When every model has declined, the answer still holds the blocks that tell of the hops, so
        # it is not empty; that the last one declined too shows in its output alone.
        all_declined = entry is served and entry.counts.output == 0 and not refusal.is_billed(refusal.category)
        return refusal.is_free() or all_declined
    if entry.type != "message" or served is None or entry.counts.output or _same_model(entry, served):
        return False
    billed_somehow = refusal.rule is None or bool(refusal.rule.billed_categories)
    if billed_somehow and entry.model not in refusal.declined:
        flags.append("decline_assumed_free")
    return not refusal.is_billed(refusal.declined.get(entry.model))


def _same_model(entry: _Entry, other: _Entry) -> bool:
    if entry.offer is None or other.offer is None:
        return entry.model == other.model
    return entry.offer.model is other.offer.model
