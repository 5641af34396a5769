"""The hook on `request` of the SDK's clients: a call begins there, and ends there or with the reading of its answer."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping
from typing import Any

from claude_telemetry.capture.attempts import connection_error_type
from claude_telemetry.capture.operations import operation_of
from claude_telemetry.capture.policies import Policies
from claude_telemetry.capture.question import Question
from claude_telemetry.capture.recording import Recording, current_recording
from claude_telemetry.capture.spliced import Splices
from claude_telemetry.capture.usage import error_type_of
from claude_telemetry.emit import Pipeline
from claude_telemetry.guard import guarded


class Requesting:
    """Wraps `request`."""

    def __init__(self, splices: Splices) -> None:
        self.pipeline: Pipeline | None = None
        """Where calls go. `None`: they are not recorded."""
        self.policies = Policies()
        self._splices = splices

    def wrap(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def request(client: Any, *args: Any, **kwargs: Any) -> Any:
            pipeline = self.pipeline
            if pipeline is None:
                return original(client, *args, **kwargs)
            recording: Recording | None = None
            with guarded("begin to record a call"):
                recording = self._begin(pipeline, client, args, kwargs)
            token = current_recording.set(recording)
            try:
                result = original(client, *args, **kwargs)
            except BaseException as error:
                if recording is not None:
                    with guarded("record a call that failed"):
                        _failed(recording, error)
                raise
            finally:
                # The garbage collector may close a coroutine that nobody awaits any more, in a context of its own.
                with contextlib.suppress(ValueError):
                    current_recording.reset(token)
            if recording is not None:
                with guarded("end a call"):
                    self._returned(recording, result)
            return result

        return request

    def wrap_async(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        async def request(client: Any, *args: Any, **kwargs: Any) -> Any:
            pipeline = self.pipeline
            if pipeline is None:
                return await original(client, *args, **kwargs)
            recording: Recording | None = None
            with guarded("begin to record a call"):
                recording = self._begin(pipeline, client, args, kwargs)
            token = current_recording.set(recording)
            try:
                result = await original(client, *args, **kwargs)
            except BaseException as error:
                if recording is not None:
                    with guarded("record a call that failed"):
                        _failed(recording, error)
                raise
            finally:
                # The garbage collector may close a coroutine that nobody awaits any more, in a context of its own.
                with contextlib.suppress(ValueError):
                    current_recording.reset(token)
            if recording is not None:
                with guarded("end a call"):
                    self._returned(recording, result)
            return result

        return request

    def _begin(
        self, pipeline: Pipeline, client: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Recording | None:
        options = kwargs["options"] if "options" in kwargs else args[1]
        operation = operation_of(options.method, options.url)
        if operation is None:
            return None
        with guarded("find the application's tracing"):
            pipeline.prepare()
        question = Question.of(client, options, operation, stream=bool(kwargs.get("stream")))
        fingerprinter, content = self.policies.fingerprinter, self.policies.content
        if fingerprinter is not None and operation.billed:
            with guarded("fingerprint a prompt"):
                question.take_fingerprint(fingerprinter, options.json_data)
        recording = Recording(question, pipeline)
        if content is not None and operation.billed:
            with guarded("record the content of a question"):
                recording.take_content(content, options.json_data)
        return recording

    def _returned(self, recording: Recording, result: Any) -> None:
        with guarded("look for a stream that a middleware made"):
            if recording.question.stream and self._splices.look_at(result, recording):
                return
        recording.returned()


def _failed(recording: Recording, error: BaseException) -> None:
    error_type = "client_error"
    with guarded("tell what a call met"):
        error_type = _error_type(error)
    if error_type == "cancelled":
        recording.end("cancelled", stream_end="cancelled" if recording.question.stream else None)
    else:
        recording.end("error", error_type)


def _error_type(error: BaseException) -> str:
    """As the SDK's own tracing names it: the API's type, else the status, else what the client met."""
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        kind = getattr(error, "type", None) or error_type_of(getattr(error, "body", None))
        return str(kind) if kind else str(status) if status >= 400 else "client_error"
    return connection_error_type(error)
