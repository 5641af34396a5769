"""What the headers of an answer say about rate limits."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_telemetry.capture.rate_limits import rate_limits_of
from claude_telemetry.record.rate_limit import RateLimit, RateLimits


def only(headers: dict[str, str]) -> RateLimit:
    found = rate_limits_of([(name.encode(), value.encode()) for name, value in headers.items()])
    assert found is not None
    (limit,) = found.limits
    return limit


def test_an_answer_tells_limit_what_remains_and_when_all_is_there_again() -> None:
    headers = [
        (b"date", b"Fri, 20 Nov 2026 08:00:00 GMT"),
        (b"anthropic-ratelimit-requests-limit", b"4000"),
        (b"anthropic-ratelimit-requests-remaining", b"3999"),
        (b"anthropic-ratelimit-requests-reset", b"2026-11-20T08:00:01Z"),
        (b"anthropic-ratelimit-input-tokens-limit", b"2000000"),
        (b"anthropic-ratelimit-input-tokens-remaining", b"1987000"),
        (b"anthropic-ratelimit-input-tokens-reset", b"2026-11-20T08:00:02Z"),
        (b"request-id", b"req_1"),
    ]
    assert rate_limits_of(headers) == RateLimits(
        limits=(
            RateLimit(
                kind="requests", limit=4000, remaining=3999, reset_at=datetime(2026, 11, 20, 8, 0, 1, tzinfo=UTC)
            ),
            RateLimit(
                kind="input_tokens",
                limit=2_000_000,
                remaining=1_987_000,
                reset_at=datetime(2026, 11, 20, 8, 0, 2, tzinfo=UTC),
            ),
        )
    )


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ("anthropic-ratelimit-requests-remaining", "requests"),
        ("anthropic-ratelimit-tokens-remaining", "tokens"),
        ("anthropic-ratelimit-input-tokens-remaining", "input_tokens"),
        ("anthropic-ratelimit-output-tokens-remaining", "output_tokens"),
        ("anthropic-priority-input-tokens-remaining", "priority_input_tokens"),
        ("anthropic-priority-output-tokens-remaining", "priority_output_tokens"),
        ("anthropic-fast-input-tokens-remaining", "fast_input_tokens"),
        ("anthropic-fast-output-tokens-remaining", "fast_output_tokens"),
    ],
)
def test_each_family_of_limits_has_its_kinds(header: str, kind: str) -> None:
    assert only({header: "7"}) == RateLimit(kind=kind, remaining=7)


def test_nothing_left_is_zero_and_not_unknown() -> None:
    assert only({"anthropic-fast-input-tokens-remaining": "0"}).remaining == 0


def test_names_are_told_apart_by_no_case() -> None:
    assert only({"Anthropic-RateLimit-Requests-Limit": "50"}).limit == 50


def test_a_reset_in_another_zone_is_the_same_moment_in_utc() -> None:
    reset_at = only({"anthropic-ratelimit-tokens-reset": "2026-11-20T10:30:00.5+02:00"}).reset_at
    assert repr(reset_at) == repr(datetime(2026, 11, 20, 8, 30, 0, 500_000, tzinfo=UTC))


@pytest.mark.parametrize("value", ["", "-1", "+5", "1_000", " 7", "4.5", "lots", "9" * 19, "9" * 5000, "٣"])
def test_what_is_no_count_is_unknown(value: str) -> None:
    assert only({"anthropic-ratelimit-requests-remaining": value}) == RateLimit(kind="requests")


@pytest.mark.parametrize("value", ["", "soon", "1763625600", "2026-11-20T08:00:00", "0001-01-01T00:00:00+14:00", "é"])
def test_what_is_no_moment_is_unknown(value: str) -> None:
    assert only({"anthropic-ratelimit-requests-reset": value}) == RateLimit(kind="requests")


def test_an_answer_that_tells_of_no_limits_gives_none() -> None:
    headers = [(b"request-id", b"req_1"), (b"anthropic-ratelimit-unified-status", b"allowed"), (b"retry-after", b"3")]
    assert rate_limits_of(headers) is None
    assert rate_limits_of([]) is None


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [b"anthropic-ratelimit-requests-limit", b"anthropic-ratelimit-tokens-reset", b"anthropic-fast-", b""]
            ),
            st.binary(max_size=40),
        )
    )
)
def test_no_header_whatever_its_bytes_makes_it_raise(headers: list[tuple[bytes, bytes]]) -> None:
    rate_limits_of(headers)
