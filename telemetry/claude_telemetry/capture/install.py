"""The two hooks: `request` of the SDK's clients, and `send` of its HTTP library.

Only public names are used: `request` on the classes that define it for `anthropic.Anthropic` and `AsyncAnthropic` (so
it covers every platform's client, every client that exists already, bound methods kept from before, and `client.post`),
and `send` on the client classes that `anthropic.DefaultHttpxClient` derives from. Why this way: `docs/decisions/`.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import json
import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from types import ModuleType
from typing import Any, cast

from claude_telemetry.capture.adopt import AdoptingProcessor
from claude_telemetry.capture.attempts import connection_error_type
from claude_telemetry.capture.body import Watchers, read_stream
from claude_telemetry.capture.operations import operation_of, platform_of, region_of, request_attributes
from claude_telemetry.capture.recording import Question, Recording
from claude_telemetry.capture.usage import error_type_of
from claude_telemetry.emit import Pipeline
from claude_telemetry.guard import guarded
from claude_telemetry.labels import current_labels

RETRY_HEADER = "x-stainless-retry-count"
"""On every request that a call of the SDK sends, and on no other that happens during it (anthropic 0.40 to 2.10)."""

_current: ContextVar[Recording | None] = ContextVar("claude_telemetry_recording", default=None)


class Capture:
    """The hooks, and where what they see goes. One for a process."""

    def __init__(self) -> None:
        self._pipeline: Pipeline | None = None
        self._hooks: list[_Hook] = []
        self._watchers: Watchers | None = None

    @staticmethod
    def adopting(version: str) -> AdoptingProcessor:
        """The processor that a provider needs for the SDK's own spans to be completed."""
        return AdoptingProcessor(_current.get, version)

    def install(self, pipeline: Pipeline) -> None:
        """Puts the hooks in place, or, where they are, sends what they see to `pipeline`.

        Raises `RuntimeError` when the SDK is not as known: see `self_check`.
        """
        problems = self_check()
        if problems:
            raise RuntimeError("; ".join(problems))
        if not self._hooks:
            sync_api, async_api, sync_http, async_http = _hooked_classes()
            self._watchers = Watchers(_library_of(sync_http))
            self._hooks = [
                _Hook(sync_api, "request", self._request),
                _Hook(async_api, "request", self._request_async),
                _Hook(sync_http, "send", self._send),
                _Hook(async_http, "send", self._send_async),
            ]
        self._pipeline = pipeline
        for hook in self._hooks:
            hook.put()

    def uninstall(self) -> None:
        """Takes the hooks away. One that somebody else has patched over since stays, and passes through."""
        self._pipeline = None
        for hook in self._hooks:
            hook.undo()

    # The clients' `request`

    def _request(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def request(client: Any, *args: Any, **kwargs: Any) -> Any:
            if self._pipeline is None:
                return original(client, *args, **kwargs)
            recording = self._begin(client, args, kwargs)
            token = _current.set(recording)
            try:
                result = original(client, *args, **kwargs)
            except BaseException as error:
                _failed(recording, error)
                raise
            finally:
                _no_longer(token)
            _returned(recording)
            return result

        return request

    def _request_async(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        async def request(client: Any, *args: Any, **kwargs: Any) -> Any:
            if self._pipeline is None:
                return await original(client, *args, **kwargs)
            recording = self._begin(client, args, kwargs)
            token = _current.set(recording)
            try:
                result = await original(client, *args, **kwargs)
            except BaseException as error:
                _failed(recording, error)
                raise
            finally:
                _no_longer(token)
            _returned(recording)
            return result

        return request

    def _begin(self, client: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Recording | None:
        with guarded("begin to record a call"):
            options = kwargs["options"] if "options" in kwargs else args[1]
            operation = operation_of(options.method, options.url)
            pipeline = self._pipeline
            if operation is None or pipeline is None:
                return None
            pipeline.prepare()
            asked = _scalars(options.json_data)
            base_url = client.base_url
            question = Question(
                operation=operation,
                platform=platform_of(client.__class__),
                region=region_of(client),
                server_address=base_url.host,
                server_port=base_url.port or (80 if base_url.scheme == "http" else 443),
                model=_typed(asked.get("model"), str),
                max_tokens=_typed(asked.get("max_tokens"), int),
                stream=bool(kwargs.get("stream")),
                labels=_labels(asked),
                request_attributes=request_attributes(asked),
            )
            return Recording(question, pipeline)
        return None

    # The HTTP library's `send`

    def _send(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def send(client: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
            recording = _current.get()
            if recording is None or RETRY_HEADER not in request.headers:
                return original(client, request, *args, **kwargs)
            attempt = _AttemptUnderWay(recording, request)
            try:
                with attempt.span_is_current():
                    response = original(client, request, *args, **kwargs)
            except BaseException as error:
                attempt.failed(error)
                raise
            attempt.answered(response, self._watchers)
            return response

        return send

    def _send_async(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        async def send(client: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
            recording = _current.get()
            if recording is None or RETRY_HEADER not in request.headers:
                return await original(client, request, *args, **kwargs)
            attempt = _AttemptUnderWay(recording, request)
            try:
                with attempt.span_is_current():
                    response = await original(client, request, *args, **kwargs)
            except BaseException as error:
                attempt.failed(error)
                raise
            attempt.answered(response, self._watchers)
            return response

        return send


class _AttemptUnderWay:
    """One pass of `send` within a call. No method raises."""

    __slots__ = ("_recording", "_start_ns")

    def __init__(self, recording: Recording, request: Any) -> None:
        self._recording = recording
        self._start_ns = recording.now_ns()
        with guarded("begin an attempt"):
            recording.sending(request.url, request.method)

    def span_is_current(self) -> Any:
        """Our own span is current while a request is out; the SDK's is so already."""
        span = self._recording.span
        return span.is_current() if span is not None else _nothing

    def failed(self, error: BaseException) -> None:
        with guarded("record an attempt that failed"):
            self._recording.attempt_failed(self._start_ns, error)

    def answered(self, response: Any, watchers: Watchers | None) -> None:
        recording = self._recording
        with guarded("watch a body"):
            # A body is either read by now (`is_closed`), or the application's to read.
            if response.status_code < 400 and not response.is_closed and watchers is not None:
                watchers.watch(response, recording)
        with guarded("record an attempt"):
            body = _json_body(response) if response.is_closed else None
            recording.attempt_answered(self._start_ns, response.status_code, response.headers, body)
            if response.status_code < 400 and response.is_closed:
                read_stream(response, recording)


class _Hook:
    """A method of a class, replaced; and put back as it was."""

    def __init__(self, owner: type, name: str, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        self._owner = owner
        self._name = name
        self._wrap = wrap
        self._original: Callable[..., Any] | None = None
        self._replacement: Callable[..., Any] | None = None

    def put(self) -> None:
        """Replaces the method, unless ours is in place still, under somebody else's."""
        # Somebody who patched before us, and takes their patch away after, takes ours with it.
        if self._original is None or self._owner.__dict__[self._name] is self._original:
            original: Callable[..., Any] = self._owner.__dict__[self._name]
            self._original, self._replacement = original, self._wrap(original)
            setattr(self._owner, self._name, self._replacement)

    def undo(self) -> None:
        """Puts the method back, unless somebody has put theirs on top since: a plain restore would remove it."""
        if self._original is not None and self._owner.__dict__.get(self._name) is self._replacement:
            setattr(self._owner, self._name, self._original)
            self._original = self._replacement = None


class _Nothing:
    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


_nothing = _Nothing()


def self_check() -> list[str]:
    """What of the installed SDK is not as the hooks need it, in sentences. Empty when all is well."""
    try:
        import anthropic
    except ImportError:
        return ["the `anthropic` package is not installed: pip install anthropic"]
    try:
        classes = _hooked_classes()
    except (AttributeError, StopIteration, ImportError) as error:
        return [f"anthropic {anthropic.__version__} has no clients where they are expected ({type(error).__name__})"]
    problems: list[str] = []
    for owner, name, needed in zip(
        classes, ("request", "request", "send", "send"), ({"cast_to", "options"},) * 2 + ({"request"},) * 2, strict=True
    ):
        missing = needed - set(inspect.signature(owner.__dict__[name]).parameters)
        if missing:
            problems.append(
                f"{owner.__module__}.{owner.__qualname__}.{name} takes no {' and no '.join(sorted(missing))}"
            )
    return problems


def _hooked_classes() -> tuple[type, type, type, type]:
    import anthropic

    return (
        _definer(anthropic.Anthropic, "request"),
        _definer(anthropic.AsyncAnthropic, "request"),
        _definer(anthropic.DefaultHttpxClient, "send"),
        _definer(anthropic.DefaultAsyncHttpxClient, "send"),
    )


def _definer(kind: type, name: str) -> type:
    return next(base for base in kind.__mro__ if name in vars(base))


def _library_of(client_class: type) -> ModuleType:
    return sys.modules[client_class.__module__.partition(".")[0]]


def _no_longer(token: Token[Recording | None]) -> None:
    # The garbage collector may close a coroutine that nobody awaits any more, in a context of its own.
    with contextlib.suppress(ValueError):
        _current.reset(token)


def _failed(recording: Recording | None, error: BaseException) -> None:
    if recording is None:
        return
    with guarded("record a call that failed"):
        error_type = _error_type(error)
        if error_type == "cancelled":
            recording.end("cancelled", stream_end="cancelled" if recording.question.stream else None)
        else:
            recording.end("error", error_type)


def _returned(recording: Recording | None) -> None:
    if recording is not None:
        with guarded("end a call"):
            recording.returned()


def _error_type(error: BaseException) -> str:
    """As the SDK's own tracing names it: the API's type, else the status, else what the client met."""
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        kind = getattr(error, "type", None) or error_type_of(getattr(error, "body", None))
        return str(kind) if kind else str(status) if status >= 400 else "client_error"
    return connection_error_type(error)


def _json_body(response: Any) -> Mapping[str, Any] | None:
    if "json" not in response.headers.get("content-type", ""):
        return None
    try:
        decoded: object = json.loads(response.content)
    except ValueError:
        return None
    return cast("Mapping[str, Any]", decoded) if isinstance(decoded, dict) else None


def _scalars(body: object) -> Mapping[str, Any]:
    """The request's body if it is a plain `dict`. Only its scalar values may be looked at: others can be iterators
    that can be read once, by the SDK."""
    return cast("Mapping[str, Any]", body) if isinstance(body, dict) else {}


def _labels(asked: Mapping[str, Any]) -> Mapping[str, str]:
    """The labels that hold; without a user among them, the one that the request names in its `metadata`."""
    labels = current_labels()
    if "user_id" in labels:
        return labels
    metadata = asked.get("metadata")
    user = cast("Mapping[str, Any]", metadata).get("user_id") if isinstance(metadata, dict) else None
    return {**labels, "user_id": user} if isinstance(user, str) and user else labels


def _typed(value: object, kind: type) -> Any:
    return value if isinstance(value, kind) and not isinstance(value, bool) else None
