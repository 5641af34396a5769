"""An incident in words: numbers with their units, times, what is watched. Plain text, in which labels are data."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from urllib.parse import urlencode

from claude_telemetry_collector.queries import CALL_MAXIMA, MEASURES
from claude_telemetry_collector.store.incidents import Incident, Notice

_LABEL_CHARACTERS = 120

_NO_PRICE = "no_price_calls"
"""The metric of the rule about models without a price, which has words of its own."""

_CALLED = {"price_id": "model"}
"""Labels whose name in the store is not what people call them."""


def headline(notice: Notice) -> str:
    """What happened, in a few words without any label."""
    incident = notice.incident
    if incident.metric == "requests" and incident.direction == "below":
        return "No calls are coming in" if notice.told == "opened" else "Calls are coming in again"
    if incident.metric == _NO_PRICE:
        if notice.told == "opened":
            return "A model has no price"
        return "A model has its price now" if incident.closed_why == "within" else "A model without a price: over"
    threshold = number(incident.metric, incident.threshold)
    if notice.told == "opened":
        return f"{incident.title} is {incident.direction} {threshold}"
    return f"{incident.title} was {incident.direction} {threshold}: over"


def reading(notice: Notice) -> str:
    """The number that it is about, with what it rests on."""
    incident = notice.incident
    if notice.told == "opened":
        return _reading(incident, incident.value, incident.calls, incident.unknown, _opening_part(incident))
    if incident.closed_why == "rule_off":
        return "The rule was turned off while it was broken."
    if incident.closed_why == "no_calls":
        return "There are no more calls to judge by."
    return _reading(incident, incident.last_value, incident.last_calls, incident.last_unknown, _last_part(incident))


def facts(notice: Notice) -> dict[str, str]:
    """What else there is to know, by what it is."""
    incident = notice.incident
    told = {
        "Threshold": f"{incident.direction} {number(incident.metric, incident.threshold)}",
        "Window": window(incident.window_s),
        "Calls": segment(incident),
        "Since": moment(incident.opened_at),
    }
    if incident.metric == "cost_usd" and incident.unpriced and incident.unpriced_usd is None:
        told["Unpriced calls"] = "add nothing to it"
    if incident.metric == _NO_PRICE and notice.told == "opened":
        told["What to do"] = "give it a price: the alerts page has the lines for your price file"
    if notice.told == "closed" and incident.closed_at is not None:
        told["Until"] = f"{moment(incident.closed_at)} ({span(incident.closed_at - incident.opened_at)})"
        if incident.worst is not None and incident.metric != "requests":
            told["Worst"] = number(incident.metric, incident.worst)
    return told


def number(metric: str, value: Decimal) -> str:
    """`value` with its unit, as people read it."""
    unit = MEASURES[metric].unit
    if unit == "USD":
        # Below a cent the cents say nothing.
        return f"${value:,.2f}" if value == 0 or abs(value) >= Decimal("0.01") else f"${value.normalize():f}"
    if unit == "ratio":
        return f"{_trimmed(value * 100)} %"
    if unit == "ms":
        return f"{_trimmed(value)} ms"
    return _counted(value, "token" if unit == "token" else "call")


def window(seconds: int | None) -> str:
    """The time that the number is about."""
    return "the UTC day so far" if seconds is None else f"the last {span(timedelta(seconds=seconds))}"


def span(length: timedelta) -> str:
    """A length of time in its one or two largest units."""
    left = max(round(length.total_seconds()), 0)
    said: list[str] = []
    for unit, seconds in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        count, left = divmod(left, seconds)
        if count:
            said.append(_counted(count, unit))
        elif said:
            break
    return " ".join(said[:2]) or "0 seconds"


def moment(at: datetime) -> str:
    """A time in UTC, to the second."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def segment(incident: Incident) -> str:
    """Which calls it is about."""
    labels = (f"{_CALLED.get(name, name)} = {label(value)}" for name, value in incident.segment.items())
    return ", ".join(labels) or "all"


def label(value: str) -> str:
    """A label on one line and of a length that a message can bear."""
    shown = " ".join("".join(c if c.isprintable() else " " for c in value).split())
    return shown if len(shown) <= _LABEL_CHARACTERS else shown[: _LABEL_CHARACTERS - 1] + "…"


def alerts_page(dashboard_url: str) -> str:
    """Where incidents are shown."""
    return f"{dashboard_url.rstrip('/')}/alerts"


def call_page(dashboard_url: str, incident: Incident) -> str | None:
    """Where the one call is shown that the incident is about, if it is about one."""
    if incident.trace_id is None or incident.span_id is None:
        return None
    return f"{dashboard_url.rstrip('/')}/calls?{urlencode({'call': f'{incident.trace_id}-{incident.span_id}'})}"


_Unpriced = tuple[int | None, Decimal | None]
"""How many calls have no price, where that is known, and what they were counted with, where they were."""


def _opening_part(incident: Incident) -> _Unpriced:
    return incident.unpriced, incident.unpriced_usd


def _last_part(incident: Incident) -> _Unpriced:
    return incident.last_unpriced, incident.last_unpriced_usd


def _reading(incident: Incident, value: Decimal | None, calls: int, unknown: int, part: _Unpriced) -> str:
    if value is None:
        return "There are no calls to judge by."
    if incident.metric == _NO_PRICE:
        return _no_price(incident, value)
    unpriced, unpriced_usd = part
    if unpriced and unpriced_usd is not None:
        return _counted_as(incident, value, calls, unknown, unpriced, unpriced_usd)
    said = number(incident.metric, value)
    if incident.metric == "requests":
        return f"{said} in {window(incident.window_s)}"
    said += f"{', the most of' if incident.metric in CALL_MAXIMA else ' over'} {_counted(calls, 'call')}"
    if not unknown:
        return said
    if unpriced is None:
        least = "at least " if MEASURES[incident.metric].unit in ("USD", "token") else ""
        return f"{least}{said}; {unknown:,} of them not fully known"
    return f"at least {said}, {_left_out(unknown, unpriced)}"


def _no_price(incident: Incident, value: Decimal) -> str:
    model = label(incident.segment.get("price_id", "a model"))
    if value == 0:
        return f"Every call to {model} has a price now."
    have = "has" if value == 1 else "have"
    return f"{_counted(value, 'call')} to {model} {have} no price, and costs are at least what is shown."


def _counted_as(
    incident: Incident, value: Decimal, calls: int, unknown: int, unpriced: int, unpriced_usd: Decimal
) -> str:
    """A sum in which unpriced calls count with an amount that somebody has set: both parts, apart."""
    each = number(incident.metric, unpriced_usd / unpriced)
    parts = f"{_counted(unpriced, 'unpriced call')} at {each} each"
    if calls > unpriced:
        least = "at least " if unknown > unpriced else ""
        parts = f"{least}{number(incident.metric, value - unpriced_usd)}, and {parts}"
    return f"counted as {number(incident.metric, value)} over {_counted(calls, 'call')}: {parts}"


def _left_out(unknown: int, unpriced: int) -> str:
    """What a sum of money leaves out: calls without a price, and the rest of those that have one in part."""
    parts = [f"{_counted(unpriced, 'call')} unpriced"] if unpriced else []
    if unknown > unpriced:
        parts.append(f"{_counted(unknown - unpriced, 'call')} priced in part")
    return ", ".join(parts)


def _counted(count: Decimal | int, noun: str) -> str:
    return f"{count:,.0f} {noun}{'' if count == 1 else 's'}"


def _trimmed(value: Decimal) -> str:
    text = f"{value:,.2f}"
    return text.rstrip("0").rstrip(".")
