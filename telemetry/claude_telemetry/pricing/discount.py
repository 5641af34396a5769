"""What the user pays of the list price: the discount that holds for a call, and what is left of it.

Of the discounts that hold for a model on a platform in a workspace on a day, the one that names the most of these
counts; two that name as many cannot both hold, the user's file is refused otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from claude_telemetry.pricing.book import Book, Discount


class Deal(NamedTuple):
    """Who pays for what, as far as a discount depends on it."""

    family: str
    """Of the model that was called."""
    platform: str
    workspace_id: object
    day: int


def net_of(book: Book, deal: Deal, total: int, shares: Iterable[tuple[str, int]], flags: list[str]) -> int:
    """Of `total` picodollars, what is left after the discounts, rounded once, half to even.

    `shares` are what other models than the called one had in it, by family: each has its own discount.
    """
    of_family: dict[str, int] = {}
    rest = total
    for family, amount in shares:
        of_family[family] = of_family.get(family, 0) + amount
        rest -= amount
    of_family[deal.family] = of_family.get(deal.family, 0) + rest
    net_numerator, net_denominator = 0, 1
    for family, amount in of_family.items():
        discount, depends = discount_for(book, deal._replace(family=family))
        if depends:
            flags.append("workspace_unreported")
        numerator, denominator = (1, 1) if discount is None else discount.multiplier.as_integer_ratio()
        net_numerator = net_numerator * denominator + amount * numerator * net_denominator
        net_denominator *= denominator
    return _half_even(net_numerator, net_denominator)


def discount_for(book: Book, deal: Deal) -> tuple[Discount | None, bool]:
    """The discount that holds, or `None`; and whether that depends on a workspace that is not known."""
    workspace_id = deal.workspace_id
    return _discount_for(book, deal._replace(workspace_id=workspace_id if isinstance(workspace_id, str) else None))


@lru_cache(maxsize=1024)
def _discount_for(book: Book, deal: Deal) -> tuple[Discount | None, bool]:
    depends = False
    for discount in book.discounts:
        if _holds(discount, deal):
            if discount.workspace_id in (None, deal.workspace_id):
                return discount, depends
            depends = depends or deal.workspace_id is None
    return None, depends


def _holds(discount: Discount, deal: Deal) -> bool:
    """Whether it does, but for the workspace."""
    return (
        discount.first_day <= deal.day < discount.day_after
        and discount.family in (None, deal.family)
        and discount.platform in (None, deal.platform)
    )


def _half_even(numerator: int, denominator: int) -> int:
    whole, rest = divmod(numerator, denominator)
    return whole + (2 * rest > denominator or (2 * rest == denominator and whole % 2 == 1))
