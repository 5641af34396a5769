"""Users and sessions: who takes how much of it, how many there are, and how one conversation grew."""

from claude_telemetry_collector.queries.users.concentration import TOP, Concentration, concentration
from claude_telemetry_collector.queries.users.one_session import SessionTotals, session_calls, session_totals
from claude_telemetry_collector.queries.users.ranking import Who, number_of, ranking, users_over_time

__all__ = [
    "TOP",
    "Concentration",
    "SessionTotals",
    "Who",
    "concentration",
    "number_of",
    "ranking",
    "session_calls",
    "session_totals",
    "users_over_time",
]
