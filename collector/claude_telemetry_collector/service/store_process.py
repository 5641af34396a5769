"""The process that holds the database: lands what was received, answers questions, watches the rules."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import duckdb

from claude_telemetry.pricing import use_prices
from claude_telemetry.settings import SETTINGS
from claude_telemetry_collector.alerts import Watch, default_rules
from claude_telemetry_collector.alerts.notify.slack import SlackNotifier
from claude_telemetry_collector.queries.metrics.rolled import SHAPE
from claude_telemetry_collector.reconcile import BilledJob
from claude_telemetry_collector.reprice import OwnPrices, Repricing
from claude_telemetry_collector.service.orders import PART, Orders, carry_out
from claude_telemetry_collector.settings import database_path, segments_folder
from claude_telemetry_collector.store import (
    IncidentLog,
    Job,
    LocalReader,
    ReaderServer,
    close_database,
    new_doors,
    open_database,
    publish,
    withdraw,
)
from claude_telemetry_collector.store.billed import BilledLog
from claude_telemetry_collector.store.landing import Landing
from claude_telemetry_collector.store.rolling import Rolling
from claude_telemetry_collector.store.ticks import TickLog

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
    rolling = Rolling(connection, SHAPE)
    incidents = IncidentLog(connection)
    watch = Watch(LocalReader(connection), incidents, rules, notifiers, settings["alert_interval"])
    token = secrets.token_urlsafe(32)
    # What a secret says is for nobody, and whether it is set only its own process knows.
    shown = {one.name: one.shown(settings[one.name]) for one in SETTINGS if PART in one.parts and not one.secret}
    doors = new_doors(data)
    landing = Landing(connection, segments_folder(data))
    server = ReaderServer(
        connection,
        settings["read"],
        token,
        doors=doors,
        jobs=_jobs(connection, settings),
        about=lambda: {"landing": asdict(landing.stats()), "settings": shown},
    )
    try:
        server.start()
        publish(data, server.url, token, doors.tokens)
        watch.start()
        rolling.start()
        orders.ready()
        landing.run(orders.stopping)
        _land_the_rest(connection, segments_folder(data))
    finally:
        withdraw(data)
        watch.stop()
        rolling.stop()
        server.stop()
        incidents.close()
        close_database(connection)


def _jobs(connection: duckdb.DuckDBPyConnection, settings: Mapping[str, Any]) -> dict[str, Job]:
    return {
        "billed": BilledJob(BilledLog(connection)),
        "own_prices": OwnPrices(settings["prices"]),
        "reprice": Repricing(connection, settings["prices"]).do,
        "tick": TickLog(connection),
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
