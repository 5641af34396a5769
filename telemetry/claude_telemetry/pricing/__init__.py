"""What a Claude call costs: an exact price book by model, day and platform, and the rules by which usage becomes money.

A *price* is USD per million tokens of one model from a day on. A *cost* is USD of one call, line by line.
What is not known stays unknown: no model ever gets the price of another.
"""

from claude_telemetry.pricing.book import Alias, Book, Discount, Evidence, Model, Source
from claude_telemetry.pricing.charge import Charge, charge_of, not_known, nothing_due
from claude_telemetry.pricing.columns import cost_columns, cost_in_short, cost_lines
from claude_telemetry.pricing.cost import Cost, IterationCost, cost_of
from claude_telemetry.pricing.endpoint import model_to_price
from claude_telemetry.pricing.in_use import book_from, price_version, shipped, the_book, use_own_prices, use_prices
from claude_telemetry.pricing.price import Price, known_models, price_of
from claude_telemetry.pricing.session import session_cost_of
from claude_telemetry.pricing.together import together

__all__ = [
    "Alias",
    "Book",
    "Charge",
    "Cost",
    "Discount",
    "Evidence",
    "IterationCost",
    "Model",
    "Price",
    "Source",
    "book_from",
    "charge_of",
    "cost_columns",
    "cost_in_short",
    "cost_lines",
    "cost_of",
    "known_models",
    "model_to_price",
    "not_known",
    "nothing_due",
    "price_of",
    "price_version",
    "session_cost_of",
    "shipped",
    "the_book",
    "together",
    "use_own_prices",
    "use_prices",
]
