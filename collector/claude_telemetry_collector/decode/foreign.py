"""From a span of another producer, and where its source says that the facts stand, to a call of ours.

Whatever a producer writes a number as (a number, a text of one, a double), it is the number. What it counts otherwise
is counted as we do, what it names otherwise is named as the API names it, and what it leaves out stays unknown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from claude_telemetry.record import Call, CallRecord, columns_of
from claude_telemetry_collector.decode.charging import charged
from claude_telemetry_collector.decode.door import MAX_STATUS_MESSAGE, MAX_WHOLE
from claude_telemetry_collector.decode.facts import believable, bounded
from claude_telemetry_collector.decode.landed import InputBasis, LandedCall, LandedPart, PartRole
from claude_telemetry_collector.decode.models import is_claude, plain_model, platform_of, provider_of
from claude_telemetry_collector.decode.paths import Told
from claude_telemetry_collector.decode.reading import Identity, resource_facts
from claude_telemetry_collector.decode.source import LABELS, Facts, Source
from claude_telemetry_collector.decode.span import Span
from claude_telemetry_collector.decode.values import count_of, flag_of, number_of, text_of, usd

_COLUMNS = frozenset(column.name for column in columns_of(Call))
_LABELS = frozenset({*LABELS, "session_id"}) - {"conversation"}
_BESIDE = frozenset({"compaction_input", "compaction_output", "searches"})
"""What a detail may tell that is no column."""

_COUNTS = frozenset(
    {
        "attempts",
        "cache_read_tokens",
        "cache_write_tokens",
        "cache_write_5m_tokens",
        "cache_write_1h_tokens",
        "compaction_input",
        "compaction_output",
        "duration_ms",
        "http_status",
        "max_tokens",
        "output_tokens",
        "retries",
        "searches",
        "thinking_tokens",
        "told_input",
        "total_tokens",
        "web_fetch_requests",
        "web_search_requests",
    }
)
_DOUBLES = frozenset({"ttft_s", "ttft_ms", "ran_s", "temperature", "reported_cost"})
_FLAGS = frozenset({"stream"})

_MOST = 2.0**62
_LONGEST_MS = 7 * 24 * 3600 * 1000

_ERRORS: Mapping[str, str] = {
    "RateLimitError": "rate_limit_error",
    "OverloadedError": "overloaded_error",
    "AuthenticationError": "authentication_error",
    "PermissionDeniedError": "permission_error",
    "BadRequestError": "invalid_request_error",
    "NotFoundError": "not_found_error",
    "ContentTooLargeError": "request_too_large",
    "ConflictError": "conflict_error",
    "PaymentRequiredError": "billing_error",
    "InternalServerError": "api_error",
    "GatewayTimeoutError": "timeout_error",
    "APITimeoutError": "client_timeout_error",
    "APIConnectionError": "connection_error",
}
"""The SDK's classes, which most producers write, to the API's words."""

_STOPS: Mapping[str, str | None] = {
    # Either of two reasons, and nothing says which.
    "stop": None,
    "length": "max_tokens",
    "tool_call": "tool_use",
    "tool-calls": "tool_use",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "content-filter": "refusal",
}

_SPEEDS = {"normal": "standard"}
_REQUEST_ID = re.compile(r"\breq_[A-Za-z0-9]{4,64}\b")
_ERROR_TYPE = re.compile(r"""["']type["']\s*:\s*["']([a-z_]{3,40}_error)["']""")


def call_from(source: Source, told: Told, identity: Identity, received_at: datetime) -> LandedCall | None:
    """The call that `source` tells, or `None` when it is not one to Claude."""
    span, facts = told.span, facts_of(source, told)
    if not (source.only_claude or facts.get("maker_unknown") or _is_claude(facts)):
        return None
    _mend_names(facts)
    _mend_outcome(told, facts)
    basis = _count_input(source, facts)
    _mend_times(facts)
    started_at, duration_ms = _when(facts, identity)
    named, resource = resource_facts(span)
    given = {**(_labels_of_resource(named) if source.is_the_applications else {}), **facts}
    told_columns = {name: given[name] for name in given.keys() & _COLUMNS if given[name] is not None}
    columns = believable(told_columns, Call)
    compaction_input, compaction_output = facts.get("compaction_input"), facts.get("compaction_output")
    columns |= charged(
        columns,
        started_at,
        compaction_input_tokens=compaction_input,
        compaction_output_tokens=compaction_output,
    )
    columns |= {"started_at": started_at, "duration_ms": duration_ms}
    call = Call(
        **columns,
        trace_id=identity.trace_id,
        span_id=identity.span_id,
        parent_span_id=span.parent_span_id,
    )
    rest = {name: value for name, value in span.attributes.items() if name not in told.used}
    return LandedCall(
        record=CallRecord(call=call),
        source=source.name if span.event_name is None or source.name.endswith("_event") else f"{source.name}_event",
        attributes=bounded(({"resource": resource} if resource else {}) | rest),
        input_basis=basis,
        told_input_tokens=facts.get("told_input"),
        # 0 is what is written without a price list.
        reported_cost_usd=usd(facts.get("reported_cost")) or None,
        compaction_input_tokens=compaction_input,
        compaction_output_tokens=compaction_output,
        instance=instance_of(span.resource) if source.is_the_applications else None,
        received_at=received_at,
    )


def part_from(
    source: Source, role: PartRole, told: Told, identity: Identity, received_at: datetime
) -> LandedPart | None:
    """What a span tells about calls, or `None` when it tells nothing."""
    facts = facts_of(source, told)
    _mend_names(facts)
    if role == "wrapper":
        facts = {name: facts[name] for name in facts.keys() & _LABELS}
    columns = believable({name: facts[name] for name in facts.keys() & _COLUMNS}, Call)
    columns |= {name: facts[name] for name in facts.keys() & _BESIDE}
    if not columns:
        return None
    return LandedPart(
        source=source.name,
        role=role,
        trace_id=identity.trace_id,
        span_id=identity.span_id,
        parent_span_id=told.span.parent_span_id,
        started_at=identity.started_at,
        facts=columns,
        received_at=received_at,
    )


def _is_claude(facts: Facts) -> bool:
    return is_claude(facts.get("model") or facts.get("request_model"), facts.get("provider"))


def facts_of(source: Source, told: Told) -> Facts:
    """What stands where `source` has it, as what it has to be; the first of several places that holds something."""
    facts: Facts = {}
    for fact, paths in source.paths.items():
        for path in paths:
            value = _as_it_should_be(fact, told.first((path,)))
            if value is not None:
                facts[fact] = value
                break
    if source.mend is not None:
        source.mend(told, facts)
    return {fact: value for fact, value in facts.items() if value is not None}


def instance_of(resource: Mapping[str, object]) -> str | None:
    """The process that a resource names: by its id, else by service, host and process."""
    instance = resource.get("service.instance.id")
    if isinstance(instance, str) and instance:
        return instance
    if not resource:
        return None
    named = [text_of(resource.get(name)) for name in ("service.name", "host.name", "process.pid")]
    return "/".join(part or "" for part in named) if any(named) else None


def _as_it_should_be(fact: str, value: object) -> object:
    if value is None:
        return None
    if fact in _COUNTS:
        return count_of(value)
    if fact in _DOUBLES:
        number = number_of(value)
        return float(number) if number is not None and abs(number) < _MOST else None
    return flag_of(value) if fact in _FLAGS else text_of(value)


def _mend_names(facts: Facts) -> None:
    """Names as the API, and the record, have them."""
    asked, answered = facts.get("request_model"), facts.get("model")
    platform = facts.get("platform") or platform_of(facts.get("provider"), asked or answered)
    if asked or answered or facts.get("provider"):
        facts["platform"], facts["provider"] = platform, provider_of(platform)
    if (answered or asked) and not facts.get("maker_unknown"):
        facts["model"] = plain_model(answered or asked)
    message_id = facts.get("message_id")
    if message_id is not None and not message_id.startswith("msg_"):
        # A gateway's or a framework's own id is nothing that another source would know the answer by.
        del facts["message_id"]
    reason = facts.get("stop_reason", "")
    facts["stop_reason"] = _STOPS.get(reason, reason) or None
    facts["speed"] = _SPEEDS.get(facts.get("speed", ""), facts.get("speed"))
    facts.setdefault("session_id", facts.get("conversation"))
    for name in [name for name, value in facts.items() if value is None]:
        del facts[name]


def _mend_outcome(told: Told, facts: Facts) -> None:
    """How it went, and what went wrong in the API's words."""
    span = told.span
    error = facts.get("error_type") or _exception_of(span)
    if error is not None:
        error = error.rpartition(".")[2]
        facts["error_type"] = _ERRORS.get(error, error)
    failed = span.status == "error" or "error_type" in facts or facts.get("http_status", 0) >= 400
    facts.setdefault("status", "error" if failed else "ok")
    facts.setdefault("operation", "chat")
    if facts.get("stop_reason") == "refusal" and "output_tokens" in facts:
        facts["empty_refusal"] = facts["output_tokens"] == 0
    if facts["status"] != "error":
        facts.pop("error_type", None)
        return
    said = f"{span.status_message} {span.sealed.get('error.message', '')}"[:MAX_STATUS_MESSAGE]
    request_id, kind = _REQUEST_ID.search(said), _ERROR_TYPE.search(said)
    if request_id is not None:
        facts.setdefault("request_id", request_id.group())
    if kind is not None:
        # What the API said, where the producer gives its class or the gateway's status.
        facts["error_type"] = kind.group(1)


def _exception_of(span: Span) -> str | None:
    if span.status != "error":
        return None
    kinds = [event.attributes.get("exception.type") for event in span.events if event.name == "exception"]
    return next((kind for kind in reversed(kinds) if isinstance(kind, str) and kind), None)


def _count_input(source: Source, facts: Facts) -> InputBasis | None:
    """Counts the input as the record does, in parts that do not overlap, and says how the source counts it."""
    written = facts.get("cache_write_tokens")
    five, hour = facts.get("cache_write_5m_tokens"), facts.get("cache_write_1h_tokens")
    if written is None or (five or 0) + (hour or 0) != written:
        facts.pop("cache_write_5m_tokens", None)
        facts.pop("cache_write_1h_tokens", None)
    told = facts.get("told_input")
    if told is None:
        return None
    read = facts.get("cache_read_tokens")
    cached = (read or 0) + (written or 0)
    basis: InputBasis
    if source.basis == "exclusive" or facts.get("counted_apart"):
        basis = "exclusive"
    elif told < cached:
        basis = "exclusive_by_count"
    elif source.basis == "inclusive":
        basis = "inclusive"
    else:
        basis = "exclusive_by_count" if _adds_up(facts, told + cached) and cached else "inclusive_assumed"
    if basis in ("inclusive", "inclusive_assumed"):
        facts["input_tokens"] = told - cached
    elif (read, written) != (None, None) and not facts.get("cache_incomplete"):
        facts["input_tokens"] = told
    return basis


def _adds_up(facts: Facts, total_input: int) -> bool:
    """Whether the total that was told beside is that of an input without its cached parts."""
    total, output = facts.get("total_tokens"), facts.get("output_tokens")
    return total is not None and output is not None and bool(total == total_input + output)


def _mend_times(facts: Facts) -> None:
    ttft_s, retries = facts.get("ttft_s"), facts.get("retries")
    ttft_ms = facts.get("ttft_ms", None if ttft_s is None else ttft_s * 1000)
    facts["ttft_ms"] = round(ttft_ms) if ttft_ms is not None and 0 <= ttft_ms < _LONGEST_MS else None
    if retries is not None:
        facts.setdefault("attempts", min(retries, MAX_WHOLE - 1) + 1)


def _when(facts: Facts, identity: Identity) -> tuple[datetime, int | None]:
    """When it began, and how long it took: of a source that tells of a call once it is over, as it says."""
    duration_s = facts.get("ran_s")
    if duration_s is None or not 0 <= duration_s * 1000 < _LONGEST_MS or identity.duration_ms:
        return identity.started_at, identity.duration_ms
    return identity.started_at - timedelta(seconds=duration_s), round(duration_s * 1000)


def _labels_of_resource(named: Mapping[str, object]) -> dict[str, object]:
    names = {"service.name": "service", "deployment.environment.name": "environment"}
    return {column: value for name, column in names.items() if isinstance(value := named.get(name), str)}
