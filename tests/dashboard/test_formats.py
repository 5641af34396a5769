"""Numbers as people read them. Every expected text is written by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from claude_telemetry.record import Call, columns_of
from claude_telemetry_dashboard import formats
from claude_telemetry_dashboard.formats import Number

COLUMNS = {column.name: column for column in columns_of(Call)}


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (None, "—"),
        (Decimal(0), "$0.00"),
        (Decimal("0.0000000001"), "< $0.000001"),
        (Decimal("0.000004251"), "$0.0000043"),
        (Decimal("0.004512"), "$0.0045"),
        (Decimal("0.0999"), "$0.10"),
        (Decimal("0.05"), "$0.05"),
        (Decimal("0.006"), "$0.006"),
        (Decimal("0.1"), "$0.10"),
        (Decimal("0.125"), "$0.12"),
        (Decimal("12.4049"), "$12.40"),
        (Decimal("1234.5"), "$1,234.50"),
        (Decimal("9999.99"), "$9,999.99"),
        (Decimal("12345.6"), "$12,346"),
        (Decimal("-3.5"), "-$3.50"),
    ],
)
def test_dollars_show_cents_and_what_is_less_than_a_cent_shows_two_digits(amount: Decimal | None, shown: str) -> None:
    assert formats.usd(amount) == shown


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (None, "—"),
        (Decimal(0), "$0.00"),
        (Decimal("0.006000000000"), "$0.006"),
        (Decimal("1234.5"), "$1,234.50"),
        (Decimal("0.000000000001"), "$0.000000000001"),
        (Decimal("-0.25"), "-$0.25"),
    ],
)
def test_exact_dollars_lose_no_digit(amount: Decimal | None, shown: str) -> None:
    assert formats.usd_exact(amount) == shown


@pytest.mark.parametrize(
    ("duration", "shown"),
    [
        (None, "—"),
        (0, "0 ms"),
        (0.4, "0 ms"),
        (812, "812 ms"),
        (999.4, "999 ms"),
        (999.5, "1.0 s"),
        (1250, "1.2 s"),
        (59_949, "59.9 s"),
        (59_950, "1 min"),
        (125_000, "2 min 5 s"),
        (3_600_000, "1 h"),
        (12_000_000, "3 h 20 min"),
        (172_800_000, "2 days"),
        (-250, "-250 ms"),
    ],
)
def test_a_duration_is_told_in_the_unit_that_people_would_take(duration: float | None, shown: str) -> None:
    assert formats.ms(duration) == shown


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (None, "—"),
        (0, "0"),
        (7, "7"),
        (9_999, "9,999"),
        (10_000, "10.0k"),
        (12_345, "12.3k"),
        (123_456, "123k"),
        (999_949, "1.00M"),
        (4_560_000, "4.56M"),
        (7_800_000_000, "7.80B"),
        (-25_000, "-25.0k"),
    ],
)
def test_a_count_is_whole_while_it_is_short_and_rounded_to_three_digits_after_that(
    amount: int | None, shown: str
) -> None:
    assert formats.count(amount) == shown


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (None, "—"),
        (0.0, "0%"),
        (0.047, "4.7%"),
        (0.0004, "0.04%"),
        (0.00001, "< 0.01%"),
        (0.5, "50.0%"),
        (0.9996, "99.96%"),
        (0.99999, "> 99.99%"),
        (1.0, "100%"),
        (Decimal("0.25"), "25.0%"),
    ],
)
def test_only_all_and_nothing_read_a_hundred_percent_and_zero(share: Number | None, shown: str) -> None:
    assert formats.ratio(share) == shown


@pytest.mark.parametrize(
    ("unit", "shown"),
    [("USD", "$2.00"), ("ms", "2 ms"), ("ratio", "200.0%"), ("token", "2"), ("{call}", "2"), (None, "2")],
)
def test_a_number_is_shown_in_its_unit(unit: str | None, shown: str) -> None:
    assert formats.number(2, unit) == shown


def test_a_change_needs_something_to_compare_with() -> None:
    assert formats.change(None, 3) is None
    assert formats.change(3, None) is None
    assert formats.change(3, 0) is None
    assert formats.change(Decimal(3), 2) == 0.5


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0.12, "+12%"), (-0.034, "-3.4%"), (0.0, "+0.0%"), (-1.0, "-100%"), (8.99, "+899%"), (14.0, "×15")],
)
def test_a_change_has_a_sign_until_it_is_a_multiple(share: float, shown: str) -> None:
    assert formats.percent_change(share) == shown


def test_a_share_changes_by_points() -> None:
    assert formats.points_change(0.062, 0.05) == "+1.2 pts"
    assert formats.points_change(0.6, 0.65) == "-5.0 pts"


def test_moments_are_utc_whether_they_say_so_or_not() -> None:
    noon = datetime(2026, 11, 20, 12, 0, 5)  # noqa: DTZ001 - as the store gives it
    assert formats.moment(noon) == "2026-11-20 12:00:05"
    assert formats.moment(noon.replace(tzinfo=UTC)) == "2026-11-20 12:00:05"
    assert (
        formats.moment(datetime(2026, 11, 20, 14, 0, 5, tzinfo=timezone(timedelta(hours=2)))) == "2026-11-20 12:00:05"
    )
    assert formats.moment(None) == "—"


@pytest.mark.parametrize(
    ("passed", "shown"),
    [
        (timedelta(seconds=-3), "0 s ago"),
        (timedelta(seconds=59), "59 s ago"),
        (timedelta(minutes=12, seconds=50), "12 min ago"),
        (timedelta(hours=30), "30 h ago"),
        (timedelta(days=3), "3 days ago"),
    ],
)
def test_ago_is_rough_and_never_in_the_future(passed: timedelta, shown: str) -> None:
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert formats.ago(now - passed, now) == shown


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("cost_usd", Decimal("0.006"), "$0.006"),
        ("duration_ms", 1250, "1.2 s"),
        ("output_tokens", 12345, "12,345"),
        ("http_status", 529, "529"),
        ("billed", False, "no"),
        ("feature", None, "—"),
        ("feature", "**bold**", "**bold**"),
    ],
)
def test_a_cell_takes_its_unit_from_the_record(name: str, value: object, shown: str) -> None:
    assert formats.cell(value, COLUMNS[name]) == shown


@pytest.mark.parametrize(
    ("name", "number_format"),
    [
        ("cost_usd", "$%.6f"),
        ("ttft_ms", "%,d ms"),
        ("input_tokens", "localized"),
        ("attempts", "localized"),
        ("http_status", None),
        ("billed", None),
        ("model", None),
    ],
)
def test_a_column_format_follows_from_the_unit(name: str, number_format: str | None) -> None:
    assert formats.column_format(COLUMNS[name]) == number_format
