"""The user's own prices that the collector has, for whoever asks it: a question in money has one answer then."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from claude_telemetry.errors import PriceBookError, QuestionRefusedError
from claude_telemetry.pricing import use_own_prices, use_prices
from claude_telemetry_collector.store import Store


class OwnPrices:
    """The job `own_prices`: the text of the file in `path`, or `None` where the collector was given none."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def __call__(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            return {"text": None if self._path is None else self._path.read_text(encoding="utf-8")}
        except (OSError, ValueError) as error:
            raise QuestionRefusedError(f"the collector cannot read its prices in {self._path}: {error}") from error


def price_as(store: Store, given: Path | None) -> None:
    """From now on this process prices with the user's own prices in `given`; without, with those of `store`'s
    collector. Raises `PriceBookError`, and what asking the collector raises."""
    if given is not None:
        use_prices(given)
        return
    text = store.do("own_prices", {})["text"]
    try:
        use_own_prices(None if text is None else str(text).encode())
    except PriceBookError as error:
        raise PriceBookError(f"the prices of the collector: {error}") from error
