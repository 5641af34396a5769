"""`claude-telemetry collect`, once its settings are settled."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from claude_telemetry.errors import MissingExtraError, SettingsError
from claude_telemetry.pricing import price_version, use_prices
from claude_telemetry.settings import SETTINGS, Address
from claude_telemetry.shadow import DISTRIBUTION, version
from claude_telemetry_collector.forward.destination import destination_of
from claude_telemetry_collector.running import Running, announce, take_back
from claude_telemetry_collector.service.child import Part
from claude_telemetry_collector.service.guarding import guarding
from claude_telemetry_collector.service.listen import check_loopback, listen
from claude_telemetry_collector.service.locks import sole_collector
from claude_telemetry_collector.service.orders import hand_over
from claude_telemetry_collector.service.supervisor import Supervisor
from claude_telemetry_collector.settings import database_path

_SECRETS = tuple(setting.variable for setting in SETTINGS if setting.secret)
_FOR_FORWARDING = ("CLAUDE_TELEMETRY_FORWARD_HEADERS",)


def collect(settings: Mapping[str, Any]) -> None:
    """Receives and stores until SIGTERM or SIGINT.

    Raises `SettingsError`, `PriceBookError`, `MissingExtraError` and `CollectorError`.
    """
    check_loopback("read", settings["read"])
    folder: Path = settings["data"]
    data = folder.absolute()
    use_prices(settings["prices"])
    guard = guarding(settings)
    grpc = _grpc_address(settings["otlp_grpc"])
    forwards = settings["forward_endpoint"] is not None
    if forwards:
        _check_forwarding(settings)
    with sole_collector(data) as children_lock:
        # Opened here and inherited: a receiver that is restarted finds its port, and senders that come meanwhile wait
        # in the socket's queue and are not turned away.
        listener = listen(settings["otlp_http"])
        address = Address(*listener.getsockname()[:2])
        settled = {
            **settings,
            "data": data,
            "otlp_http": address,
            "otlp_grpc": grpc,
            "tls_cert": guard.tls and guard.tls[0],
            "tls_key": guard.tls and guard.tls[1],
            "require_token": guard.token_required,
        }
        store = Part(
            name="store",
            module="claude_telemetry_collector.service.store_process",
            orders=hand_over(settled, None),
            descriptors=[children_lock],
            # With glibc's eight arenas per core, much of what DuckDB gives back stays with the process.
            environment={"MALLOC_ARENA_MAX": "2"},
            without=_FOR_FORWARDING,
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
        parts = [store, receiver]
        if forwards:
            # Before the receiver, so that it ends after it and forwards what came last.
            forwarder = Part(
                name="forwarder",
                module="claude_telemetry_collector.service.forward_process",
                orders=hand_over(settled, None),
                descriptors=[children_lock],
                without=tuple(name for name in _SECRETS if name not in _FOR_FORWARDING),
                patience_s=5,
            )
            parts = [store, forwarder, receiver]
        also = f" and gRPC on {grpc}" if grpc is not None else ""
        ready = f"collecting on {guard.scheme}://{address}{also}, keeping calls in {database_path(data)}"

        def say_so() -> None:
            running = Running(
                pid=os.getpid(),
                version=version(),
                started_at=datetime.now(UTC).isoformat(timespec="seconds"),
                otlp_http=f"{guard.scheme}://{address}",
                nearby_url=f"{guard.scheme}://{address.nearby}",
                otlp_grpc=None if grpc is None else str(grpc),
                token_required=guard.token_required,
                price_version=price_version(),
            )
            announce(data, running)
            print(ready, flush=True)

        try:
            Supervisor(parts).run(say_so, listener.close)
        finally:
            take_back(data)


def _check_forwarding(settings: Mapping[str, Any]) -> None:
    """Raises `SettingsError` when nothing can be forwarded so, or would come back here."""
    destination = destination_of(settings["forward_endpoint"], settings["forward_headers"])
    own: Address = settings["otlp_http"]
    if destination.port == own.port and Address(destination.host, destination.port).is_loopback:
        raise SettingsError(
            f"--forward-endpoint (CLAUDE_TELEMETRY_FORWARD_ENDPOINT) is {settings['forward_endpoint']!r}, where this "
            "collector itself listens: give another endpoint"
        )


def _grpc_address(address: Address | None) -> Address | None:
    """Where to listen for gRPC, with its port. Only the receiver can open that socket: whether it can is tried here."""
    if address is None:
        return None
    if importlib.util.find_spec("grpc") is None:
        raise MissingExtraError(
            "--otlp-grpc needs the package grpcio, which is not installed: "
            f'run `pip install "{DISTRIBUTION}[collector,grpc]"`'
        )
    with listen(address, "otlp_grpc") as tried:
        return Address(*tried.getsockname()[:2])
