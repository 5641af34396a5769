"""Watches a body that the application has yet to read, without changing a byte of it.

The watcher takes the place of `response.stream` and hands on every chunk as it came, when it is asked for. What it
reads along goes to the recording; if reading along fails, it stops, and the application reads on.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from types import ModuleType
from typing import Any

from claude_telemetry.capture.recording import Recording
from claude_telemetry.capture.wire import JsonBody, SseBody, decoder_for
from claude_telemetry.guard import guarded, slipped

_EVENT_STREAM = "text/event-stream"


class BodyReader:
    """Chunks of a body as they came over the wire, to events for the recording."""

    __slots__ = ("_decode", "_parser", "_recording")

    def __init__(self, recording: Recording, content_type: str, encoding: str) -> None:
        """Raises `ValueError` for a content type or an encoding that cannot be read along."""
        self._recording = recording
        self._decode = decoder_for(encoding)
        self._parser = _parser_for(content_type)

    def feed(self, chunk: bytes) -> None:
        for event in self._parser.feed(self._decode(chunk)):
            self._recording.take(event)

    def end(self) -> None:
        """The body is there to its end."""
        for event in self._parser.end():
            self._recording.take(event)


class _Watch:
    """What the watchers of sync and async bodies share. Ends the recording once, whatever happens first."""

    def __init__(self, body: Any, recording: Recording, reader: BodyReader | None) -> None:
        self._body = body
        self._recording = recording
        self._reader = reader

    def __getattr__(self, name: str) -> Any:
        # The HTTP library and the SDK read attributes of the body that they made, such as httpx2's `elapsed`.
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._body, name)

    def __del__(self) -> None:
        # The application may drop a response without closing it.
        self._ended("dropped")

    def _saw(self, chunk: bytes) -> None:
        if self._reader is None:
            return
        try:
            self._reader.feed(chunk)
        except Exception as error:  # noqa: BLE001 - telemetry's own failure: told by `slipped`, reading goes on
            self._reader = None
            slipped("read a body along", error)

    def _read_to_end(self) -> None:
        if self._reader is not None:
            try:
                self._reader.end()
            except Exception as error:  # noqa: BLE001 - as above
                self._reader = None
                slipped("read the end of a body along", error)
        self._ended("read")

    def _ended(self, how: Any, error: BaseException | None = None) -> None:
        with guarded("end a call"):
            self._recording.body_ended(how, error, understood=self._reader is not None)


class _SyncWatch(_Watch):
    def __iter__(self) -> Iterator[bytes]:
        try:
            for chunk in self._body:
                self._saw(chunk)
                yield chunk
        except GeneratorExit:
            raise
        except BaseException as error:
            self._ended("cut" if isinstance(error, Exception) else "cancelled", error)
            raise
        self._read_to_end()

    def close(self) -> None:
        try:
            self._body.close()
        finally:
            self._ended("closed")


class _AsyncWatch(_Watch):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks = self._body.__aiter__()
        try:
            async for chunk in chunks:
                self._saw(chunk)
                yield chunk
        except GeneratorExit:
            raise
        except BaseException as error:
            self._ended("cut" if isinstance(error, Exception) else "cancelled", error)
            raise
        finally:
            # Closes what was read in part in the task that read it; else the event loop does, in a task of its own.
            # Only a generator: any other `aclose` may be the body's own, which is the application's to call.
            if inspect.isasyncgen(chunks):
                await chunks.aclose()
        self._read_to_end()

    async def aclose(self) -> None:
        try:
            await self._body.aclose()
        finally:
            self._ended("closed")


class Watchers:
    """The watcher classes for one HTTP library: `httpx` (anthropic before 1.0) or `httpx2`.

    Its client checks that a body is one of its own stream classes, so the watchers derive from those.
    """

    def __init__(self, http: ModuleType) -> None:
        self._sync_stream: type = http.SyncByteStream
        self._async_stream: type = http.AsyncByteStream
        self._sync = type("SyncBody", (_SyncWatch, self._sync_stream), {})
        self._async = type("AsyncBody", (_AsyncWatch, self._async_stream), {})
        self._both = type("Body", (_SyncWatch, _AsyncWatch, self._sync_stream, self._async_stream), {})

    def watch(self, response: Any, recording: Recording) -> None:
        """Puts a watcher on the body of `response`. From then on the recording ends with the reading of it."""
        body = response.stream
        is_sync, is_async = isinstance(body, self._sync_stream), isinstance(body, self._async_stream)
        kind = self._both if is_sync and is_async else self._sync if is_sync else self._async
        make: Callable[..., Any] = kind
        reader = None
        with guarded("choose how to read a body along"):
            headers = response.headers
            reader = BodyReader(recording, headers.get("content-type", ""), headers.get("content-encoding", ""))
        response.stream = make(body, recording, reader)
        recording.body_unread = True


def read_stream(response: Any, recording: Recording) -> None:
    """Takes in an event stream that somebody has read to its end already, such as an event hook of the application."""
    if _media_type(response.headers.get("content-type", "")) != _EVENT_STREAM:
        return
    for event in SseBody().feed(response.content):
        recording.take(event)
    recording.body_ended("read")


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _parser_for(content_type: str) -> SseBody | JsonBody:
    media_type = _media_type(content_type)
    if media_type == _EVENT_STREAM:
        return SseBody()
    if media_type == "application/json" or media_type.endswith("+json"):
        return JsonBody()
    raise ValueError("the body is neither JSON nor an event stream")
