"""`instrument()`: reads settings, builds the pipeline, installs capture; and the way back.

Imports what it needs when it is called: `import claude_telemetry` costs an application about a millisecond.
"""

from __future__ import annotations

import atexit
import logging
import threading
from typing import TYPE_CHECKING

from claude_telemetry.errors import SettingsError
from claude_telemetry.guard import slipped
from claude_telemetry.settings import settle

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

    from claude_telemetry.capture import Capture
    from claude_telemetry.emit import Pipeline

log = logging.getLogger("claude_telemetry")


def instrument(
    *,
    service: str | None = None,
    environment: str | None = None,
    export: bool = True,
    endpoint: str | None = None,
    tracer_provider: TracerProvider | None = None,
    queue: int | None = None,
    flush_interval: float | None = None,
) -> None:
    """Records every Claude call of this process from now on: also of clients that exist already.

    `service` and `environment` name the application; by default what OpenTelemetry's `OTEL_SERVICE_NAME` and
    `OTEL_RESOURCE_ATTRIBUTES` say. `export=False` only completes the spans that the application exports itself.
    `endpoint` is a collector's address. `tracer_provider` is where spans are made, by default the global one if the
    application has one. `queue` spans may wait for delivery; `flush_interval` is in seconds. Calling it again replaces
    what was said before.

    Never raises: a setting that cannot be used, or an SDK that is not as known, is logged as a warning that says what
    to do, and calls then go unrecorded. Telemetry does not keep an application from starting.
    """
    try:
        settings = settle("instrument", {"endpoint": endpoint, "queue": queue, "flush_interval": flush_interval})
        _warn_of_shadow()
        with _lock:
            _state.begin(
                tracer_provider=tracer_provider,
                service=service,
                environment=environment,
                export=export,
                endpoint=settings["endpoint"],
                queue=settings["queue"],
                flush_interval=settings["flush_interval"],
            )
    except SettingsError as error:
        log.warning("Claude calls are not recorded: %s", error)
    except Exception as error:  # noqa: BLE001 - the application starts without telemetry rather than not at all
        slipped("instrument the SDK", error)


def uninstrument() -> None:
    """Stops recording, and delivers what waits, for 3 seconds at most. Calls that run on are not recorded further."""
    with _lock:
        _state.finish()


def flush(timeout_s: float = 5.0) -> bool:
    """Waits until every ended call is delivered. `False` when that takes longer than `timeout_s` seconds, or when the
    receiver refused some of them for good."""
    pipeline = _state.pipeline
    return pipeline.flush(timeout_s) if pipeline is not None else True


class _State:
    """What `instrument` has set up in this process."""

    def __init__(self) -> None:
        self.pipeline: Pipeline | None = None
        self._capture: Capture | None = None
        self._at_exit = False

    def begin(
        self,
        *,
        tracer_provider: TracerProvider | None,
        service: str | None,
        environment: str | None,
        export: bool,
        endpoint: str | None,
        queue: int,
        flush_interval: float,
    ) -> None:
        from claude_telemetry.capture import Capture, self_check
        from claude_telemetry.emit import Pipeline
        from claude_telemetry.shadow import version

        problems = self_check()
        if problems:
            log.warning("Claude calls are not recorded: %s", "; ".join(problems))
            return
        known_as = version()
        pipeline = Pipeline(
            version=known_as,
            adopting=Capture.adopting(known_as),
            tracer_provider=tracer_provider,
            service=service,
            environment=environment,
            export=export,
            endpoint=endpoint,
            queue=queue,
            flush_interval=flush_interval,
            former=self.pipeline,
        )
        former, self.pipeline = self.pipeline, pipeline
        self._capture = self._capture or Capture()
        self._capture.install(pipeline)
        if former is not None and former.delivery is not pipeline.delivery:
            former.stop()
        if not self._at_exit:
            atexit.register(_leave)
            self._at_exit = True

    def finish(self) -> None:
        if self._capture is not None:
            self._capture.uninstall()
        if self.pipeline is not None:
            self.pipeline.stop()
            self.pipeline = None


_lock = threading.Lock()
_state = _State()


def _leave() -> None:
    try:
        if _state.pipeline is not None and not _state.pipeline.stop():
            log.warning("some Claude calls could not be delivered before the process ended")
    except Exception as error:  # noqa: BLE001 - the application is leaving, and must be able to
        slipped("deliver calls at exit", error)


def _warn_of_shadow() -> None:
    from claude_telemetry.shadow import shadow_problem

    problem = shadow_problem()
    if problem is not None:
        log.warning("%s", problem)
