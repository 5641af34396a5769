"""`instrument()`: reads settings, builds the pipeline, installs capture; and the way back.

Imports what it needs when it is called: `import claude_telemetry` costs an application about a millisecond.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from claude_telemetry.errors import PriceBookError, SettingsError
from claude_telemetry.guard import slipped
from claude_telemetry.settings import settle

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from claude_telemetry.capture import Capture
    from claude_telemetry.emit import Pipeline

log = logging.getLogger("claude_telemetry")


def instrument(
    *,
    service: str | None = None,
    environment: str | None = None,
    export: bool | None = None,
    endpoint: str | None = None,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    capture_content: bool | str | None = None,
    redact: Callable[[str, str], str | None] | None = None,
    queue: int | None = None,
    flush_interval: float | None = None,
    prices: str | Path | None = None,
    config: str | Path | None = None,
) -> None:
    """Records every Claude call of this process from now on: also of clients that exist already.

    `service` and `environment` name the application; by default what OpenTelemetry's `OTEL_SERVICE_NAME` and
    `OTEL_RESOURCE_ATTRIBUTES` say. `export=False` only completes the spans that the application exports itself.
    `endpoint` is a collector's address. `tracer_provider` is where spans are made, and `meter_provider` where metrics
    are, by default the global ones if the application has them. `capture_content` puts prompts and answers on the
    application's own spans, after `redact(text, where)` gave what may be seen of each text, or `None` for nothing of
    it: see `docs/privacy.md`. `queue` calls may wait for delivery in memory; `flush_interval` is in seconds. `prices`
    is a file of your own prices and discounts: see `docs/pricing.md`; `config` a file of settings: see
    `docs/deploying.md`. Calling it again replaces what was said before.

    Never raises: a setting that cannot be used, or an SDK that is not as known, is logged as a warning that says what
    to do, and calls then go unrecorded. Telemetry does not keep an application from starting.
    """
    try:
        given = {
            "service": service,
            "environment": environment,
            "export": export,
            "endpoint": endpoint,
            "capture_content": capture_content,
            "queue": queue,
            "flush_interval": flush_interval,
            "prices": None if prices is None else Path(prices).expanduser(),
            "config": None if config is None else Path(config).expanduser(),
        }
        settings = settle("instrument", given)
        _warn_of_shadow()
        with _lock:
            _state.begin(
                Setup(
                    tracer_provider=tracer_provider,
                    meter_provider=meter_provider,
                    redact=redact,
                    settings=settings,
                )
            )
    except SettingsError as error:
        log.warning("Claude calls are not recorded: %s", error)
    except Exception as error:  # noqa: BLE001 - the application starts without telemetry rather than not at all
        slipped("instrument the SDK", error)


def uninstrument() -> None:
    """Stops recording, and delivers what waits, for 3 seconds at most. Calls that run on are told on the application's
    spans to their end, and not delivered."""
    with _lock:
        _state.finish()


def flush(timeout_s: float = 5.0) -> bool:
    """Waits until every ended call is delivered. `False` when that takes longer than `timeout_s` seconds, or when some
    were refused for good or found no room since the last time. What waits on disk after a `False` is not lost: it is
    delivered when the collector is back, by this process or another, or picked up by the collector itself."""
    pipeline = _state.pipeline
    return pipeline.flush(timeout_s) if pipeline is not None else True


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What `instrument` was told, and the settings."""

    tracer_provider: TracerProvider | None
    meter_provider: MeterProvider | None
    redact: Callable[[str, str], str | None] | None
    settings: Mapping[str, Any]


class _State:
    """What `instrument` has set up in this process."""

    def __init__(self) -> None:
        self.pipeline: Pipeline | None = None
        self._capture: Capture | None = None
        self._at_exit = False

    def begin(self, setup: Setup) -> None:
        if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
            log.info("Claude calls are not recorded: OTEL_SDK_DISABLED is true")
            return
        from claude_telemetry.bridges import lay_bridges
        from claude_telemetry.capture import Capture, Policies, self_check
        from claude_telemetry.emit import Pipeline
        from claude_telemetry.labels import allow_baggage
        from claude_telemetry.shadow import version

        problems = self_check()
        if problems:
            log.warning(
                "this version of the SDK is not known, so only the spans that it makes itself are completed: %s",
                "; ".join(problems),
            )
        known_as, settings = version(), setup.settings
        _use_prices(settings["prices"])
        pipeline = Pipeline(
            version=known_as,
            adopting=Capture.adopting(known_as, labels_only=bool(problems)),
            tracer_provider=setup.tracer_provider,
            meter_provider=setup.meter_provider,
            settings=settings,
            former=self.pipeline,
        )
        allow_baggage(settings["baggage"])
        former, self.pipeline = self.pipeline, pipeline
        self._capture = self._capture or Capture()
        if problems:
            pipeline.prepare()
        else:
            self._capture.install(pipeline, Policies.of(settings, setup.redact))
        if former is not None and former.delivery is not pipeline.delivery:
            former.stop()
        lay_bridges()
        if not self._at_exit:
            atexit.register(_leave)
            self._at_exit = True

    def finish(self) -> None:
        if self._capture is not None:
            from claude_telemetry.bridges import take_up_bridges

            self._capture.uninstall()
            take_up_bridges()
        if self.pipeline is not None:
            self.pipeline.stop()
            self.pipeline = None


_lock = threading.Lock()
_state = _State()


def _leave() -> None:
    try:
        pipeline = _state.pipeline
        if pipeline is None or pipeline.stop() or pipeline.delivery is None:
            return
        counts = pipeline.delivery.counts()
        if counts.spooled:
            log.warning("%d Claude calls wait on disk until a collector is there", counts.spooled)
        if counts.waiting or counts.dropped or counts.refused:
            log.warning(
                "Claude calls are lost: %d could not be delivered before the process ended, %d found no room, and %d "
                "were refused for good",
                counts.waiting,
                counts.dropped,
                counts.refused,
            )
    except Exception as error:  # noqa: BLE001 - the application is leaving, and must be able to
        slipped("deliver calls at exit", error)


def _use_prices(path: Path | None) -> None:
    """A call that is recorded at list prices can be priced again, one that is not recorded is lost."""
    from claude_telemetry.pricing import use_prices

    try:
        use_prices(path)
    except PriceBookError as error:
        use_prices(None)
        log.warning("your own prices are not used, and Claude calls are recorded at list prices: %s", error)


def _warn_of_shadow() -> None:
    from claude_telemetry.shadow import shadow_problem

    problem = shadow_problem()
    if problem is not None:
        log.warning("%s", problem)
