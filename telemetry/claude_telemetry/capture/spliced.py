"""Streams that a middleware of the SDK made, out of several answers.

The fallback of anthropic's own middleware asks another model when the first declines, and does so while the
application reads, long after `request` has returned. So the recording is made current again for each pull, and the call
ends with the stream that the application reads, not with any of those that it is made of.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

from claude_telemetry.capture.body import Watchers
from claude_telemetry.capture.recording import Recording, current_recording
from claude_telemetry.capture.stand_in import AsyncStandIn, StandIn, SyncStandIn
from claude_telemetry.guard import guarded
from claude_telemetry.record.call import StreamEnd


class _Splice(StandIn):
    def _ended(self, how: StreamEnd, error: BaseException | None = None) -> None:
        self._recording.may_ask_again = False
        self._recording.body_ended(how, error, understood=False)


class _SyncSplice(_Splice, SyncStandIn):
    def __iter__(self) -> Iterator[bytes]:
        chunks = iter(self._body)
        while True:
            token = current_recording.set(self._recording)
            try:
                chunk = next(chunks)
            except StopIteration:
                break
            except BaseException as error:
                with guarded("end a call"):
                    self._failed(error)
                raise
            finally:
                with suppress(ValueError):
                    current_recording.reset(token)
            yield chunk
        with guarded("end a call"):
            self._ended("read")


class _AsyncSplice(_Splice, AsyncStandIn):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks = self._body.__aiter__()
        try:
            while True:
                token = current_recording.set(self._recording)
                try:
                    chunk = await chunks.__anext__()
                except StopAsyncIteration:
                    break
                except BaseException as error:
                    with guarded("end a call"):
                        self._failed(error)
                    raise
                finally:
                    with suppress(ValueError):
                        current_recording.reset(token)
                yield chunk
        finally:
            if inspect.isasyncgen(chunks):  # in the task that read it: see `body.py`
                await chunks.aclose()
        with guarded("end a call"):
            self._ended("read")


class Splices:
    """Puts the recording around streams that the SDK's own request did not bring."""

    def __init__(self, watchers: Watchers) -> None:
        self._watchers = watchers
        self._kinds = watchers.classes("SplicedBody", _SyncSplice, _AsyncSplice)

    def look_at(self, result: Any, recording: Recording) -> bool:
        """Whether `result`, which `request` returns, is a stream that a middleware made. If so, it is followed."""
        response = getattr(result, "http_response", None) or getattr(result, "response", None)
        if response is None or response.is_closed:
            return False
        watched = recording.watched
        if watched is not None and watched() is response:
            return False
        body = response.stream
        response.stream = self._watchers.kind_for(body, self._kinds)(body, recording)
        return True
