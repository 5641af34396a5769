"""What cannot be compared, said in sentences: a number that quietly left it out would be wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from claude_telemetry_collector.queries.bill.facts import Day, LeftOut
from claude_telemetry_collector.queries.bill.prices import Prices
from claude_telemetry_collector.queries.bill.sides import BilledMoney, CallsTold
from claude_telemetry_collector.queries.bill.wording import counted, usd

_PLATFORMS = {
    "bedrock": "Amazon Bedrock",
    "vertex": "Google Cloud (Vertex AI)",
    "google_cloud": "Claude Platform on Google Cloud",
    "foundry": "Microsoft Foundry",
    "claude_platform_aws": "Claude Platform on AWS",
    None: "an unknown platform",
}
_OTHER_COSTS = {
    "code_execution": "Container time of code execution is billed by the hour, and is in no call",
    "session_usage": "The running time of managed agents is billed by the hour, and is in no call",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Remarks:
    """What there is to remark upon, of the settled days."""

    days: Sequence[Day]
    calls: Sequence[CallsTold]
    on_the_bill: Sequence[CallsTold]
    free_tokens: int
    money: Sequence[BilledMoney]
    prices: Prices
    waiting: int


def left_out(remarks: Remarks) -> tuple[LeftOut, ...]:
    """One sentence for each thing, those that can matter most first."""
    said = [
        *_elsewhere(remarks),
        *_organizations(remarks),
        *_unknown(remarks),
        *_tokens(remarks),
        *_money(remarks),
        *_by_prompt(remarks),
    ]
    return tuple(LeftOut(what=sentence) for sentence in said)


def _elsewhere(remarks: Remarks) -> Iterable[str]:
    on_it = set(map(id, remarks.on_the_bill))
    elsewhere: Counter[str | None] = Counter()
    for one in remarks.calls:
        if id(one) not in on_it:
            elsewhere[one.platform] += one.calls
    for platform, calls in elsewhere.most_common():
        name = _PLATFORMS.get(platform, platform)
        yield f"{counted(calls, 'call')} on {name}: not on this bill"


def _organizations(remarks: Remarks) -> Iterable[str]:
    organizations = {name for one in remarks.on_the_bill for name in one.organizations}
    if len(organizations) > 1:
        yield (
            f"The calls belong to {len(organizations)} organizations, and a bill is about one: those of the others "
            "are surplus here"
        )


def _unknown(remarks: Remarks) -> Iterable[str]:
    unknown = sum(one.usage_unknown for one in remarks.on_the_bill)
    partial = sum(one.usage_partial for one in remarks.on_the_bill)
    if unknown:
        yield f"{counted(unknown, 'call')} of which nobody saw the usage: what the bill has for them counts as missing"
    if partial:
        yield (
            f"{counted(partial, 'call')} of which only a part was seen, such as a stream that was left early: the "
            "rest counts as missing"
        )


def _tokens(remarks: Remarks) -> Iterable[str]:
    if remarks.free_tokens:
        yield (
            f"{counted(remarks.free_tokens, 'token')} of refusals and declined attempts, which are free: it is not "
            "published whether the bill lists them, so they are not counted as seen"
        )
    midnight = sum(one.over_midnight for one in remarks.on_the_bill)
    if midnight:
        yield (
            f"{counted(midnight, 'call')} that ran over midnight UTC: here they belong to the day on which they "
            "began, on the bill maybe to the next"
        )
    if remarks.waiting:
        yield f"{counted(remarks.waiting, 'token')} of batches that may be billed on the day after the last"


def _money(remarks: Remarks) -> Iterable[str]:
    priority = sum(one.priority for one in remarks.on_the_bill)
    if priority:
        yield (
            f"{counted(priority, 'call')} in the priority tier: it is paid by contract, so the bill has their tokens "
            "and no money for them"
        )
    other: Counter[str] = Counter()
    sums: dict[str, Fraction] = {}
    for one in remarks.money:
        if one.kind is None:
            name = one.cost_type or "no type"
            other[name] += 1
            sums[name] = sums.get(name, Fraction(0)) + Fraction(one.amount_usd)
    for name in other:
        yield f"{_OTHER_COSTS.get(name, f'What the bill calls {name} is in no call')}: {usd(sums[name])}"
    if sum(one.ran_code for one in remarks.on_the_bill) and "code_execution" not in other:
        yield "Calls ran code on the server, and the bill shows no container time: it may be within the free hours"
    nameless = [one for one in remarks.money if one.kind is not None and one.model is None]
    if nameless:
        yield f"{usd(_sum(nameless))} of the bill for which it names no model"
    if remarks.prices.without_usage:
        yield f"{usd(_sum(remarks.prices.without_usage))} of the bill for which it shows no tokens"
    if remarks.prices.without_money:
        tokens = sum(one.tokens for one in remarks.prices.without_money)
        yield f"{counted(tokens, 'token')} for which the bill shows no money: they count at our price"
    if any(day.state == "settled" and day.family == "admin" for day in remarks.days):
        yield (
            "The older report has no list prices: whether a difference is a discount or a wrong price cannot be told. "
            "Missing tokens count at our price"
        )


def _by_prompt(remarks: Remarks) -> Iterable[str]:
    models = {one.part.model for one in remarks.prices.priced if one.by_prompt and not one.whole}
    for model in sorted(models):
        yield (
            f"Prices of {model}: they depend on the length of each prompt, which the bill does not tell, so only days "
            "on which every call was seen are compared"
        )


def _sum(money: Iterable[BilledMoney]) -> Fraction:
    return sum((Fraction(one.amount_usd) for one in money), Fraction(0))
