"""The desk of the reports: who may ask, how often, and which report it is."""

from __future__ import annotations

import threading
import time
from typing import Any

from claude_telemetry.fake import admin_report, analytics_report
from claude_telemetry.fake.api import Api
from claude_telemetry.fake.billing import Billing
from claude_telemetry.fake.loopback import Exchange
from claude_telemetry.fake.report_query import RefusedError, refused
from claude_telemetry.fake.steps import failure

PATH = "/v1/organizations/"

ADMIN_KEY = "sk-ant-admin01-"
"""How an Admin key begins. The key of a workspace begins otherwise, and gets no report."""

_ANALYTICS = PATH + "analytics/"
_USAGE = PATH + "usage_report/messages"
_COST = PATH + "cost_report"


class Reports:
    """Answers as the API does. Thread-safe."""

    def __init__(self, billing: Billing, api: Api) -> None:
        self._billing = billing
        self._api = api
        self._lock = threading.Lock()
        self._asked: dict[str, float] = {}

    def take(self, exchange: Exchange, path: str, query: str) -> None:
        """Answers a request whose path begins with `PATH`."""
        try:
            body = self._answer(exchange, path, query)
        except RefusedError as error:
            return self._api.fail(exchange, path, error.failure)
        return self._api.tell(exchange, path, body)

    def _answer(self, exchange: Exchange, path: str, query: str) -> dict[str, Any]:
        self._admit(exchange, path)
        self._hold_off(path, query)
        betas = exchange.headers.get("anthropic-beta") or ""
        if path.startswith(_ANALYTICS):
            if analytics_report.BETA not in betas:
                raise refused(f"this endpoint requires the anthropic-beta header {analytics_report.BETA}")
            return analytics_report.answer(self._billing, "cost" if path.endswith("cost") else "usage", query)
        if path == _COST:
            return admin_report.costs(self._billing, query)
        return admin_report.usage(self._billing, query, betas)

    def _admit(self, exchange: Exchange, path: str) -> None:
        # Newer SDKs send a key as a bearer, older ones as x-api-key.
        bearer = (exchange.headers.get("authorization") or "").removeprefix("Bearer ")
        if not (exchange.headers.get("x-api-key") or bearer).startswith(ADMIN_KEY):
            raise RefusedError(failure(401, message="invalid x-api-key"))
        if not self._billing.permitted:
            raise RefusedError(failure(403, message="This API key is not permitted to read usage and cost."))
        newer = path in (_ANALYTICS + "usage", _ANALYTICS + "cost") and self._billing.analytics
        if not newer and not (path in (_USAGE, _COST) and self._billing.admin):
            raise RefusedError(failure(404, message="Not Found"))
        if exchange.command != "GET":
            raise RefusedError(failure(405, message="Method Not Allowed"))
        told_to_fail = self._billing.next_failure()
        if told_to_fail is not None:
            raise RefusedError(told_to_fail)

    def _hold_off(self, path: str, query: str) -> None:
        """Turns a question away that was asked a moment ago. Each page is a question of its own."""
        now, question = time.monotonic(), f"{path}?{query}"
        with self._lock:
            left_s = self._asked.get(question, float("-inf")) + self._billing.poll_gap_s - now
            if left_s > 0:
                raise RefusedError(failure(429, headers={"retry-after": f"{left_s:.3f}"}))
            self._asked[question] = now
