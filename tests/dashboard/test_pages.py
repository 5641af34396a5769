"""Every page: without calls, with one, with many, without a collector, with names that want to be more than text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine

from claude_telemetry.record import Attempt, ToolUse
from claude_telemetry_collector.decode import LandedCall
from claude_telemetry_collector.store.incidents import Incident, RuleState
from tests.dashboard.conftest import Store
from tests.support.calls import a_call
from tests.support.pages import Pages

OpenPage = Callable[..., Pages]

PAGES = ("overview", "calls", "reconciliation", "alerts")

HOSTILE = (
    "<script>alert(1)</script>",
    "**bold**",
    ":red[x]",
    "$x$",
    "[a](javascript:alert(1))",
    ":material/home:",
    "![i](http://127.0.0.1:9/x.png)",
)


def ago(**length: float) -> datetime:
    return datetime.now(UTC) - timedelta(**length)


def an_incident(**facts: object) -> Incident:
    opened = Incident(
        incident_id="1",
        rule="error_ratio",
        title="Error rate",
        metric="error_ratio",
        segment={},
        window_s=300,
        direction="above",
        threshold=Decimal("0.05"),
        opened_at=ago(minutes=12),
        value=Decimal("0.072"),
        calls=120,
        unknown=0,
        worst=Decimal("0.091"),
        trace_id=None,
        span_id=None,
        last_value=Decimal("0.081"),
        last_calls=130,
        last_unknown=0,
        looked_at=ago(seconds=4),
        looks_within=0,
    )
    return replace(opened, **facts)  # type: ignore[arg-type]  # facts are fields, by name


def a_rule(**facts: object) -> RuleState:
    rule = RuleState(
        rule="daily_cost",
        title="Cost of the day",
        metric="cost_usd",
        segment={},
        window_s=None,
        direction="above",
        threshold=Decimal(100),
        min_calls=0,
        value=Decimal("12.41"),
        calls=1300,
        unknown=2,
        state="within",
        looked_at=ago(seconds=4),
    )
    return replace(rule, **facts)  # type: ignore[arg-type]  # facts are fields, by name


def test_without_calls_the_overview_says_what_to_paste(open_page: OpenPage) -> None:
    page = open_page("overview")

    assert (
        page.test.code[0].value
        == 'import claude_telemetry\n\nclaude_telemetry.instrument(endpoint="http://127.0.0.1:9")'
    )
    assert not list(page.test.metric)


@pytest.mark.parametrize("name", PAGES)
def test_every_page_makes_sense_without_calls(open_page: OpenPage, name: str) -> None:
    said = open_page(name).said

    assert {
        "overview": "No calls yet" in said,
        "calls": "No calls here" in said,
        "reconciliation": "Nothing of the bill has been pulled" in said,
        "alerts": "The collector has not looked at its rules yet" in said,
    }[name]


def test_a_test_call_that_nobody_takes_says_what_to_do(open_page: OpenPage) -> None:
    page = open_page("overview")

    page.click("Send a test call")

    assert [error.value for error in page.test.error] == ["The test call did not arrive."]
    assert page.texts[-1].startswith("Nothing took the call at http://127.0.0.1:9/v1/traces (")
    assert "start the dashboard with the same --otlp-http" in page.texts[-1]


def test_one_call_makes_an_overview_of_one(store: Store, open_page: OpenPage) -> None:
    store.land(a_call(started_at=ago(minutes=2), duration_ms=1250, ttft_ms=300))

    page = open_page("overview")

    assert page.texts[0] == "1 call in the last 24 hours, none failed, 95 of 100 done within 1.2 s, $0.006 spent."
    assert {metric.label: metric.value for metric in page.test.metric} == {
        "Requests": "1",
        "Tokens": "1,400",
        "Cost": "\\$0.006",
        "Error rate": "0%",
        "Cache hit rate": "0%",
        "Average latency": "1.2 s",
        "P50 latency": "1.2 s",
        "P95 latency": "1.2 s",
        "P99 latency": "1.2 s",
        "P95 time to first token": "300 ms",
    }


def test_many_calls_make_the_numbers_that_a_hand_would_make(store: Store, open_page: OpenPage) -> None:
    # 100 calls of 10, 20, … 1000 ms; every tenth failed; three have no price.
    store.land(
        *(
            a_call(
                started_at=ago(minutes=5),
                duration_ms=10 * number,
                status="error" if number % 10 == 0 else "ok",
                error_type="overloaded_error" if number % 10 == 0 else None,
                cost_usd=None if number <= 3 else Decimal("0.01"),
                cost_status="unknown" if number <= 3 else "priced",
                cache_read_tokens=3000,
            )
            for number in range(1, 101)
        )
    )

    page = open_page("overview")

    # Rank 0.95 x 99 = 94.05 between 950 and 960 ms: 950.5; 97 priced calls of a cent; 3000 of 4000 input tokens read.
    assert page.tile("Requests") == "100"
    assert page.tile("P50 latency") == "505 ms"
    assert page.tile("P95 latency") == "950 ms"
    assert page.tile("P99 latency") == "990 ms"
    assert page.tile("Average latency") == "505 ms"
    assert page.tile("Error rate") == "10.0%"
    assert page.tile("Cost") == "≥ \\$0.97"
    assert page.tile("Cache hit rate") == "75.0%"
    assert page.tile("Tokens") == "440k"
    assert "3 calls unpriced: the cost is at least what is shown." in page.said
    assert "at least $0.97 spent" in page.said
    assert "At least: 3 calls unpriced in these days." in page.said


NAMELESS: dict[str, Any] = {"cost_usd": None, "cost_status": "unknown", "cost_flags": "model_unknown"}


def test_models_without_a_price_are_listed_with_what_to_do(store: Store, open_page: OpenPage) -> None:
    first = ago(minutes=9)
    store.land(
        a_call(started_at=first, model="claude-foo-9", **NAMELESS),
        a_call(started_at=ago(minutes=5), model="claude-foo-9", **NAMELESS),
        a_call(started_at=ago(minutes=5)),
    )

    page = open_page("overview")

    (listed,) = [table for table in page.tables if "Why" in table]
    assert {name: listed[name] for name in listed if not name.endswith("(UTC)")} == {
        "Model": ["claude-foo-9"],
        "Platform": ["anthropic"],
        "Why": ["not in the price book"],
        "Calls": ["2"],
        "Uncached input": ["2,000"],
        "Cache read": ["0"],
        "Cache write": ["0"],
        "Output": ["800"],
    }
    assert listed["First (UTC)"] == [f"{first:%Y-%m-%d %H:%M:%S}"]
    alias, own, commands = (code.value for code in page.test.code)
    assert alias.startswith('[aliases."claude-foo-9"]')
    assert own.startswith('[models."claude-foo-9"]')
    assert commands == f"claude-telemetry price claude-foo-9\nclaude-telemetry reprice --since {first:%Y-%m-%d}"


def test_the_alerts_page_lists_the_models_of_its_rule_whatever_the_filters(store: Store, open_page: OpenPage) -> None:
    store.land(a_call(started_at=ago(days=20), model="claude-foo-9", **NAMELESS))
    rule = {"rule": "unpriced_model", "title": "Model without a price", "metric": "no_price_calls", "unknown": 0}
    month = {"window_s": 30 * 86400, "threshold": Decimal(0), "value": Decimal(1), "calls": 1, "state": "beyond"}
    store.incidents.looked([a_rule(**rule, **month)])
    opened = an_incident(
        rule="unpriced_model",
        title="Model without a price",
        metric="no_price_calls",
        segment={"price_id": "claude-foo-9"},
        window_s=30 * 86400,
        last_value=Decimal(1),
    )
    store.incidents.opened(opened, [])

    page = open_page("alerts", range="15m", model="claude-opus-5-5")

    assert page.tables[0]["Model"] == ["claude-foo-9"]
    assert page.texts[0] == "Model without a price"
    assert page.texts[1].startswith("Calls without a price: 1 in the last 30 days, model claude-foo-9. ")


def test_a_rule_about_cost_says_what_it_makes_of_unpriced_calls(store: Store, open_page: OpenPage) -> None:
    nothing = a_rule(unpriced=2, unknown=3)
    something = a_rule(rule="x", title="X", unpriced=2, unknown=2, unpriced_usd=Decimal("0.5"))
    none_known = a_rule(rule="y", title="Y", unpriced=4, unknown=4, value=None, state="unknown")
    store.incidents.looked([nothing, something, none_known])
    day = an_incident(metric="cost_usd", window_s=None, threshold=Decimal(100), last_value=Decimal(101), last_unknown=7)
    store.incidents.opened(replace(day, last_unpriced=7), [])

    page = open_page("alerts")

    assert (page.tables[0]["Now"], page.tables[0]["Calls"]) == (
        ["≥ $12.41", "$12.41", "—"],
        ["1,300, 3 unknown", "1,300, 2 unpriced at $0.25", "1,300, 4 unpriced"],
    )
    assert page.texts[1] == "Cost is at least $101.00, 7 calls unpriced, above $100.00 is too much."


def test_what_is_paid_has_a_tile_of_its_own_where_there_is_a_discount(store: Store, open_page: OpenPage) -> None:
    store.land(a_call(started_at=ago(minutes=2), cost_usd=Decimal("0.5"), net_cost_usd=Decimal("0.45")))

    page = open_page("overview")

    assert (page.tile("Cost"), page.tile("Net cost")) == ("\\$0.50", "\\$0.45")
    assert "$0.50 spent at list price, $0.45 after discounts" in page.said


def test_the_list_of_calls_says_what_they_cost_and_what_that_leaves_out(store: Store, open_page: OpenPage) -> None:
    store.land(*(a_call(started_at=ago(minutes=2)) for _ in range(2)))
    store.land(a_call(started_at=ago(minutes=2), cost_usd=None, status="error"))

    assert "Cost: at least \\$0.012, 1 call unpriced." in open_page("calls").said
    # A list that is narrowed further than numbers can be has no cost of its own.
    assert "Cost: " not in open_page("calls", status="error").said


def test_numbers_are_compared_with_the_period_before(store: Store, open_page: OpenPage) -> None:
    store.land(
        a_call(started_at=ago(minutes=10)),
        a_call(started_at=ago(minutes=10)),
        a_call(started_at=ago(minutes=10)),
        a_call(started_at=ago(minutes=70)),
        a_call(started_at=ago(minutes=70)),
    )

    page = open_page("overview", range="1h")

    assert next(metric.delta for metric in page.test.metric if metric.label == "Requests") == "+50%"


def test_a_filter_changes_the_numbers(store: Store, open_page: OpenPage) -> None:
    store.land(
        *(a_call(started_at=ago(minutes=2), model="claude-opus-5") for _ in range(3)),
        a_call(started_at=ago(minutes=2), model="claude-haiku-4-5", user_id="ann"),
    )
    page = open_page("overview")
    assert page.tile("Requests") == "4"

    page.choose("model", "claude-opus-5")
    assert page.tile("Requests") == "3"
    page.choose("model", None)
    page.choose("user", "ann")

    assert page.tile("Requests") == "1"


@pytest.mark.parametrize(
    ("parameters", "requests"),
    [
        ({"range": "15m"}, "1"),
        ({"range": "1h"}, "2"),
        ({"range": "7d"}, "3"),
        ({"range": "7d", "model": "claude-opus-5"}, "2"),
        ({"range": "7d", "feature": "chat", "prompt": "v2"}, "1"),
    ],
)
def test_a_link_shows_the_view_that_it_was_made_of(
    store: Store, open_page: OpenPage, parameters: dict[str, str], requests: str
) -> None:
    store.land(
        a_call(started_at=ago(minutes=2), model="claude-opus-5", feature="chat", prompt_version="v1"),
        a_call(started_at=ago(minutes=30), model="claude-haiku-4-5", feature="chat", prompt_version="v2"),
        a_call(started_at=ago(days=3), model="claude-opus-5", feature="search", prompt_version="v2"),
    )

    assert open_page("overview", **parameters).tile("Requests") == requests


def test_a_link_can_give_the_range_by_its_ends(store: Store, open_page: OpenPage) -> None:
    store.land(a_call(started_at=ago(days=2)), a_call(started_at=ago(minutes=5)))
    start, end = ago(days=3), ago(days=1)

    page = open_page(
        "overview", **{"range": "custom", "from": f"{start:%Y-%m-%dT%H:%M}", "to": f"{end:%Y-%m-%dT%H:%M}"}
    )

    assert page.tile("Requests") == "1"
    assert page.texts[0].startswith(f"1 call from {start:%d %b %H:%M} to {end:%d %b %H:%M} UTC, none failed")


def test_a_filter_for_a_value_that_nothing_has_stays_chosen(store: Store, open_page: OpenPage) -> None:
    store.land(a_call(started_at=ago(minutes=2)))

    page = open_page("overview", model="claude-of-last-year")

    assert page.test.selectbox(key="model").value == "claude-of-last-year"
    assert "No calls with these filters in the last 24 hours." in page.said


def test_when_the_range_is_empty_the_page_says_when_the_latest_call_was(store: Store, open_page: OpenPage) -> None:
    latest = ago(days=3)
    store.land(a_call(started_at=latest))

    page = open_page("overview", range="1h")

    assert page.texts[0] == f"The latest call of all was 3 days ago, at {latest:%Y-%m-%d %H:%M:%S} UTC."


@pytest.mark.parametrize("name", PAGES)
def test_a_collector_that_is_away_is_told_with_the_command_that_starts_it(
    store: Store, open_page: OpenPage, name: str
) -> None:
    store.land(a_call(started_at=ago(minutes=2)))
    store.go_away()

    page = open_page(name)

    assert page.test.warning[0].value.startswith("The collector is not running")
    assert page.test.code[0].value == f"claude-telemetry collect --data {store.folder} --otlp-http 127.0.0.1:9"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_goes_on_when_the_collector_is_back(store: Store, open_page: OpenPage, name: str) -> None:
    store.land(a_call(started_at=ago(minutes=2)))
    store.go_away()
    page = open_page(name)

    store.answer()
    page.run()

    assert not list(page.test.warning)


@pytest.mark.parametrize(
    ("name", "lacks"),
    [
        ("overview", "ALTER TABLE calls DROP COLUMN stream"),
        ("calls", "ALTER TABLE calls DROP COLUMN output_tokens"),
        ("alerts", "ALTER TABLE rule_states DROP COLUMN min_calls"),
        ("alerts", "DROP TABLE rule_states"),
    ],
)
def test_a_collector_older_than_the_dashboard_is_to_be_restarted(
    store: Store, open_page: OpenPage, name: str, lacks: str
) -> None:
    store.land(a_call(started_at=ago(minutes=2)))
    store.connection.execute(lacks)

    page = open_page(name)

    assert "Restart the collector" in page.test.error[0].value


def test_calls_are_listed_newest_first(store: Store, open_page: OpenPage) -> None:
    store.land(
        a_call(started_at=ago(minutes=3), feature="older"),
        a_call(started_at=ago(minutes=2), feature="newer"),
    )

    assert open_page("calls").tables[0]["feature"] == ["newer", "older"]


def test_pages_of_calls_can_be_turned_and_turned_back(store: Store, open_page: OpenPage) -> None:
    store.land(*(a_call(started_at=ago(minutes=1 + number), feature=f"{number}") for number in range(120)))
    page = open_page("calls")

    def features() -> list[int]:
        return [int(feature) for feature in page.tables[0]["feature"]]

    assert features() == list(range(50))
    page.click("Older")
    assert features() == list(range(50, 100))
    page.click("Older")
    assert features() == list(range(100, 120))
    page.click("Newer")
    assert features() == list(range(50, 100))
    page.click("Newest")
    assert features() == list(range(50))


def test_another_filter_begins_at_the_newest_call(store: Store, open_page: OpenPage) -> None:
    store.land(*(a_call(started_at=ago(minutes=1 + number), user_id="ann") for number in range(60)))
    page = open_page("calls")
    page.click("Older")
    assert len(page.tables[0]["status"]) == 10

    page.choose("user", "ann")

    assert len(page.tables[0]["status"]) == 50


@pytest.mark.parametrize(("parameters", "features"), [({"status": "error"}, ["b"]), ({"error": "api_error"}, ["b"])])
def test_calls_can_be_narrowed_to_those_that_failed(
    store: Store, open_page: OpenPage, parameters: dict[str, str], features: list[str]
) -> None:
    store.land(
        a_call(started_at=ago(minutes=3), feature="a"),
        a_call(started_at=ago(minutes=2), feature="b", status="error", error_type="api_error"),
    )

    assert open_page("calls", **parameters).tables[0]["feature"] == features


def a_call_with_everything() -> LandedCall:
    started_at = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
    return a_call(
        started_at=started_at,
        duration_ms=2345,
        ttft_ms=700,
        stream=True,
        cache_read_tokens=8000,
        cache_write_tokens=3000,
        cache_write_5m_tokens=1000,
        cache_write_1h_tokens=2000,
        cost_usd=Decimal("0.018900000000"),
        cost_breakdown='{"input": "0.003", "output": "0.0159"}',
        cost_flags="assumed_global",
        usage='{"input_tokens": 1000}',
        feature="chat",
        user_id="ann",
        attempts=2,
        attributes={"http.request.method": "POST"},
        attempt_rows=[
            Attempt(started_at=started_at, duration_ms=300, http_status=529, error_type="overloaded_error"),
            Attempt(started_at=started_at + timedelta(seconds=1), duration_ms=1200, http_status=200, wait_ms=700),
        ],
        tool_uses=[ToolUse(tool_use_id="toolu_1", name="get_weather", type="tool_use")],
    )


def test_a_link_opens_one_call_with_all_that_is_known_about_it(store: Store, open_page: OpenPage) -> None:
    landed = a_call_with_everything()
    store.land(landed)
    call = landed.record.call

    page = open_page("calls", call=f"{call.trace_id}-{call.span_id}")

    shown = page.texts
    for text in (
        "2026-11-20 12:00:00",
        "2.3 s",
        "700 ms",
        "8,000",
        "3,000",
        "$0.0189",
        "$0.003",
        "$0.0159",
        "assumed_global",
        "ann",
        str(call.request_id),
    ):
        assert text in shown, text
    _, attempts, tools = page.tables
    assert attempts["HTTP status"] == ["529", "200"]
    assert attempts["Error"] == ["overloaded_error", "—"]
    assert attempts["Waited before"] == ["—", "700 ms"]
    assert tools == {"Tool use ID": ["toolu_1"], "Name": ["get_weather"], "Type": ["tool_use"]}
    assert [code.value for code in page.test.code] == [
        '{\n  "input_tokens": 1000\n}',
        '{\n  "http.request.method": "POST"\n}',
    ]


def test_what_a_call_asked_for_and_was_labelled_with_is_shown(store: Store, open_page: OpenPage) -> None:
    landed = a_call(
        effort="xhigh",
        temperature=0.25,
        message_count=7,
        tool_count=3,
        first_event_ms=120,
        prompt_fingerprint="k1:8d969eef",
        api_key_alias="night shift",
        tags='{"tier": "gold", "cohort": "**b**"}',
        framework="langchain",
        run_name="summarise",
        hops='[{"model": "claude-opus-5-5", "stop_reason": "refusal", "usage": {"input_tokens": 90}, "cost_usd": "0"},'
        ' {"model": "claude-haiku-5-5", "cost_usd": "0.000123"}]',
    )
    store.land(landed)
    call = landed.record.call

    page = open_page("calls", call=f"{call.trace_id}-{call.span_id}")

    for text in ("xhigh", "0.25", "7", "120 ms", "k1:8d969eef", "night shift", "tier", "gold", "**b**", "summarise"):
        assert text in page.texts, text
    (answers,) = page.tables
    assert answers == {
        "Model": ["claude-opus-5-5", "claude-haiku-5-5"],
        "Stop reason": ["refusal", "—"],
        "Uncached input": ["90", "—"],
        "Output": ["—", "—"],
        "Cost": ["$0.00", "$0.000123"],
        "Message ID": ["—", "—"],
    }


def test_a_call_shows_no_card_of_what_nobody_said(store: Store, open_page: OpenPage) -> None:
    landed = a_call()
    store.land(landed)
    call = landed.record.call

    page = open_page("calls", call=f"{call.trace_id}-{call.span_id}")

    headings = {heading.value for heading in page.test.markdown}
    assert {"**When**", "**Asked for**", "**Labels**"} <= headings
    assert headings.isdisjoint({"**Prompt**", "**Framework**", "**Answers**", "**More**"})


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"attempts": 0}, "a middleware had the answer"),
        ({"attempts": None, "batch_id": "msgbatch_1", "custom_id": "r1"}, "the results of its batch"),
        ({"attempts": None, "operation": "agent_model_request"}, "the events of its session"),
        ({"attempts": 1}, "Whoever recorded this call does not tell of them"),
    ],
)
def test_a_call_without_attempts_says_why(store: Store, open_page: OpenPage, facts: dict[str, Any], why: str) -> None:
    landed = a_call(**facts)
    store.land(landed)
    call = landed.record.call

    assert why in open_page("calls", call=f"{call.trace_id}-{call.span_id}").said


def test_from_one_call_there_is_a_way_back_to_all(store: Store, open_page: OpenPage) -> None:
    landed = a_call(started_at=ago(minutes=2))
    store.land(landed)
    page = open_page("calls", call=f"{landed.record.call.trace_id}-{landed.record.call.span_id}")

    page.click("All calls")

    assert len(page.tables[0]["status"]) == 1
    assert "call" not in page.test.query_params


@pytest.mark.parametrize("asked_for", ["0" * 32 + "-" + "0" * 16, "nonsense", "**bold**", "' OR 1=1"])
def test_a_link_to_a_call_that_there_is_not_says_so(open_page: OpenPage, asked_for: str) -> None:
    page = open_page("calls", call=asked_for)

    assert "There is no such call" in page.said
    assert page.texts == [asked_for]


def test_alerts_show_rules_with_their_readings(store: Store, open_page: OpenPage) -> None:
    store.incidents.looked([a_rule(), a_rule(rule="p95", title="P95", metric="duration_p95_ms", window_s=300,
                                             threshold=Decimal(30_000), value=None, calls=3, unknown=0,
                                             state="too_few_calls")])  # fmt: skip

    rules = open_page("alerts").tables[0]

    assert {name: cells for name, cells in rules.items() if name != "Looked"} == {
        "Rule": ["Cost of the day", "P95"],
        "State": ["✓ within", "· too few calls to tell"],
        "Now": ["$12.41", "—"],
        "Threshold": ["above $100.00", "above 30.0 s"],
        "Reads": ["Cost", "P95 latency"],
        "Of": ["the UTC day so far", "the last 5 min"],
        "Calls": ["1,300, 2 unknown", "3"],
    }


def test_an_open_incident_is_told_on_the_alerts_page_and_on_the_overview(store: Store, open_page: OpenPage) -> None:
    store.land(a_call(started_at=ago(minutes=2)))
    store.incidents.opened(an_incident(), [])

    assert open_page("alerts").texts[:2] == ["Error rate", "Error rate is 8.1%, above 5.0% is too much."]
    overview = open_page("overview")
    assert "1 open alert" in overview.said
    assert overview.tables[0] == {
        "Alert": ["Error rate"],
        "Of": ["the last 5 min"],
        "Now": ["8.1%"],
        "Limit": ["above 5.0%"],
        "Worst": ["9.1%"],
        "Open for": overview.tables[0]["Open for"],
    }


def test_an_incident_about_one_call_leads_to_it(store: Store, open_page: OpenPage) -> None:
    store.incidents.opened(an_incident(trace_id="a" * 32, span_id="b" * 16), [])

    link = open_page("alerts").test.get("link_button")[0]

    assert link.proto.url == f"calls?call={'a' * 32}-{'b' * 16}"


def test_past_incidents_are_those_of_the_range(store: Store, open_page: OpenPage) -> None:
    opened = an_incident(opened_at=ago(hours=5))
    store.incidents.opened(opened, [])
    store.incidents.closed(replace(opened, closed_at=ago(hours=4), closed_why="within"), [])

    assert open_page("alerts", range="24h").tables[0] == {
        "Opened (UTC)": [f"{opened.opened_at:%Y-%m-%d %H:%M:%S}"],
        "Lasted": ["1 h"],
        "Rule": ["Error rate"],
        "Worst": ["9.1%"],
        "Threshold": ["above 5.0%"],
        "Of": ["the last 5 min"],
        "Closed because": ["back within"],
    }
    assert open_page("alerts", range="1h").tables == []


@pytest.mark.parametrize("name", ["overview", "calls", "call", "alerts"])
def test_names_are_only_ever_text(store: Store, open_page: OpenPage, name: str) -> None:
    landed = [
        a_call(
            started_at=ago(minutes=2),
            model=hostile,
            feature=hostile,
            user_id=hostile,
            prompt_version=hostile,
            status="error",
            error_type=hostile,
            price_version=hostile,
            cost_breakdown='{"**bold** :red[x]": "0.006"}',
            cost_usd=None,
            cost_flags=f"model_unknown,{hostile}",
            platform=hostile,
            attributes={hostile: hostile},
            tool_uses=[ToolUse(name=hostile)],
            attempt_rows=[Attempt(started_at=ago(minutes=2), error_type=hostile)],
        )
        for hostile in HOSTILE
    ]
    store.land(*landed)
    for hostile in HOSTILE:
        store.incidents.opened(an_incident(incident_id=hostile, title=hostile, segment={"feature": hostile}), [])
    rules = [a_rule(rule=hostile, title=hostile, segment={"model": hostile}) for hostile in HOSTILE]
    store.incidents.looked([*rules, a_rule(rule="unpriced_model", metric="no_price_calls", window_s=86400)])
    calls = [landed_call.record.call for landed_call in landed] if name == "call" else [None]

    for call in calls:
        parameters = {"call": f"{call.trace_id}-{call.span_id}"} if call else {"model": HOSTILE[0], "error": HOSTILE[1]}
        page = open_page("calls" if call else name, **parameters)
        for kind, given in page.rendered_markdown():
            assert not [hostile for hostile in HOSTILE if hostile in given], kind


def test_a_day_that_ends_while_the_page_is_open_moves_on(store: Store, open_page: OpenPage) -> None:
    with time_machine.travel(datetime(2026, 11, 20, 23, 59, 30, tzinfo=UTC)) as clock:
        store.land(a_call(started_at=datetime(2026, 11, 20, 12, tzinfo=UTC)))
        page = open_page("overview", range="today")
        assert page.tile("Requests") == "1"

        clock.shift(60)
        page.run()

        assert page.tile("Requests") == "0"
