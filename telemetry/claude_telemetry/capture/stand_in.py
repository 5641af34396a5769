"""What stands in for the body of a response, and hands it on as it comes. Whatever happens first ends the recording."""

from __future__ import annotations

from typing import Any

from claude_telemetry.capture.recording import Recording
from claude_telemetry.guard import guarded
from claude_telemetry.record.call import StreamEnd


class StandIn:
    """What those for sync and async bodies share."""

    def __init__(self, body: Any, recording: Recording) -> None:
        self._body = body
        self._recording = recording

    def __getattr__(self, name: str) -> Any:
        # The HTTP library and the SDK read attributes of the body that they made, such as httpx2's `elapsed`.
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._body, name)

    def __del__(self) -> None:
        # The application may drop a response without closing it.
        with guarded("end a call"):
            self._ended("dropped")

    def _ended(self, how: StreamEnd, error: BaseException | None = None) -> None:
        raise NotImplementedError

    def _failed(self, error: BaseException) -> None:
        """The application gets `error` instead of the rest."""
        self._ended("cut" if isinstance(error, Exception) else "cancelled", error)


class SyncStandIn(StandIn):
    def close(self) -> None:
        try:
            self._body.close()
        finally:
            with guarded("end a call"):
                self._ended("closed")


class AsyncStandIn(StandIn):
    async def aclose(self) -> None:
        try:
            await self._body.aclose()
        finally:
            with guarded("end a call"):
                self._ended("closed")
