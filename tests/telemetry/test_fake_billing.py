"""The stand-in's usage and cost reports, asked by the real SDK and as plain HTTP."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import anthropic
import pytest

from claude_telemetry.fake import FakeClaude
from claude_telemetry.fake.billing import DEFAULT_WORKSPACE, Traffic
from claude_telemetry.fake.steps import Answer
from claude_telemetry.fake.usage import iteration, usage_of_iterations
from tests.support.billing import (
    ADMIN_KEY,
    DAY,
    HAIKU,
    LAB,
    LAB_KEY,
    OPUS,
    SHOP_KEY,
    TODAY,
    WORKSPACE_KEY,
    at,
    traffic,
)

ANALYTICS_USAGE, ANALYTICS_COST = "/v1/organizations/analytics/usage", "/v1/organizations/analytics/cost"
USAGE, COST = "/v1/organizations/usage_report/messages", "/v1/organizations/cost_report"
START, END = f"{DAY}T00:00:00Z", f"{DAY + timedelta(days=1)}T00:00:00Z"
BETA = "analytics-usage-cost-2026-08-24"


@pytest.fixture
def books(claude: FakeClaude) -> FakeClaude:
    claude.billing.add(*traffic())
    claude.billing.discount(OPUS, Decimal("0.9"))
    return claude


@pytest.fixture
def client(books: FakeClaude) -> Iterator[anthropic.Anthropic]:
    # Strict: whatever differs from the SDK's types is an error.
    with anthropic.Anthropic(
        api_key=ADMIN_KEY, base_url=books.url, max_retries=0, _strict_response_validation=True
    ) as client:
        yield client


Asked = Mapping[str, str | int | list[str]]


def get(
    claude: FakeClaude, path: str, asked: Asked, *, key: str = ADMIN_KEY, beta: str = f"{BETA},fast-mode-2026-02-01"
) -> tuple[int, dict[str, Any], Mapping[str, str]]:
    """Status, body and headers. Lists are asked as `name[]=value`."""
    pairs: list[tuple[str, str | int]] = [
        (f"{name}[]" if isinstance(value, list) else name, each)
        for name, value in asked.items()
        for each in (value if isinstance(value, list) else [value])
    ]
    request = urllib.request.Request(
        f"{claude.url}{path}?{urlencode(pairs)}",
        headers={"x-api-key": key, "anthropic-version": "2023-06-01", "anthropic-beta": beta},
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status, json.loads(response.read()), dict(response.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read()), dict(error.headers)


def test_without_groups_and_buckets_one_row_is_all_of_it(client: anthropic.Anthropic) -> None:
    (usage,) = client.beta.organization.analytics.usage.list(starting_at=START, ending_at=END)
    (cost,) = client.beta.organization.analytics.cost.list(starting_at=START, ending_at=END)

    assert usage.usage.to_dict() == {
        "uncached_input_tokens": 1_011_007,
        "output_tokens": 250_003,
        "cache_read_input_tokens": 2_000,
        "cache_creation": {"ephemeral_5m_input_tokens": 4_000, "ephemeral_1h_input_tokens": 0},
        "server_tool_use": {"web_search_requests": 3},
        "total_tokens": 1_267_010,
        "requests": 17,
    }
    # Opus: 9.0504 + 0.004 + 0.022 = 9.0764 of which 9 tenths are paid; Haiku in full
    assert cost.cost.to_dict() == {
        "list_amount": "907.64022",
        "amount": "816.87622",
        "currency": "USD",
        "requests": 17,
    }
    assert set(usage.group.to_dict().values()) == {None}


def test_groups_and_buckets_make_a_row_for_each_combination_that_was_used(client: anthropic.Anthropic) -> None:
    rows = client.beta.organization.analytics.usage.list(
        starting_at=START, ending_at=END, time_bucket_width="1h", group_by=["model", "workspace_id"], order_by="time"
    )

    assert [
        (row.starting_at.hour, row.group.model, row.group.workspace_id, row.usage.requests)
        for row in rows
    ] == [
        (17, OPUS, LAB, 1),
        (12, OPUS, "wrkspc_01Shop", 5),
        (12, HAIKU, LAB, 1),
        (9, OPUS, LAB, 10),
    ]  # fmt: skip


def test_the_rows_of_a_cost_by_kind_are_beside_the_limit_and_know_no_requests(client: anthropic.Anthropic) -> None:
    page = client.beta.organization.analytics.cost.list(
        starting_at=START, ending_at=END, group_by=["model", "cost_type", "token_type"], limit=1
    )

    kinds = [(row.group.cost_type, row.group.token_type, row.cost.list_amount, row.cost.requests) for row in page.data]
    assert kinds == [
        ("tokens", "uncached_input_tokens", "402.6", None),
        ("tokens", "output_tokens", "500", None),
        ("tokens", "cache_read_input_tokens", "0.04", None),
        ("tokens", "cache_creation.ephemeral_5m_input_tokens", "2", None),
        ("web_search", None, "3", None),
    ]  # fmt: skip
    assert page.has_more
    assert [row.group.model for row in page.get_next_page().data] == [HAIKU, HAIKU]


def test_every_row_is_on_exactly_one_page(client: anthropic.Anthropic) -> None:
    def rows(limit: int) -> list[dict[str, object]]:
        found = client.beta.organization.analytics.usage.list(
            starting_at=START, ending_at=END, time_bucket_width="1m", group_by=["api_key_id"], limit=limit
        )
        return [row.to_dict() for row in found]

    assert len(rows(1000)) == 4
    assert rows(1) == rows(1000)


@pytest.mark.parametrize(
    ("asked", "requests"),
    [
        ({"models": [HAIKU]}, 1),
        ({"workspace_ids": [LAB]}, 12),
        ({"api_key_ids": [LAB_KEY]}, 11),
        ({"api_key_ids": [""]}, 1),
        ({"api_key_ids": ["", SHOP_KEY]}, 6),
        ({"service_tiers": ["batch"], "inference_geos": ["us"]}, 5),
        ({"inference_geos": ["not_available"]}, 1),
        ({"speeds": ["fast"]}, 0),
    ],
)
def test_filters_leave_what_is_in_all_of_them(books: FakeClaude, asked: Asked, requests: int) -> None:
    _, body, _ = get(books, ANALYTICS_USAGE, {"starting_at": START, "ending_at": END, **asked})
    assert body["data"][0]["usage"]["requests"] == requests


def test_the_default_workspace_has_an_id_in_the_newer_family_only(claude: FakeClaude) -> None:
    claude.billing.add(Traffic(at=at(DAY), model=HAIKU, tokens={"output_tokens": 1}))
    _, newer, _ = get(claude, ANALYTICS_USAGE, {"starting_at": START, "ending_at": END, "group_by": ["workspace_id"]})
    _, older, _ = get(claude, USAGE, {"starting_at": START, "ending_at": END, "group_by": ["workspace_id"]})

    assert newer["data"][0]["group"]["workspace_id"] == DEFAULT_WORKSPACE
    assert older["data"][0]["results"][0]["workspace_id"] is None


def test_what_came_late_is_there_after_the_next_refresh(claude: FakeClaude) -> None:
    early = Traffic(at=at(DAY, 1), model=HAIKU, tokens={"output_tokens": 1})
    claude.billing.add(early, replace(early, known_at=at(DAY, 9)))

    claude.billing.refresh(at(DAY, 8))
    _, before, _ = get(claude, ANALYTICS_USAGE, {"starting_at": START, "ending_at": END})
    claude.billing.refresh(at(DAY, 9))
    _, after, _ = get(claude, ANALYTICS_USAGE, {"starting_at": START, "ending_at": END})

    assert (before["data"][0]["usage"]["requests"], before["data_refreshed_at"]) == (1, f"{DAY}T08:00:00Z")
    assert (after["data"][0]["usage"]["requests"], after["data_refreshed_at"]) == (2, f"{DAY}T09:00:00Z")


def test_the_older_usage_report_has_the_empty_days_too_and_leaves_null_what_is_not_grouped(books: FakeClaude) -> None:
    first = DAY - timedelta(days=2)
    _, body, _ = get(books, USAGE, {"starting_at": f"{first}T15:00:00Z", "ending_at": END, "group_by": ["model"]})

    assert [(bucket["starting_at"], len(bucket["results"])) for bucket in body["data"]] == [
        (f"{first}T00:00:00Z", 0),
        (f"{first + timedelta(days=1)}T00:00:00Z", 0),
        (START, 2),
    ]
    assert (body["has_more"], body["next_page"]) == (False, None)
    assert body["data"][2]["results"][1] == {
        "uncached_input_tokens": 7,
        "output_tokens": 3,
        "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "server_tool_use": {"web_search_requests": 0},
        "model": HAIKU,
        **dict.fromkeys(
            ("account_id", "api_key_id", "context_window", "inference_geo", "service_account_id", "service_tier",
             "speed", "workspace_id")
        ),
    }  # fmt: skip


def test_the_older_reports_turn_pages_by_buckets(books: FakeClaude) -> None:
    days: list[str] = []
    asked: dict[str, str | int | list[str]] = {
        "starting_at": f"{DAY - timedelta(days=4)}T00:00:00Z",
        "ending_at": END,
        "limit": 2,
    }
    while True:
        _, body, _ = get(books, COST, asked)
        days += [bucket["starting_at"][:10] for bucket in body["data"]]
        if not body["has_more"]:
            break
        asked["page"] = body["next_page"]

    assert days == [str(DAY - timedelta(days=n)) for n in (4, 3, 2, 1, 0)]


def test_the_older_cost_report_says_what_a_cost_is_for_when_grouped_by_description(books: FakeClaude) -> None:
    _, whole, _ = get(books, COST, {"starting_at": START, "ending_at": END})
    _, by_kind, _ = get(
        books, COST, {"starting_at": START, "ending_at": END, "group_by": ["workspace_id", "description"]}
    )

    (row,) = whole["data"][0]["results"]
    assert (row["amount"], row["model"], row["description"]) == ("816.87622", None, None)
    rows = by_kind["data"][0]["results"]
    assert {"amount": "1.98", "currency": "USD", "cost_type": "tokens", "token_type": "uncached_input_tokens",
            "model": OPUS, "service_tier": "batch", "context_window": "0-200k", "inference_geo": "us",
            "workspace_id": "wrkspc_01Shop",
            "description": "claude-opus-5-5 Usage (batch) (us) - Input Tokens"} in rows  # fmt: skip
    (search,) = [row for row in rows if row["cost_type"] == "web_search"]
    assert (search["amount"], search["model"], search["token_type"]) == ("2.7", None, None)


def test_priority_and_code_execution_are_each_in_one_of_the_older_reports(claude: FakeClaude) -> None:
    cost = {"output_tokens": Decimal(1)}
    claude.billing.add(
        Traffic(at=at(DAY), model=OPUS, service_tier="priority", tokens={"output_tokens": 9}, list_usd=cost),
        Traffic(at=at(DAY), service_tier=None, list_usd={"code_execution": Decimal("0.25")}),
    )
    _, used, _ = get(claude, USAGE, {"starting_at": START, "ending_at": END, "group_by": ["service_tier"]})
    _, billed, _ = get(claude, COST, {"starting_at": START, "ending_at": END, "group_by": ["description"]})

    assert [row["service_tier"] for row in used["data"][0]["results"]] == ["priority"]
    assert [(row["cost_type"], row["amount"]) for row in billed["data"][0]["results"]] == [("code_execution", "25")]


@pytest.mark.parametrize("path", [ANALYTICS_USAGE, ANALYTICS_COST, USAGE, COST])
def test_a_workspaces_key_reads_no_report(books: FakeClaude, path: str) -> None:
    status, body, _ = get(books, path, {"starting_at": START, "ending_at": END}, key=WORKSPACE_KEY)
    assert (status, body["type"], body["error"]) == (
        401,
        "error",
        {"type": "authentication_error", "message": "invalid x-api-key"},
    )


@pytest.mark.parametrize(
    ("path", "asked", "about"),
    [
        (ANALYTICS_USAGE, {"ending_at": END}, "starting_at: Field required"),
        (ANALYTICS_USAGE, {"starting_at": f"{DAY}T00:00:00"}, "with a time zone"),
        (ANALYTICS_USAGE, {"starting_at": "2025-12-31T00:00:00Z"}, "2026-01-01"),
        (ANALYTICS_USAGE, {"starting_at": START, "time_bucket_width": "1d"}, "ending_at: required"),
        (ANALYTICS_USAGE, {"starting_at": END, "ending_at": START}, "must be after"),
        (ANALYTICS_USAGE, {"starting_at": START, "time_bucket_width": "1w", "ending_at": END}, "1d or 1h or 1m"),
        (ANALYTICS_USAGE, {"starting_at": START, "limit": 1001}, "from 1 to 1000"),
        (ANALYTICS_USAGE, {"starting_at": START, "limit": 0}, "from 1 to 1000"),
        (ANALYTICS_USAGE, {"starting_at": START, "order_by": "amount"}, "order_by"),
        (ANALYTICS_USAGE, {"starting_at": START, "group_by": ["cost_type"]}, "group_by"),
        (ANALYTICS_USAGE, {"starting_at": START, "page": "page_bm9uZQ=="}, "Invalid page token"),
        (ANALYTICS_COST, {"starting_at": START, "colour": "red"}, "colour: Extra inputs"),
        (ANALYTICS_COST, {"starting_at": START, "group_by": ["model", "actor", "speed", "product", "agent_id",
                                                             "session_id"]}, "at most 5"),
        (ANALYTICS_COST, {"starting_at": START, "service_tiers": ["cheap"]}, "service_tiers"),
        (USAGE, {"starting_at": START, "bucket_width": "1d", "limit": 32}, "from 1 to 31"),
        (USAGE, {"starting_at": START, "bucket_width": "1h", "limit": 169}, "from 1 to 168"),
        (USAGE, {"starting_at": START, "group_by": ["token_type"]}, "group_by"),
        (COST, {"starting_at": START, "bucket_width": "1h"}, "bucket_width"),
        (COST, {"starting_at": START, "group_by": ["model"]}, "group_by"),
    ],
)  # fmt: skip
def test_a_question_that_does_not_fit_is_turned_away(books: FakeClaude, path: str, asked: Asked, about: str) -> None:
    status, body, _ = get(books, path, asked)
    assert (status, body["error"]["type"]) == (400, "invalid_request_error")
    assert about in body["error"]["message"]


def test_a_range_may_span_31_days_and_24_hours_by_the_minute(books: FakeClaude) -> None:
    long = {
        "starting_at": f"{TODAY - timedelta(days=32)}T00:00:00Z",
        "ending_at": f"{TODAY - timedelta(days=1)}T00:00:00Z",
    }
    longer = {**long, "ending_at": f"{TODAY - timedelta(days=1)}T00:00:01Z"}
    day = {"starting_at": START, "time_bucket_width": "1m"}

    assert get(books, ANALYTICS_COST, long)[0] == 200
    assert get(books, ANALYTICS_COST, longer)[0] == 400
    assert get(books, ANALYTICS_COST, {**day, "ending_at": END})[0] == 200
    assert get(books, ANALYTICS_COST, {**day, "ending_at": END.replace("00Z", "01Z")})[0] == 400


def test_the_newer_family_and_grouping_by_speed_need_their_beta_headers(books: FakeClaude) -> None:
    assert get(books, ANALYTICS_COST, {"starting_at": START}, beta="")[0] == 400
    assert get(books, USAGE, {"starting_at": START, "group_by": ["model"]}, beta="")[0] == 200
    assert get(books, USAGE, {"starting_at": START, "group_by": ["speed"]}, beta="")[0] == 400


def test_a_page_belongs_to_its_question(books: FakeClaude) -> None:
    asked: Asked = {"starting_at": START, "ending_at": END, "group_by": ["model"], "limit": 1}
    _, first, _ = get(books, ANALYTICS_USAGE, asked)

    assert get(books, ANALYTICS_USAGE, {**asked, "page": first["next_page"]})[0] == 200
    assert get(books, ANALYTICS_USAGE, {**asked, "limit": 2, "page": first["next_page"]})[0] == 400


def test_asking_the_same_again_too_soon_is_told_when_to_come_back(books: FakeClaude) -> None:
    books.billing.poll_gap_s = 60
    assert get(books, COST, {"starting_at": START})[0] == 200

    status, body, headers = get(books, COST, {"starting_at": START})

    assert (status, body["error"]["type"]) == (429, "rate_limit_error")
    assert 0 < float(headers["retry-after"]) <= 60
    assert get(books, COST, {"starting_at": START, "ending_at": END})[0] == 200


def test_it_fails_as_it_is_told(books: FakeClaude) -> None:
    books.billing.fail(529)
    books.billing.fail(429, headers={"retry-after": "7"})

    assert get(books, COST, {"starting_at": START})[1]["error"]["type"] == "overloaded_error"
    assert get(books, COST, {"starting_at": START})[2]["retry-after"] == "7"
    assert get(books, COST, {"starting_at": START})[0] == 200


def test_a_family_can_be_missing_and_a_key_without_permission(books: FakeClaude) -> None:
    books.billing.analytics = False
    assert (get(books, ANALYTICS_COST, {"starting_at": START})[0], get(books, COST, {"starting_at": START})[0]) == (
        404,
        200,
    )
    books.billing.permitted = False
    assert get(books, COST, {"starting_at": START})[1]["error"]["type"] == "permission_error"


def test_rows_can_have_fields_that_nobody_knows(client: anthropic.Anthropic, books: FakeClaude) -> None:
    books.billing.unknown_fields = {"cost_center": "CC-7"}
    (row,) = client.beta.organization.analytics.usage.list(starting_at=START, ending_at=END)
    assert row.to_dict()["cost_center"] == "CC-7"


def test_what_was_answered_here_is_on_the_bill(claude: FakeClaude) -> None:
    """At the prices of Opus 5.5 ($4 and $20 a million, writes $5 and $8, reads $0.20), searches at $0.01."""
    message: dict[str, Any] = {"max_tokens": 50, "messages": [{"role": "user", "content": "Hi"}]}
    written = {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200}
    claude.answer(
        usage={
            "input_tokens": 1_000,
            "output_tokens": 50,
            "cache_read_input_tokens": 500,
            "cache_creation_input_tokens": 300,
            "cache_creation": written,
            "server_tool_use": {"web_search_requests": 2},
            "inference_geo": "us",
        }
    )
    claude.refuse()
    claude.fail(400)
    with anthropic.Anthropic(api_key=WORKSPACE_KEY, base_url=claude.url, max_retries=0) as application:
        application.messages.create(model=OPUS, **message)
        application.messages.create(model=OPUS, **message)
        application.messages.count_tokens(model=OPUS, messages=message["messages"])
        with pytest.raises(anthropic.BadRequestError):
            application.messages.create(model=OPUS, **message)

    # Yesterday's too, should it become midnight meanwhile.
    asked: Asked = {"starting_at": f"{TODAY - timedelta(days=1)}T00:00:00Z", "group_by": ["model", "inference_geo"]}
    until_tomorrow = {**asked, "ending_at": f"{TODAY + timedelta(days=2)}T00:00:00Z"}
    _, used, _ = get(claude, ANALYTICS_USAGE, until_tomorrow)
    _, billed, _ = get(claude, ANALYTICS_COST, until_tomorrow)

    (row,) = used["data"]
    assert (row["group"]["model"], row["group"]["inference_geo"]) == (OPUS, "us")
    assert row["usage"] == {
        "uncached_input_tokens": 1_000,
        "output_tokens": 50,
        "cache_read_input_tokens": 500,
        "cache_creation": written,
        "server_tool_use": {"web_search_requests": 2},
        "total_tokens": 1_850,
        "requests": 1,
    }
    # (0.004 + 0.001 + 0.0001 + 0.0005 + 0.0016) × 1.1 + 0.02 = $0.02792
    assert billed["data"][0]["cost"]["list_amount"] == "2.792"


def test_an_answer_of_several_models_is_on_the_bill_of_each(claude: FakeClaude) -> None:
    """Opus 5.5 at $4 and $20 a million asks Haiku 5.5 at $0.10 and $0.50; Sonnet 5.5 declined before, for free."""
    iterations = [
        iteration("message", 900, 0, model="claude-sonnet-5-5"),
        iteration("fallback_message", 1_000, 10, model=OPUS),
        iteration("advisor_message", 2_000, 20, model=HAIKU),
    ]
    claude.answer(model=OPUS, usage=usage_of_iterations(iterations))
    with anthropic.Anthropic(api_key=WORKSPACE_KEY, base_url=claude.url, max_retries=0) as application:
        application.messages.create(
            model="claude-sonnet-5-5", max_tokens=50, messages=[{"role": "user", "content": "Hi"}]
        )
    _, body, _ = get(
        claude, ANALYTICS_COST, {"starting_at": f"{TODAY - timedelta(days=1)}T00:00:00Z",
                                 "ending_at": f"{TODAY + timedelta(days=2)}T00:00:00Z", "group_by": ["model"]}
    )  # fmt: skip
    assert [(row["group"]["model"], row["cost"]["list_amount"], row["cost"]["requests"]) for row in body["data"]] == [
        (OPUS, "0.42", 1),
        (HAIKU, "0.021", 0),
    ]


def test_a_batchs_results_are_on_the_bill_at_half_the_price(claude: FakeClaude) -> None:
    usage = {"input_tokens": 1_000, "output_tokens": 100}
    claude.batch({"good": Answer(usage=usage), "late": "expired"})
    with anthropic.Anthropic(api_key=WORKSPACE_KEY, base_url=claude.url, max_retries=0) as application:
        batch = application.messages.batches.create(
            requests=[
                {
                    "custom_id": custom_id,
                    "params": {"model": OPUS, "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]},
                }
                for custom_id in ("good", "late")
            ]
        )
        application.messages.batches.retrieve(batch.id)
        assert len(list(application.messages.batches.results(batch.id))) == 2

    _, body, _ = get(
        claude, ANALYTICS_COST, {"starting_at": f"{TODAY - timedelta(days=1)}T00:00:00Z",
                                 "ending_at": f"{TODAY + timedelta(days=2)}T00:00:00Z", "group_by": ["service_tier"]}
    )  # fmt: skip
    # (1,000 × $4 + 100 × $20) a million × 0.5 = $0.003
    assert [(row["group"]["service_tier"], row["cost"]["list_amount"]) for row in body["data"]] == [("batch", "0.3")]
