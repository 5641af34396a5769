"""One made-up call, sent the way an application would send it, to see whether calls arrive.

It names itself a test, costs nothing and used nothing, and asked no API: it shows that the way from here to the page
is open, not that an application is instrumented.
"""

from __future__ import annotations

import json
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from claude_telemetry.errors import CollectorError
from claude_telemetry.record import Call
from claude_telemetry.record.attributes import RECORDER_VERSION, SCOPE, AttributeValue, attributes_of
from claude_telemetry.settings import Address
from claude_telemetry_dashboard.data import questions
from claude_telemetry_dashboard.data.place import place

SERVICE = "claude-telemetry test"
FEATURE = "test-call"
LANDS_WITHIN_S = 10.0
_LOOK_EVERY_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What became of a test call."""

    url: str
    """Where it was sent."""
    span: tuple[str, str]
    """Trace id and span id."""
    landed_after_s: float | None = None
    """From sending until the store had it; `None` when it has not."""
    problem: str | None = None
    """Why it did not arrive, and what to do, as plain text. `None` when it did."""


def send_trial() -> Trial:
    """Sends one made-up call to the collector's OTLP address, and waits until the store has it. Never raises."""
    address = place().otlp_http
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)  # noqa: S104 - compared, not bound
    url = f"http://{Address(host, address.port)}/v1/traces"
    span = (secrets.token_hex(16), secrets.token_hex(8))
    began = time.monotonic()
    problem = _refusal(url, span)
    if problem is not None:
        return Trial(url=url, span=span, problem=problem)
    while time.monotonic() - began < LANDS_WITHIN_S:
        try:
            if questions.call(*span) is not None:
                return Trial(url=url, span=span, landed_after_s=time.monotonic() - began)
        except CollectorError as error:
            return Trial(url=url, span=span, problem=f"The collector took the call, but does not answer: {error}")
        time.sleep(_LOOK_EVERY_S)
    return Trial(
        url=url,
        span=span,
        problem=f"{url} took the call, but it was not in {place().data} after {LANDS_WITHIN_S:.0f} s. Either another "
        "collector listens at that address, with a data folder of its own, or this one is behind: see what it prints.",
    )


def _refusal(url: str, span: tuple[str, str]) -> str | None:
    request = urllib.request.Request(  # noqa: S310 - http, and the address is a setting
        url, json.dumps(_body(span)).encode(), {"content-type": "application/json"}, method="POST"
    )
    try:
        # Not through a proxy from the environment: the collector is on this machine, or on this network.
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5):
            return None
    except urllib.error.HTTPError as error:
        with error:
            said = error.read(300).decode("utf-8", "replace").strip()
        return f"{url} answered {error.code}: {said or error.reason}. Is it a claude-telemetry collector that listens?"
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return (
            f"Nothing took the call at {url} ({reason}). If the collector listens elsewhere, start the dashboard with "
            "the same --otlp-http."
        )


def _body(span: tuple[str, str]) -> dict[str, object]:
    end = datetime.now(UTC)
    call = Call(
        started_at=end - timedelta(milliseconds=1),
        duration_ms=1,
        service=SERVICE,
        provider="anthropic",
        operation="chat",
        request_model="test-call",
        model="test-call",
        status="ok",
        trace_id=span[0],
        span_id=span[1],
        input_tokens=0,
        output_tokens=0,
        cost_usd=Decimal(0),
        cost_status="priced",
        billed=False,
        attempts=1,
        feature=FEATURE,
    )
    # No version of the capture recorded it, and it says so in the place of one.
    attributes = {**attributes_of(call), RECORDER_VERSION: "test call"}
    resource = {"service.name": attributes.pop("service.name")}
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _pairs(resource)},
                "scopeSpans": [
                    {
                        "scope": {"name": SCOPE},
                        "spans": [
                            {
                                "traceId": span[0],
                                "spanId": span[1],
                                "name": "chat test-call",
                                "kind": 3,
                                "startTimeUnixNano": _nanoseconds(call.started_at),
                                "endTimeUnixNano": _nanoseconds(end),
                                "attributes": _pairs(attributes),
                                "status": {"code": 1},
                            }
                        ],
                    }
                ],
            }
        ]
    }


def _pairs(attributes: Mapping[str, AttributeValue]) -> list[dict[str, object]]:
    return [{"key": name, "value": _value(value)} for name, value in attributes.items()]


def _value(value: AttributeValue) -> dict[str, object]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"stringValue": str(value)}


def _nanoseconds(at: datetime) -> str:
    return str((at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000)
