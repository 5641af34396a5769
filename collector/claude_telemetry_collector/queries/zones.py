"""Days as people live them: a *zone* by its IANA name, such as `Europe/Berlin`, and the days that begin in it.

A day has 23 or 25 hours when clocks change. `UTC` needs no list of zones; all others are the system's, or those of the
package `tzdata`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

UTC_NAME = "UTC"


@lru_cache(maxsize=64)
def zone_named(name: str) -> tzinfo:
    """The zone of that name. Raises `ValueError` for a name that is none, or that this system does not know."""
    if name == UTC_NAME:
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(
            f"there is no time zone {name!r} here: give a name of the IANA list, such as Europe/Berlin"
        ) from error


def local_day(at: datetime, zone: str) -> date:
    """The day that it is in `zone` at that moment."""
    return at.astimezone(zone_named(zone)).date()


def midnight(day: date, zone: str) -> datetime:
    """When that day begins in `zone`, in UTC: its first moment, where clocks skip midnight."""
    return instant(datetime.combine(day, time.min), zone)


def instant(local: datetime, zone: str) -> datetime:
    """The moment, in UTC, at which clocks in `zone` first show `local`, or skip it."""
    return local.replace(tzinfo=zone_named(zone)).astimezone(UTC)


def offset_us(at: datetime, zone: str) -> int:
    """How far clocks in `zone` are ahead of UTC at that moment, in microseconds."""
    local = at.astimezone(zone_named(zone)).replace(tzinfo=UTC)
    return round((local - at).total_seconds()) * 1_000_000
