"""The DuckDB file: who writes it, and how it is asked."""

from claude_telemetry_collector.store.database import close_database, open_database
from claude_telemetry_collector.store.incident_log import IncidentLog
from claude_telemetry_collector.store.landing import Landing, LandingStats
from claude_telemetry_collector.store.reader import Limits, LocalReader, Reader
from claude_telemetry_collector.store.reader_server import About, Job, ReaderServer
from claude_telemetry_collector.store.remote import RemoteReader, Store, connect, publish, withdraw
from claude_telemetry_collector.store.roles import ROLES, Doors, Role, new_doors
from claude_telemetry_collector.store.writer import Landed, Writer

__all__ = [
    "ROLES",
    "About",
    "Doors",
    "IncidentLog",
    "Job",
    "Landed",
    "Landing",
    "LandingStats",
    "Limits",
    "LocalReader",
    "Reader",
    "ReaderServer",
    "RemoteReader",
    "Role",
    "Store",
    "Writer",
    "close_database",
    "connect",
    "new_doors",
    "open_database",
    "publish",
    "withdraw",
]
