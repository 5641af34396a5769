"""What an organization has used and pays for, as the stand-in's reports (`reports.py`) tell it.

Two families of reports tell it, the Usage and Cost Analytics API and the Usage and Cost Admin API before it: see
`analytics_report.py` and `admin_report.py` for their rules.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from claude_telemetry.fake.steps import Failure, failure

TOKEN_TYPES = (
    "uncached_input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation.ephemeral_5m_input_tokens",
    "cache_creation.ephemeral_1h_input_tokens",
)
DEFAULT_WORKSPACE = "wrkspc_01DefaultWorkspace0000"
"""What the newer family calls the default workspace. The older one calls it null."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Requests that are alike, and what they cost. May stand for one request or for a million."""

    at: datetime
    """When they were made; with its zone."""
    model: str | None = None
    service_tier: str | None = "standard"
    speed: str | None = "standard"
    inference_geo: str | None = "global"
    """`None` for a model that does not let one choose."""
    context_window: str | None = "0-200k"
    api_key_id: str | None = None
    """`None`: no key was used, as in the Console."""
    workspace_id: str | None = None
    """`None`: the default workspace."""
    requests: int = 1
    tokens: Mapping[str, int] = field(default_factory=dict[str, int])
    """By token type, see `TOKEN_TYPES`."""
    web_search_requests: int = 0
    list_usd: Mapping[str, Decimal] = field(default_factory=dict[str, Decimal])
    """What they cost before discounts: by token type, and `web_search`, `code_execution`, `session_usage`."""
    known_at: datetime | None = None
    """The reports do not have them until they are refreshed at this time or later. `None`: always."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of what traffic costs."""

    cost_type: str
    token_type: str | None
    list_usd: Decimal
    amount_usd: Decimal
    """After the discount."""


class Billing:
    """The books of the stand-in's organization. Thread-safe."""

    def __init__(self, metered: Callable[[], Iterable[Traffic]] = tuple) -> None:
        """`metered` is what the stand-in has answered itself, up to now."""
        self._lock = threading.Lock()
        self._metered = metered
        self._traffic: list[Traffic] = []
        self._failures: deque[Failure] = deque()
        self._discounts: dict[str, Decimal] = {}
        self._refreshed_at: datetime | None = None
        self.analytics = True
        """Whether the newer family is served."""
        self.admin = True
        """Whether the older family is served."""
        self.permitted = True
        """Whether Admin keys may read the reports."""
        self.poll_gap_s = 0.0
        """A question that is asked again sooner than this is turned away with a 429."""
        self.unknown_fields: Mapping[str, Any] = {}
        """What rows have beside what is documented."""

    def add(self, *traffic: Traffic) -> None:
        """Books `traffic`, beside what the stand-in has answered itself."""
        with self._lock:
            self._traffic += (replace(one, at=one.at.astimezone(UTC)) for one in traffic)

    def discount(self, model: str, multiplier: Decimal) -> None:
        """What `model` costs is this part of its list price, such as 0.9 with 10 % off."""
        with self._lock:
            self._discounts[model] = multiplier

    def refresh(self, at: datetime) -> None:
        """The reports are as they were at `at`. Until this is called they are up to date."""
        with self._lock:
            self._refreshed_at = at

    def fail(
        self, status: int, message: str | None = None, *, times: int = 1, headers: Mapping[str, str] | None = None
    ) -> None:
        """The next `times` questions get an error; a 429 asks to wait for a second unless `headers` are given."""
        with self._lock:
            self._failures.extend([failure(status, None, message, headers)] * times)

    def next_failure(self) -> Failure | None:
        with self._lock:
            return self._failures.popleft() if self._failures else None

    @property
    def refreshed_at(self) -> datetime:
        with self._lock:
            return self._refreshed_at or datetime.now(UTC)

    def between(self, start: datetime, end: datetime) -> list[Traffic]:
        """What the reports know of this time; half-open."""
        refreshed_at = self.refreshed_at
        with self._lock:
            booked = [*self._traffic, *self._metered()]
        return [one for one in booked if start <= one.at < end and (one.known_at or one.at) <= refreshed_at]

    def parts_of(self, traffic: Sequence[Traffic]) -> list[Part]:
        """What `traffic` costs, added up by kind, in the order of `TOKEN_TYPES`, then by name."""
        sums: dict[str, Decimal] = defaultdict(Decimal)
        amounts: dict[str, Decimal] = defaultdict(Decimal)
        with self._lock:
            for one in traffic:
                multiplier = self._discounts.get(one.model or "", Decimal(1))
                for kind, usd in one.list_usd.items():
                    sums[kind] += usd
                    amounts[kind] += usd * multiplier
        order = [*(kind for kind in TOKEN_TYPES if kind in sums), *sorted(sums.keys() - set(TOKEN_TYPES))]
        return [
            Part(
                cost_type="tokens" if kind in TOKEN_TYPES else kind,
                token_type=kind if kind in TOKEN_TYPES else None,
                list_usd=sums[kind],
                amount_usd=amounts[kind],
            )
            for kind in order
        ]


def used_by(traffic: Iterable[Traffic]) -> dict[str, Any]:
    """What `traffic` used in all, as both families write it."""
    tokens: dict[str, int] = dict.fromkeys(TOKEN_TYPES, 0)
    searches = 0
    for one in traffic:
        searches += one.web_search_requests
        for kind, amount in one.tokens.items():
            tokens[kind] += amount
    split = {kind.partition(".")[2]: tokens.pop(kind) for kind in TOKEN_TYPES if "." in kind}
    return {**tokens, "cache_creation": split, "server_tool_use": {"web_search_requests": searches}}


def cents(usd: Decimal) -> str:
    """An amount as the reports write it: a text in cents, with fractions."""
    return f"{(usd * 100).normalize():f}"


def told(at: datetime) -> str:
    """A time as the reports write it."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
