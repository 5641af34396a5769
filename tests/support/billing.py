"""A small organization whose bill is worked out by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from claude_telemetry.fake.billing import Traffic

ADMIN_KEY = "sk-ant-admin01-made-up-for-a-test"
WORKSPACE_KEY = "sk-ant-api03-made-up-for-a-test"

TODAY = datetime.now(UTC).date()
DAY = TODAY - timedelta(days=3)
"""A day that all reports go back to."""

OPUS, HAIKU = "claude-opus-5-5", "claude-haiku-5-5"
LAB, SHOP = "wrkspc_01Lab", "wrkspc_01Shop"
LAB_KEY, SHOP_KEY = "apikey_01Lab", "apikey_01Shop"


def at(day: date, hour: int = 12) -> datetime:
    return datetime.combine(day, time(hour), UTC)


def traffic() -> list[Traffic]:
    """A day's: two keys in two workspaces, and the Console, which has no key, in one of them. With Opus 5.5 at $4 and
    $20 a million tokens, a batch at half of it, US only at 1.1 times."""
    return [
        # 1,000,000 × $4 + 250,000 × $20, 2,000 × $0.20 (read), 4,000 × $5 (write), 3 searches at $0.01
        Traffic(
            at=at(DAY, 9),
            model=OPUS,
            api_key_id=LAB_KEY,
            workspace_id=LAB,
            requests=10,
            tokens={
                "uncached_input_tokens": 1_000_000,
                "output_tokens": 250_000,
                "cache_read_input_tokens": 2_000,
                "cache_creation.ephemeral_5m_input_tokens": 4_000,
            },
            web_search_requests=3,
            list_usd={
                "uncached_input_tokens": Decimal(4),
                "output_tokens": Decimal(5),
                "cache_read_input_tokens": Decimal("0.0004"),
                "cache_creation.ephemeral_5m_input_tokens": Decimal("0.02"),
                "web_search": Decimal("0.03"),
            },
        ),
        # the same group in another hour: 1,000 × $4
        Traffic(
            at=at(DAY, 17),
            model=OPUS,
            api_key_id=LAB_KEY,
            workspace_id=LAB,
            tokens={"uncached_input_tokens": 1_000},
            list_usd={"uncached_input_tokens": Decimal("0.004")},
        ),
        # a batch, US only: 10,000 × $4 × 0.5 × 1.1
        Traffic(
            at=at(DAY),
            model=OPUS,
            service_tier="batch",
            inference_geo="us",
            api_key_id=SHOP_KEY,
            workspace_id=SHOP,
            requests=5,
            tokens={"uncached_input_tokens": 10_000},
            list_usd={"uncached_input_tokens": Decimal("0.022")},
        ),
        # the Console: 7 × $0.10 and 3 × $0.50 a million; the model does not let one choose the place
        Traffic(
            at=at(DAY),
            model=HAIKU,
            inference_geo=None,
            workspace_id=LAB,
            tokens={"uncached_input_tokens": 7, "output_tokens": 3},
            list_usd={"uncached_input_tokens": Decimal("0.0000007"), "output_tokens": Decimal("0.0000015")},
        ),
    ]
