"""What holding the calls against the bill came to, in sentences: the same ones in the command and on the page.

A share is cut off and not rounded, so that only all of it reads 100 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from claude_telemetry_collector.queries.bill.facts import (
    Coverage,
    Discount,
    PriceFinding,
    PriceOf,
    Reconciliation,
    Tolerance,
)
from claude_telemetry_collector.queries.bill.kinds import KINDS, SEARCHES

_MOST_DIGITS = 6


def verdict(found: Reconciliation, tolerance: Tolerance) -> str:
    """One sentence or two: whether it fits, and if not, what is missing or off."""
    if not found.is_pulled:
        return "Nothing of the bill has been pulled for these days."
    if not found.settled:
        return f"The bill is not complete for any of these days yet: {counted(len(found.pending), 'day')} pending."
    coverage, days = found.coverage, counted(len(found.settled), "day")
    if not coverage.billed and not coverage.surplus:
        return f"The bill has no tokens for {days}, and neither has telemetry."
    sentences = [_seen(coverage, days), *_more(found, coverage)]
    drift = found.is_drift(tolerance)
    return ("It does not fit: " if drift else "") + " ".join(sentences)


def _seen(coverage: Coverage, days: str) -> str:
    if not coverage.billed:
        return f"telemetry saw {counted(coverage.surplus, 'token')} in {days}, and none is on the bill."
    if not coverage.missing:
        return f"telemetry has seen all {coverage.billed:,} tokens that were billed in {days}."
    money = coverage.of_money
    worth = "" if money is None else f" ({share(money)} of its list money)"
    return (
        f"telemetry has seen {share(coverage.of_tokens)} of the {coverage.billed:,} tokens that were billed in "
        f"{days}{worth}. {coverage.missing:,} tokens at {usd(coverage.missing_usd)} list price came from elsewhere."
    )


def _more(found: Reconciliation, coverage: Coverage) -> list[str]:
    said: list[str] = []
    if coverage.billed and coverage.surplus:
        said.append(f"{counted(coverage.surplus, 'token')} that it saw are not on the bill.")
    if found.findings:
        count = len(found.findings)
        error = found.price_error
        by = "" if not error else f", by {share(error)} of the money compared"
        said.append(f"{count} {'price is' if count == 1 else 'prices are'} not as billed{by}.")
    elif found.price_error is not None:
        said.append("Prices are as billed.")
    return said


def price_sentence(found: Reconciliation) -> str:
    """How far all prices are off together, or why they are not compared."""
    if found.price_error is None:
        return "not compared: the older report has no list prices" if found.unseparated else "nothing could be compared"
    if not found.findings:
        return f"as billed, for {usd(found.price_compared_usd)} of list money"
    return (
        f"off by {usd(found.price_error_usd)} of {usd(found.price_compared_usd)} list money "
        f"({share(found.price_error)})"
    )


def finding_sentence(finding: PriceFinding) -> str:
    """Which price it is, since when, what we say and what the bill says."""
    return f"{finding.model} {_what(finding)} {_when(finding)}: {_said(finding)}"


def remedy(finding: PriceFinding) -> str:
    """What to do about it."""
    if finding.fault == "calls":
        return (
            "The price book of today agrees with the bill: "
            f"`claude-telemetry reprice --since {finding.since}` corrects the calls."
        )
    if finding.fault == "no_price":
        return "Give it a price in your price file (--prices), then reprice the calls."
    return (
        "If the bill is right, correct the price in your price file (--prices), and the calls with "
        f"`claude-telemetry reprice --since {finding.since}`."
    )


def discount_sentence(discount: Discount) -> str:
    """What is paid of the list price, and since when."""
    where = "" if discount.workspace is None else f" in {discount.workspace}"
    days = f"since {discount.since}" if discount.ongoing else f"from {discount.since} to {discount.last_day}"
    paid = "the list price" if discount.multiplier == 1 else f"{number(discount.multiplier)} of the list price"
    whole = "" if discount.uniform else ", all in all: it is not the same for everything"
    return f"{discount.model}{where} {days}: {paid}{whole}"


def as_toml(discounts: Sequence[Discount]) -> str:
    """The discounts as a user's price file has them. Empty where the list price is paid."""
    entries: list[str] = []
    for discount in discounts:
        if discount.multiplier >= 1 or discount.multiplier < 0:
            continue
        entry = ["[[discounts]]", f'model = "{discount.model}"']
        if discount.workspace is not None:
            entry.append(f'workspace = "{discount.workspace}"')
        about = "" if _terminates(discount.multiplier) and discount.uniform else "  # about"
        entry.append(f"multiplier = {number(discount.multiplier)}{about}")
        entry.append(f"from = {discount.since}")
        after = _next_after(discount, discounts)
        if after is not None:
            entry.append(f"until = {after}")
        entries.append("\n".join(entry))
    return "\n\n".join(entries)


def _next_after(discount: Discount, discounts: Sequence[Discount]) -> object | None:
    """The day on which another takes its place."""
    later = [
        other.since
        for other in discounts
        if (other.model, other.workspace) == (discount.model, discount.workspace) and other.since > discount.since
    ]
    return min(later, default=None)


def kind_title(kind: str) -> str:
    """`cache reads` for `cache_read_input_tokens`."""
    return KINDS[kind][1] if kind in KINDS else kind


def price(rate: Fraction | None, kind: str) -> str:
    """USD per million tokens, or per search."""
    if rate is None:
        return "no price"
    return money(rate if kind == SEARCHES else rate * 10**6)


def money(amount: Fraction) -> str:
    """USD with every digit that says something, and at least cents."""
    whole, _, fraction = number(amount).partition(".")
    return f"${whole}.{fraction.ljust(2, '0')}"


def usd(amount: Fraction) -> str:
    """USD to the cent; less than a cent to two digits that say something."""
    cents = Decimal(round(amount * 100)).scaleb(-2)
    if amount and abs(amount) < Fraction(1, 100):
        return money(_rounded(amount, 2))
    return f"${cents:,.2f}"


def share(part: Fraction | None) -> str:
    """A percentage, cut off after two places. A share of nothing is a dash."""
    if part is None:
        return "—"
    hundredths = part * 10_000
    cut = hundredths.numerator // hundredths.denominator
    if not cut and part:
        return "less than 0.01 %"
    whole, rest = divmod(cut, 100)
    return f"{whole} %" if part == 1 or (not rest and part * 100 == whole) else f"{whole}.{rest:02} %"


def counted(count: int, noun: str) -> str:
    """`1 token`, `1,200 tokens`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def number(amount: Fraction) -> str:
    """In full where it ends, else with six digits that say something."""
    exact = amount if _terminates(amount) else _rounded(amount, _MOST_DIGITS)
    return f"{(Decimal(exact.numerator) / Decimal(exact.denominator)).normalize():f}"


def _terminates(amount: Fraction) -> bool:
    """Whether it is a decimal of at most twelve places."""
    return (10**12 * amount).denominator == 1


def _rounded(amount: Fraction, digits: int) -> Fraction:
    if not amount:
        return amount
    first = (Decimal(amount.numerator) / Decimal(amount.denominator)).adjusted()
    scale = Fraction(10) ** (digits - 1 - first)
    return Fraction(round(amount * scale)) / scale


def _what(finding: PriceFinding) -> str:
    kinds = list(dict.fromkeys(price.kind for price in finding.prices))
    words = "all tokens" if finding.whole_tier else ", ".join(kind_title(kind) for kind in kinds)
    where = [
        said
        for said, everywhere in (
            ("in batches", all(price.tier == "batch" for price in finding.prices)),
            ("in fast mode", all(price.speed == "fast" for price in finding.prices)),
            ("in the US only", all(price.geo == "us" for price in finding.prices)),
        )
        if everywhere
    ]
    return " ".join([words, *where])


def _when(finding: PriceFinding) -> str:
    if finding.ongoing:
        return f"since {finding.since}"
    return f"on {finding.since}" if finding.since == finding.last_day else f"from {finding.since} to {finding.last_day}"


def _said(finding: PriceFinding) -> str:
    firsts: dict[str, PriceOf] = {}
    for one in finding.prices:
        firsts.setdefault(one.kind, one)
    about = "on average " if finding.prompt_lengths else ""
    who = "calls were priced at" if finding.fault == "calls" else "the book says"
    if finding.fault == "no_price":
        told = ", ".join(f"{about}{price(one.billed, kind)} {_each(kind)}" for kind, one in firsts.items())
        return f"the book has no price, the bill says {told}"
    if len(firsts) == 1:
        ((kind, one),) = firsts.items()
        return f"{who} {about}{price(one.ours, kind)}, the bill says {price(one.billed, kind)} per {_unit(kind)}"
    factor = "" if finding.factor is None else f"the bill is {number(finding.factor)} × our price: "
    told = "; ".join(
        f"{kind_title(kind)} {price(one.ours, kind)}, billed {price(one.billed, kind)}" for kind, one in firsts.items()
    )
    return f"{factor}{about}{told} per MTok"


def _each(kind: str) -> str:
    return f"per {_unit(kind)}" if kind == SEARCHES else f"per MTok of {kind_title(kind)}"


def _unit(kind: str) -> str:
    return "search" if kind == SEARCHES else "MTok"
