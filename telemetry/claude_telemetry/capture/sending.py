"""The hook on `send` of the SDK's HTTP library: each attempt of a call, and the body of its answer."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from typing import Any, cast

from claude_telemetry.capture.body import Watchers, read_stream
from claude_telemetry.capture.recording import Recording, current_recording
from claude_telemetry.capture.sdk import RETRY_HEADER
from claude_telemetry.guard import guarded
from claude_telemetry.labels import Kept, handed_on, keep_from_anthropic


class Sending:
    """Wraps `send`."""

    def __init__(self, watchers: Watchers) -> None:
        self._watchers = watchers

    def wrap(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def send(client: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
            recording = current_recording.get()
            kept = _keep_baggage(request) if handed_on() else None
            if recording is None or RETRY_HEADER not in request.headers:
                try:
                    return original(client, request, *args, **kwargs)
                finally:
                    _over(kept)
            start_ns = _begin(recording, request)
            span = recording.span
            token = span.make_current() if span is not None and span.own else None
            try:
                response = original(client, request, *args, **kwargs)
            except BaseException as error:
                _failed(recording, start_ns, error)
                raise
            finally:
                if token is not None and span is not None:
                    span.no_longer(token)
                _over(kept)
            self._answered(recording, start_ns, response)
            return response

        return send

    def wrap_async(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        async def send(client: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
            recording = current_recording.get()
            kept = _keep_baggage(request) if handed_on() else None
            if recording is None or RETRY_HEADER not in request.headers:
                try:
                    return await original(client, request, *args, **kwargs)
                finally:
                    _over(kept)
            start_ns = _begin(recording, request)
            span = recording.span
            token = span.make_current() if span is not None and span.own else None
            try:
                response = await original(client, request, *args, **kwargs)
            except BaseException as error:
                _failed(recording, start_ns, error)
                raise
            finally:
                if token is not None and span is not None:
                    span.no_longer(token)
                _over(kept)
            self._answered(recording, start_ns, response)
            return response

        return send

    def _answered(self, recording: Recording, start_ns: int, response: Any) -> None:
        # A body is either read by now (`is_closed`), or the application's to read.
        status, read = response.status_code, response.is_closed
        if not read and status < 400:
            with guarded("watch a body"):
                self._watchers.watch(response, recording)
        with guarded("record an attempt"):
            body = _json_body(response) if read else None
            recording.attempt_answered(start_ns, status, response.headers.raw, body)
            if status < 400 and read and body is None:
                read_stream(response, recording)


def _keep_baggage(request: Any) -> Kept | None:
    """Keeps labels that are handed on as baggage from Anthropic, for as long as a request of the SDK is out."""
    with guarded("keep labels from Anthropic"):
        if RETRY_HEADER in request.headers:
            return keep_from_anthropic(request.headers)
    return None


def _over(kept: Kept | None) -> None:
    if kept is not None:
        with guarded("hand labels on again"):
            kept.over()


def _begin(recording: Recording, request: Any) -> int:
    """When the attempt began, in nanoseconds since the epoch."""
    with guarded("begin an attempt"):
        recording.sending(request.url)
    return recording.now_ns()


def _failed(recording: Recording, start_ns: int, error: BaseException) -> None:
    with guarded("record an attempt that failed"):
        recording.attempt_failed(start_ns, error)


def _json_body(response: Any) -> Mapping[str, Any] | None:
    if "json" not in response.headers.get("content-type", ""):
        return None
    try:
        decoded: object = json.loads(response.content)
    except ValueError:
        return None
    return cast("Mapping[str, Any]", decoded) if isinstance(decoded, dict) else None
