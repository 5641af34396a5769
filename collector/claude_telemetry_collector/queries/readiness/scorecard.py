"""Each item that data tells about, against its threshold."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime

from claude_telemetry.settings import address
from claude_telemetry_collector.queries.health import Health
from claude_telemetry_collector.queries.readiness.items import Dimension, Item, State

NEARLY_ALL = 0.95
"""A label that 19 of 20 calls have can be relied on."""
HALF = 0.5
PRICED = 0.999
"""Of money, one call in a thousand may be missing."""
LATE_MS = 10_000
"""The SDK's own exporter waits 5 s by default, and landing takes less than one."""
FEW_LIMITED = 0.01
"""More than one call in a hundred that meets the limit has no room left for a busy hour."""


def scorecard(
    seen: Mapping[str, float | None],
    rules: Collection[str],
    told: datetime | None,
    health: Health | None,
    *,
    sees_people: bool,
) -> tuple[Item, ...]:
    """The items that data tells about: from what `observed` and `told_at` gave, the names of the alert rules that are
    on, and what is known of the collector. `sees_people`: whether users have their own names in `seen`."""
    return (
        *_security(seen, health, sees_people),
        *_reliability(seen, rules, told),
        *_cost_control(seen, rules),
        *_observability(seen, rules),
        *_scalability(seen, health),
    )


def _security(seen: Mapping[str, float | None], health: Health | None, sees_people: bool) -> Iterator[Item]:
    status = None if health is None else health.status
    listens = None if status is None or status.otlp_http is None else status.otlp_http.rpartition("//")[2]
    state: State
    if listens is None:
        state, said = "unknown", "The collector does not say where it listens."
    elif address(listens).is_loopback:
        state, said = "met", "The collector listens on this machine only."
    elif status is not None and status.token_required:
        state, said = "met", f"The collector listens on {listens}, and wants a token."
    else:
        state, said = "open", f"The collector listens on {listens}, and takes calls from anybody."
    yield _item("collector_closed", "Security", "Nobody else can send to the collector", state, said, "health")
    addresses, with_user = seen["user_addresses"], seen["with_user"]
    if not sees_people or not with_user:
        state, said = "unknown", "Who users are is not shown to you." if with_user else "No call names a user."
    else:
        state = "open" if addresses else "met"
        said = f"{addresses:,.0f} calls name their user by what looks like an e-mail address."
    yield _item("users_hashed", "Security", "Users go by an id, not by their address", state, said, "users")
    yield _share(
        "keys_named",
        "Security",
        "Which API key a call was made with is known",
        seen["keys_named"],
        seen["calls"],
        "of calls name their key (api_key_alias)",
        "cost",
    )


def _reliability(seen: Mapping[str, float | None], rules: Collection[str], told: datetime | None) -> Iterator[Item]:
    state: State
    failed, at_once, well = (seen[name] or 0 for name in ("failed_for_a_time", "given_up_at_once", "retried_well"))
    if not failed + well:
        state, said = "unknown", "No call met a limit or an error of the server."
    else:
        share = 1 - at_once / (failed + well)
        state = "met" if share >= NEARLY_ALL else "partly" if share >= HALF else "open"
        said = f"{share:.1%} of calls that met a limit or an error of the server were tried again."
    yield _item("retries", "Reliability", "What fails for a time is tried again", state, said, "errors")
    cut, answered = seen["cut_off"], seen["answered"]
    if not answered:
        state, said = "unknown", "No call says how its answer ended."
    else:
        share = (cut or 0) / answered
        state = "met" if share < 0.01 else "partly" if share < 0.05 else "open"
        said = f"{share:.1%} of answers were cut off at max_tokens."
    yield _item("whole_answers", "Reliability", "Answers are whole", state, said, "errors")
    yield _rule("error_ratio", "Reliability", "Failing calls raise an alert", rules)
    yield _rule("p95_latency", "Reliability", "Slow calls raise an alert", rules)
    state = "unknown" if told is None else "met"
    said = "No message was sent yet: no alert has opened, or no channel is set."
    if told is not None:
        said = f"The last one arrived on {told:%Y-%m-%d}."
    yield _item("alerts_arrive", "Reliability", "Alerts reach people", state, said, "alerts")


def _cost_control(seen: Mapping[str, float | None], rules: Collection[str]) -> Iterator[Item]:
    yield _share(
        "prices_known",
        "Cost control",
        "What calls cost is known",
        seen["priced"],
        seen["may_cost"],
        "of calls have a whole price",
        "cost",
        enough=PRICED,
    )
    yield _share(
        "output_limited",
        "Cost control",
        "Each answer has a limit",
        seen["limited_output"],
        seen["calls"],
        "of calls set max_tokens",
        "savings",
    )
    yield _rule("daily_cost", "Cost control", "A dear day raises an alert", rules)
    yield _rule("call_cost", "Cost control", "A dear call raises an alert", rules)


def _observability(seen: Mapping[str, float | None], rules: Collection[str]) -> Iterator[Item]:
    for name, title, words in (
        ("with_service", "Which service made a call is known", "of calls name their service"),
        ("with_environment", "Where it runs is known", "of calls name their environment"),
        ("with_feature", "Which feature it was for is known", "of calls name their feature"),
        ("with_user", "For whom it was is known", "of calls name their user"),
        ("with_version", "Which prompt it was is known", "of calls tell a version or a fingerprint"),
        ("with_trace", "Where in a request it was is known", "of calls have a span around them"),
    ):
        yield _share(name, "Observability", title, seen[name], seen["calls"], words, "calls")
    yield _rule("no_data", "Observability", "Silence raises an alert", rules)


def _scalability(seen: Mapping[str, float | None], health: Health | None) -> Iterator[Item]:
    state: State
    calls, limited = seen["calls"], seen["limited"]
    if not calls:
        state, said = "unknown", "There are no calls."
    else:
        share = (limited or 0) / calls
        state = "met" if share < FEW_LIMITED else "partly" if share < 5 * FEW_LIMITED else "open"
        said = f"{share:.1%} of calls ended at a rate limit."
    yield _item("headroom", "Scalability", "Rate limits leave room", state, said, "errors")
    late = seen["landing_p95_ms"]
    if late is None:
        state, said = "unknown", "There are no calls."
    else:
        state = "met" if late <= LATE_MS else "partly" if late <= 6 * LATE_MS else "open"
        said = f"95 of 100 calls had come in {max(late, 0) / 1000:,.1f} s after they ended."
    yield _item("calls_come_in_time", "Scalability", "Calls come in while they are news", state, said, "health")
    if health is None or health.lost is None:
        state, said = "unknown", "The collector does not say what it has lost."
    else:
        lost = sum(one.count for one in health.lost)
        state, said = ("met" if not lost else "open"), f"{lost:,} things were refused or lost since it started."
    yield _item("nothing_lost", "Scalability", "The collector keeps up", state, said, "health")


def _share(
    name: str,
    dimension: Dimension,
    title: str,
    some: float | None,
    of: float | None,
    words: str,
    page: str,
    *,
    enough: float = NEARLY_ALL,
) -> Item:
    if not of:
        return _item(name, dimension, title, "unknown", "There are no calls to tell.", page)
    share = (some or 0) / of
    # What is not all of it is not to read so.
    shown = f"{share:.1%}" if share == 1 or share < 0.9995 else "More than 99.9%"
    return _item(name, dimension, title, _reached(share, enough), f"{shown} {words}.", page)


def _reached(share: float, enough: float) -> State:
    return "met" if share >= enough else "partly" if share >= HALF else "open"


def _rule(rule: str, dimension: Dimension, title: str, rules: Collection[str]) -> Item:
    if not rules:
        return _item(f"rule_{rule}", dimension, title, "unknown", "The collector has looked at no rule yet.", "alerts")
    state: State = "met" if rule in rules else "open"
    said = "The rule is on." if rule in rules else "The rule is turned off."
    return _item(f"rule_{rule}", dimension, title, state, said, "alerts")


def _item(name: str, dimension: Dimension, title: str, state: State, said: str, page: str) -> Item:
    return Item(name=name, dimension=dimension, title=title, state=state, said=said, page=page)
