"""The hook on `send` of the SDK's HTTP library: each attempt of a call, and the body of its answer."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from typing import Any, cast

from opentelemetry.context import detach

from claude_telemetry.capture.body import Watchers, read_stream
from claude_telemetry.capture.recording import Recording, current_recording
from claude_telemetry.capture.sdk import RETRY_HEADER
from claude_telemetry.guard import guarded, slipped
from claude_telemetry.labels import Kept, handed_on, keep_from_anthropic


class Sending:
    """Wraps `send`."""

    def __init__(self, watchers: Watchers) -> None:
        self._watchers = watchers

    def wrap(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def send(client: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                sending = self._begin(request)
            except Exception as error:  # noqa: BLE001 - as `guarded`, without its price on every request of the process
                sending = None
                slipped("begin an attempt", error)
            if sending is None:
                return original(client, request, *args, **kwargs)
            try:
                response = original(client, request, *args, **kwargs)
            except BaseException as error:
                with guarded("record an attempt that failed"):
                    sending.failed(error)
                raise
            finally:
                if sending.current is not None:
                    detach(sending.current)
                with guarded("end an attempt"):
                    sending.over()
            with guarded("record an attempt"):
                sending.answered(response)
            return response

        return send

    def wrap_async(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        async def send(client: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                sending = self._begin(request)
            except Exception as error:  # noqa: BLE001 - as above
                sending = None
                slipped("begin an attempt", error)
            if sending is None:
                return await original(client, request, *args, **kwargs)
            try:
                response = await original(client, request, *args, **kwargs)
            except BaseException as error:
                with guarded("record an attempt that failed"):
                    sending.failed(error)
                raise
            finally:
                if sending.current is not None:
                    detach(sending.current)
                with guarded("end an attempt"):
                    sending.over()
            with guarded("record an attempt"):
                sending.answered(response)
            return response

        return send

    def _begin(self, request: Any) -> _Attempt | None:
        """`None` for what is no request of the SDK, or none to do anything about."""
        recording = current_recording.get()
        if recording is None and not handed_on():
            return None
        return _Attempt(self._watchers, recording, request) if RETRY_HEADER in request.headers else None


class _Attempt:
    """A request of the SDK on its way."""

    __slots__ = ("_kept", "_recording", "_start_ns", "_watchers", "current")

    def __init__(self, watchers: Watchers, recording: Recording | None, request: Any) -> None:
        self._watchers = watchers
        self._recording = recording
        self._kept: Kept | None = None
        """Labels that are handed on as baggage, for as long as Anthropic could see them."""
        self.current: Any = None
        """What OpenTelemetry's `detach` takes, so that what was current before our span is so again."""
        with guarded("keep labels from Anthropic"):
            self._kept = keep_from_anthropic(request.headers) if handed_on() else None
        if recording is None:
            return
        self._start_ns = recording.start_ns
        with guarded("begin an attempt"):
            recording.sending(request.url)
            self._start_ns = recording.now_ns()
            span = recording.span
            if span is not None and span.own:
                self.current = span.make_current()

    def failed(self, error: BaseException) -> None:
        if self._recording is not None:
            self._recording.attempt_failed(self._start_ns, error)

    def over(self) -> None:
        if self._kept is not None:
            self._kept.over()

    def answered(self, response: Any) -> None:
        recording = self._recording
        if recording is None:
            return
        # A body is either read by now (`is_closed`), or the application's to read.
        status, read = response.status_code, response.is_closed
        if not read and status < 400:
            with guarded("watch a body"):
                self._watchers.watch(response, recording)
        body = _json_body(response) if read else None
        recording.attempt_answered(self._start_ns, status, response.headers.raw, body)
        if status < 400 and read and body is None:
            read_stream(response, recording)


def _json_body(response: Any) -> Mapping[str, Any] | None:
    if "json" not in response.headers.get("content-type", ""):
        return None
    try:
        decoded: object = json.loads(response.content)
    except ValueError:
        return None
    return cast("Mapping[str, Any]", decoded) if isinstance(decoded, dict) else None
