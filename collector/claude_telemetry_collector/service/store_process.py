"""The process that holds the database: lands what was received, answers questions, watches the rules."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

from claude_telemetry.pricing import use_prices
from claude_telemetry_collector.alerts import Watch, default_rules
from claude_telemetry_collector.alerts.notify.slack import SlackNotifier
from claude_telemetry_collector.reconcile import BilledJob
from claude_telemetry_collector.reprice import OwnPrices, Repricing
from claude_telemetry_collector.service.orders import Orders, carry_out
from claude_telemetry_collector.settings import database_path, segments_folder
from claude_telemetry_collector.store import (
    IncidentLog,
    Job,
    LocalReader,
    ReaderServer,
    close_database,
    open_database,
    publish,
    withdraw,
)
from claude_telemetry_collector.store.billed import BilledLog
from claude_telemetry_collector.store.landing import Landing

_REST_S = 3.0
"""How long a stop goes on landing. What is left then is landed at the next start."""


def keep(orders: Orders) -> None:
    """Does its work until it is told to stop; then lands what is there and closes the database."""
    settings = orders.settings
    data: Path = settings["data"]
    use_prices(settings["prices"])
    rules = default_rules(settings)
    notifiers = _notifiers(settings)
    connection = open_database(database_path(data), memory_limit=settings["memory_limit"])
    incidents = IncidentLog(connection)
    watch = Watch(LocalReader(connection), incidents, rules, notifiers, settings["alert_interval"])
    token = secrets.token_urlsafe(32)
    server = ReaderServer(connection, settings["read"], token, jobs=_jobs(connection, settings))
    try:
        server.start()
        publish(data, server.url, token)
        watch.start()
        orders.ready()
        Landing(connection, segments_folder(data)).run(orders.stopping)
        _land_the_rest(connection, segments_folder(data))
    finally:
        withdraw(data)
        watch.stop()
        server.stop()
        incidents.close()
        close_database(connection)


def _jobs(connection: duckdb.DuckDBPyConnection, settings: Mapping[str, Any]) -> dict[str, Job]:
    return {
        "billed": BilledJob(BilledLog(connection)),
        "own_prices": OwnPrices(settings["prices"]),
        "reprice": Repricing(connection, settings["prices"]).do,
    }


def _land_the_rest(connection: duckdb.DuckDBPyConnection, segments: Path) -> None:
    landing = Landing(connection, segments)
    deadline = time.monotonic() + _REST_S
    while landing.land_waiting() and time.monotonic() < deadline:
        pass


def _notifiers(settings: Mapping[str, Any]) -> list[SlackNotifier]:
    webhook_url: str | None = settings["slack_webhook_url"]
    if webhook_url is None:
        return []
    return [SlackNotifier(webhook_url, dashboard_url=settings["dashboard_url"])]


if __name__ == "__main__":
    sys.exit(carry_out("store", keep))
