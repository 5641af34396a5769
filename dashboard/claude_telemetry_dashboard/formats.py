"""Numbers as people read them: dollars, times, tokens, shares.

What is not known is shown as a dash, never as a zero. Every function here takes `None` and gives that dash.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from claude_telemetry.record import Column
from claude_telemetry_collector.queries.status import size_in_words

UNKNOWN = "—"

Number = Decimal | float | int

_LARGE = (("T", 10**12), ("B", 10**9), ("M", 10**6), ("k", 10**3))


def usd(amount: Number | None) -> str:
    """US dollars to the cent; a call's fraction of a cent with two digits that say something."""
    if amount is None:
        return UNKNOWN
    dollars = Decimal(str(amount))
    sign, size = ("-" if dollars < 0 else ""), abs(dollars)
    if size >= 10_000:
        return f"{sign}${size:,.0f}"
    if size >= Decimal("0.1") or size == 0:
        return f"{sign}${size:,.2f}"
    if size < Decimal("0.000001"):
        return f"{sign}< $0.000001"
    places = 1 - size.adjusted()
    return sign + _with_cents(f"{size:.{places}f}")


def usd_exact(amount: Decimal | None) -> str:
    """US dollars with every digit that is there, and at least cents."""
    if amount is None:
        return UNKNOWN
    return ("-" if amount < 0 else "") + _with_cents(f"{abs(amount):,f}")


def _with_cents(dollars: str) -> str:
    whole, _, fraction = dollars.partition(".")
    return f"${whole}.{fraction.rstrip('0').ljust(2, '0')}"


def ms(duration: Number | None) -> str:
    """A duration given in milliseconds: `812 ms`, `1.2 s`, `2 min 5 s`, `3 h 20 min`."""
    if duration is None:
        return UNKNOWN
    value = float(duration)
    if value < 0:
        return "-" + ms(-value)
    if round(value) < 1000:
        return f"{value:.0f} ms"
    if value < 59_950:
        return f"{value / 1000:.1f} s"
    return _long(round(value / 1000))


def _long(seconds: int) -> str:
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s" if seconds else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} days"


def count(amount: Number | None) -> str:
    """Calls or tokens: in full below ten thousand, else `12.3k`, `4.56M`, with three digits that say something."""
    if amount is None:
        return UNKNOWN
    value = float(amount)
    if abs(round(value)) < 10_000:
        return f"{value:,.0f}"
    # 999,950 is a million, not a thousand thousands.
    letter, size = next((letter, size) for letter, size in _LARGE if abs(value) >= size * 0.9995)
    scaled = value / size
    digits = 2 if abs(scaled) < 9.995 else 1 if abs(scaled) < 99.95 else 0
    return f"{scaled:.{digits}f}{letter}"


def size(count: int | None) -> str:
    """Bytes: `81.3 MB`, a thousand kB."""
    return UNKNOWN if count is None else size_in_words(count)


def ratio(share: Number | None) -> str:
    """A share from 0 to 1 as a percentage. Only what is exactly all or nothing reads 100% or 0%."""
    if share is None:
        return UNKNOWN
    percent = float(share) * 100
    if percent in (0, 100):
        return f"{percent:.0f}%"
    for digits in (1, 2):
        text = f"{percent:.{digits}f}%"
        if float(text[:-1]) not in (0, 100):
            return text
    return "< 0.01%" if percent < 50 else "> 99.99%"


def number(value: Number | None, unit: str | None) -> str:
    """`value` in its unit, as units are named in the record and in the metrics."""
    if unit == "USD":
        return usd(value)
    if unit == "ms":
        return ms(value)
    if unit in ("1", "ratio"):
        return ratio(value)
    if unit == "token/s" and value is not None:
        return f"{count(value)}/s"
    return count(value)


def change(now: Number | None, before: Number | None) -> float | None:
    """By which share `now` differs from `before`. `None` where there is nothing to compare with."""
    if now is None or before is None or before == 0:
        return None
    return float(now) / float(before) - 1


def percent_change(share: float) -> str:
    """A change with its sign: `+12%`, `-3.4%`; more than tenfold is `×15`."""
    if share >= 9:
        return f"×{share + 1:,.0f}"
    percent = share * 100
    return f"{percent:+.0f}%" if abs(percent) >= 9.95 else f"{percent:+.1f}%"


def points_change(now: Number, before: Number) -> str:
    """A change of a share, in percentage points."""
    return f"{(float(now) - float(before)) * 100:+.1f} pts"


def moment(at: datetime | None) -> str:
    """A moment to the second, UTC."""
    return UNKNOWN if at is None else f"{utc(at):%Y-%m-%d %H:%M:%S}"


def ago(at: datetime | None, now: datetime) -> str:
    """How long ago, roughly."""
    if at is None:
        return UNKNOWN
    passed = max(now - utc(at), timedelta(0))
    if passed < timedelta(seconds=60):
        return f"{passed.seconds} s ago"
    if passed < timedelta(hours=1):
        return f"{passed.seconds // 60} min ago"
    if passed < timedelta(days=2):
        return f"{passed // timedelta(hours=1)} h ago"
    return f"{passed.days} days ago"


def utc(at: datetime) -> datetime:
    """`at` as an aware UTC moment. What the store gives without a zone is UTC."""
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def text(value: object) -> str:
    """Anything from a record as plain text."""
    if value is None or value == "":
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return moment(value)
    return str(value)


def cell(value: object, column: Column) -> str:
    """One fact of a record as plain text, in the unit that the record declares for it."""
    if isinstance(value, bool) or not isinstance(value, Decimal | float | int):
        return text(value)
    if isinstance(value, Decimal) and column.fact.unit == "USD":
        return usd_exact(value)
    if column.fact.unit == "ms":
        return ms(value)
    return f"{value:,}" if column.fact.unit is not None else text(value)


def column_format(column: Column) -> str | None:
    """How a table shows this column of numbers, for `st.column_config`. `None` for what is not a number."""
    if column.type is Decimal:
        return "$%.6f"
    if column.type in (int, float) and column.fact.unit is not None:
        return "%,d ms" if column.fact.unit == "ms" else "localized"
    return None
