"""Puts the hooks in place, and takes them away."""

from __future__ import annotations

from claude_telemetry import spending
from claude_telemetry.capture.adopt import AdoptingProcessor
from claude_telemetry.capture.body import Watchers
from claude_telemetry.capture.hook import Hook
from claude_telemetry.capture.policies import Policies
from claude_telemetry.capture.recording import current_recording
from claude_telemetry.capture.requesting import Requesting
from claude_telemetry.capture.sdk import hooked_classes, http_library, self_check
from claude_telemetry.capture.sending import Sending
from claude_telemetry.capture.spliced import Splices
from claude_telemetry.emit import Pipeline


class Capture:
    """The hooks, and where what they see goes. One for a process."""

    def __init__(self) -> None:
        self._hooks: list[Hook] = []
        self._requesting: Requesting | None = None

    @staticmethod
    def adopting(version: str, *, labels_only: bool = False) -> AdoptingProcessor:
        """The processor that a provider needs for the SDK's own spans to be completed: by what the hooks see, or, where
        there are none, by labels only."""
        return AdoptingProcessor(current_recording.get, version, labels_only=labels_only)

    def install(self, pipeline: Pipeline, policies: Policies) -> None:
        """Puts the hooks in place, or, where they are, sends what they see to `pipeline`.

        Raises `RuntimeError` when the SDK is not as known: see `self_check`.
        """
        if self._requesting is None:
            problems = self_check()
            if problems:
                raise RuntimeError("; ".join(problems))
            watchers = Watchers(http_library())
            self._requesting, sending = Requesting(Splices(watchers)), Sending(watchers)
            sync_api, async_api, sync_http, async_http = hooked_classes()
            self._hooks = [
                Hook(sync_api, "request", self._requesting.wrap),
                Hook(async_api, "request", self._requesting.wrap_async),
                Hook(sync_http, "send", sending.wrap),
                Hook(async_http, "send", sending.wrap_async),
            ]
        self._requesting.policies = policies
        self._requesting.pipeline = pipeline
        for hook in self._hooks:
            hook.put()
        spending.say_recording(recording=True)

    def uninstall(self) -> None:
        """Takes the hooks away. One that somebody else has patched over since stays, and passes through."""
        spending.say_recording(recording=False)
        if self._requesting is not None:
            self._requesting.pipeline = None
        for hook in self._hooks:
            hook.undo()
