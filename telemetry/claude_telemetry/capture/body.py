"""Watches a body that the application has yet to read, without changing a byte of it.

The watcher takes the place of `response.stream` and hands on every chunk as it came, when it is asked for. What it
reads along goes to the recording; if reading along fails, it stops, and the application reads on.
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from types import ModuleType
from typing import Any

from claude_telemetry.capture.recording import Recording
from claude_telemetry.capture.stand_in import AsyncStandIn, StandIn, SyncStandIn
from claude_telemetry.capture.wire import BodyParser, SseBody, decoder_for, parser_for
from claude_telemetry.capture.wire.sse import CONTENT_BLOCK_DELTA, DELTA_START, EVENT_END, ONE_DELTA
from claude_telemetry.guard import guarded, slipped
from claude_telemetry.record.call import StreamEnd

_EVENT_STREAM = "text/event-stream"


class BodyReader:
    """Chunks of a body as they came over the wire, to events for the recording."""

    __slots__ = ("_decode", "_parser", "_piece_told", "_recording", "_skims")

    def __init__(self, recording: Recording, content_type: str, encoding: str) -> None:
        """Raises `ValueError` for a content type or an encoding that cannot be read along."""
        self._recording = recording
        self._decode = decoder_for(encoding) if encoding and encoding != "identity" else None
        self._parser: BodyParser = parser_for(content_type, deltas=recording.wants_content)
        self._piece_told = False
        self._skims = self._decode is None and not recording.wants_content

    def feed(self, chunk: bytes) -> bool:
        """Reads `chunk` along. Whether those that follow and are one piece of content each can be left out: they are
        most of a stream, and only the first is of interest."""
        decode = self._decode
        events = self._parser.feed(chunk if decode is None else decode(chunk))
        if events is ONE_DELTA and self._piece_told:
            return self._skims
        recording = self._recording
        for event in events:
            if event is CONTENT_BLOCK_DELTA or event.get("type") == "content_block_delta":
                recording.piece(event)
                self._piece_told = not recording.counts_pieces
            else:
                recording.take(event)
        parser = self._parser
        return self._skims and self._piece_told and isinstance(parser, SseBody) and parser.between_deltas

    def end(self) -> None:
        """The body is there to its end."""
        for event in self._parser.end():
            self._recording.take(event)


class _Watch(StandIn):
    """What the watchers of sync and async bodies share."""

    def __init__(self, body: Any, recording: Recording, reader: BodyReader | None) -> None:
        super().__init__(body, recording)
        self._reader = reader

    def _read_to_end(self) -> None:
        if self._reader is not None:
            try:
                self._reader.end()
            except Exception as error:  # noqa: BLE001 - the call has ended all the same
                self._reader = None
                slipped("read the end of a body along", error)
        self._ended("read")

    def _ended(self, how: StreamEnd, error: BaseException | None = None) -> None:
        self._recording.body_ended(how, error, understood=self._reader is not None)


class _SyncWatch(_Watch, SyncStandIn):
    def __iter__(self) -> Iterator[bytes]:
        feed = self._reader.feed if self._reader is not None else None
        skims = False
        try:
            for chunk in self._body:
                # Without a call of ours in between, since this is done for every few words of every answer.
                if skims and chunk.startswith(DELTA_START) and chunk.find(EVENT_END) == len(chunk) - 2:
                    pass
                elif feed is not None:
                    try:
                        skims = feed(chunk)
                    except Exception as error:  # noqa: BLE001 - whatever it was, the application reads on
                        feed, skims, self._reader = None, False, None
                        slipped("read a body along", error)
                yield chunk
        except GeneratorExit:
            raise
        except BaseException as error:
            with guarded("end a call"):
                self._failed(error)
            raise
        with guarded("end a call"):
            self._read_to_end()


class _AsyncWatch(_Watch, AsyncStandIn):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        feed = self._reader.feed if self._reader is not None else None
        skims = False
        chunks = self._body.__aiter__()
        try:
            async for chunk in chunks:
                if skims and chunk.startswith(DELTA_START) and chunk.find(EVENT_END) == len(chunk) - 2:
                    pass
                elif feed is not None:
                    try:
                        skims = feed(chunk)
                    except Exception as error:  # noqa: BLE001 - whatever it was, the application reads on
                        feed, skims, self._reader = None, False, None
                        slipped("read a body along", error)
                yield chunk
        except GeneratorExit:
            raise
        except BaseException as error:
            with guarded("end a call"):
                self._failed(error)
            raise
        finally:
            # Closes what was read in part in the task that read it; else the event loop does, in a task of its own.
            # Only a generator: any other `aclose` may be the body's own, which is the application's to call.
            if inspect.isasyncgen(chunks):
                await chunks.aclose()
        with guarded("end a call"):
            self._read_to_end()


class Watchers:
    """The watcher classes for one HTTP library: `httpx` (anthropic before 1.0) or `httpx2`.

    Its client checks that a body is one of its own stream classes, so the watchers derive from those.
    """

    def __init__(self, http: ModuleType) -> None:
        self._sync_stream: type = http.SyncByteStream
        self._async_stream: type = http.AsyncByteStream
        self._kinds = self.classes("Body", _SyncWatch, _AsyncWatch)

    def classes(self, name: str, sync: type, both: type) -> tuple[type, type, type]:
        """What stands in for a sync, an async, and a body that is both, made of the mix-ins `sync` and `both`."""
        return (
            type(f"Sync{name}", (sync, self._sync_stream), {}),
            type(f"Async{name}", (both, self._async_stream), {}),
            type(name, (sync, both, self._sync_stream, self._async_stream), {}),
        )

    def kind_for(self, body: object, kinds: tuple[type, type, type]) -> Callable[..., Any]:
        """Of `kinds`, the one that is what `body` is."""
        if not isinstance(body, self._sync_stream):
            return kinds[1]
        return kinds[2] if isinstance(body, self._async_stream) else kinds[0]

    def watch(self, response: Any, recording: Recording) -> None:
        """Puts a watcher on the body of `response`. From then on the recording ends with the reading of it."""
        body = response.stream
        reader = None
        with guarded("choose how to read a body along"):
            headers = response.headers
            content_type = headers.get("content-type", "")
            if not content_type and recording.question.operation.tells == "batch_results":
                content_type = "application/x-jsonl"  # the API sent none with a batch's results until mid-2026
            reader = BodyReader(recording, content_type, headers.get("content-encoding", ""))
        response.stream = self.kind_for(body, self._kinds)(body, recording, reader)
        recording.body_unread = True
        recording.watched = weakref.ref(response)


def read_stream(response: Any, recording: Recording) -> None:
    """Takes in an event stream that somebody has read to its end already, such as an event hook of the application."""
    content_type = response.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != _EVENT_STREAM:
        return
    reader = BodyReader(recording, content_type, "")
    reader.feed(response.content)
    reader.end()
