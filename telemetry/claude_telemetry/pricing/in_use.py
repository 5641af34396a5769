"""Which price book this process prices with: the one that ships with the package, or that with a user's own prices."""

from __future__ import annotations

import hashlib
import threading
from importlib import resources
from pathlib import Path

from claude_telemetry.errors import PriceBookError
from claude_telemetry.pricing.book import Book
from claude_telemetry.pricing.edition import edition_from


def price_version() -> str:
    """The edition of the price book: the day it is true as of, and a hash of its content. With a user's own prices,
    `+` and a hash of their file."""
    return the_book().version


def the_book() -> Book:
    """The price book in use, read on first use. Thread-safe.

    Raises `PriceBookError` when it cannot be read.
    """
    return _book or _shipped_book()


def book_from(builtin: bytes, own: bytes | None = None) -> Book:
    """The book that `builtin` holds, in the format of `prices.json`, with a user's own prices over it, in that of
    `docs/pricing.md`.

    Raises `PriceBookError` that says what is wrong with either.
    """
    book = edition_from(builtin)
    if own is None:
        return book
    # Few have such a file, and what reads it takes as long to import as all the rest.
    from claude_telemetry.pricing.overlay import laid_over
    from claude_telemetry.pricing.own_file import own_prices_from

    return laid_over(book, own_prices_from(own), f"{book.version}+{hashlib.sha256(own).hexdigest()[:8]}")


def use_prices(path: Path | None) -> None:
    """From now on this process prices with the user's own prices in `path` over the book; with the book alone for
    `None`. What is priced at this moment takes one or the other. Thread-safe.

    Raises `PriceBookError` that says what is wrong with the file, and leaves the book in use as it is.
    """
    _use(None if path is None else _book_with(path))


def use_own_prices(own: bytes | None) -> None:
    """The same with the text of such a file. Raises `PriceBookError` that says what is wrong with it."""
    _use(None if own is None else book_from(shipped(), own))


def _use(book: Book | None) -> None:
    global _book
    _book = book


def _shipped_book() -> Book:
    """It cannot change while a process lives, so it is read once, whoever is done with prices of their own."""
    global _shipped
    if _shipped is None:
        with _reading:
            if _shipped is None:
                _shipped = book_from(shipped())
    return _shipped


def _book_with(path: Path) -> Book:
    try:
        own = path.read_bytes()
    except OSError as error:
        raise PriceBookError(
            f"the prices in {path} cannot be read ({error.strerror}): give a file as docs/pricing.md describes it"
        ) from None
    try:
        return book_from(shipped(), own)
    except PriceBookError as error:
        raise PriceBookError(f"{path}: {error}") from None


def shipped() -> bytes:
    """The price book that ships with this package, as it was written."""
    return resources.files("claude_telemetry.pricing").joinpath("prices.json").read_bytes()


_book: Book | None = None
"""That with a user's own prices. `None` for the one that ships with the package."""
_shipped: Book | None = None
_reading = threading.Lock()
