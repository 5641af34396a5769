"""`claude-telemetry collect`, once its settings are settled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from claude_telemetry.settings import SETTINGS, Address
from claude_telemetry_collector.service.child import Part
from claude_telemetry_collector.service.listen import listen, loopback_host
from claude_telemetry_collector.service.locks import sole_collector
from claude_telemetry_collector.service.orders import hand_over
from claude_telemetry_collector.service.supervisor import Supervisor
from claude_telemetry_collector.settings import database_path

_SECRETS = tuple(setting.variable for setting in SETTINGS if setting.secret)


def collect(settings: Mapping[str, Any]) -> None:
    """Receives and stores until SIGTERM or SIGINT. Raises `SettingsError` and `CollectorError`."""
    loopback_host("read", settings["read"])
    folder: Path = settings["data"]
    data = folder.absolute()
    with sole_collector(data) as children_lock:
        # Opened here and inherited: a receiver that is restarted finds its port, and senders that come meanwhile wait
        # in the socket's queue and are not turned away.
        listener = listen(settings["otlp_http"])
        address = Address(*listener.getsockname()[:2])
        settled = {**settings, "data": data, "otlp_http": address}
        store = Part(
            name="store",
            module="claude_telemetry_collector.service.store_process",
            orders=hand_over(settled, None),
            descriptors=[children_lock],
            # With glibc's eight arenas per core, much of what DuckDB gives back stays with the process.
            environment={"MALLOC_ARENA_MAX": "2"},
            patience_s=15,
        )
        receiver = Part(
            name="receiver",
            module="claude_telemetry_collector.service.receiver_process",
            orders=hand_over(settled, listener.fileno()),
            descriptors=[children_lock, listener.fileno()],
            without=_SECRETS,
            patience_s=8,
        )
        ready = f"collecting on http://{address}, keeping calls in {database_path(data)}"
        Supervisor([store, receiver]).run(lambda: print(ready, flush=True), listener.close)
