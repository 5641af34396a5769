"""What goes wrong between an application and Claude: errors, retries, limits, answers that are less than asked for."""

from claude_telemetry_collector.queries.errors.answers import Answers, answers, refusals, truncations
from claude_telemetry_collector.queries.errors.failures import failures, failures_by
from claude_telemetry_collector.queries.errors.kinds import ERROR_KINDS, SIDES, ErrorKind, Side, side_of
from claude_telemetry_collector.queries.errors.limits import Headroom, LimitKind, headroom
from claude_telemetry_collector.queries.errors.retries import RetryCost, retries_by_reason, retry_cost
from claude_telemetry_collector.queries.errors.retry_policy import PolicyCheck, Verdict, retry_policy
from claude_telemetry_collector.queries.errors.tries import NEWEST

__all__ = [
    "ERROR_KINDS",
    "NEWEST",
    "SIDES",
    "Answers",
    "ErrorKind",
    "Headroom",
    "LimitKind",
    "PolicyCheck",
    "RetryCost",
    "Side",
    "Verdict",
    "answers",
    "failures",
    "failures_by",
    "headroom",
    "refusals",
    "retries_by_reason",
    "retry_cost",
    "retry_policy",
    "side_of",
    "truncations",
]
