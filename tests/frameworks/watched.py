"""What the stand-in served, and what was recorded of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from claude_telemetry.fake import FakeClaude, Served
from claude_telemetry.record import Call
from claude_telemetry.record.attributes import RECORDER_VERSION
from tests.support.recorded import Recorded, record_of

MODEL = "claude-haiku-5-5"


class Run(NamedTuple):
    """The run that a call says it was part of."""

    framework: str | None
    name: str | None
    id: str | None
    reask: int | None


@dataclass
class Watched:
    claude: FakeClaude
    recorded: Recorded
    seen: int = 0
    """So many of the answers served have been looked at."""

    def runs(self) -> list[Run]:
        """The run of each call since the last time of asking, in the order of their beginning.

        Fails unless these calls are the answers that were served meanwhile, each once and with what it used.
        """
        calls, _ = self._told()
        served, self.seen = self.claude.ledger[self.seen :], len(self.claude.ledger)
        assert sorted(map(_answer_in, calls)) == sorted(map(_answer, served))
        return [
            Run(call.framework, call.run_name, call.run_id, call.reask)
            for call in sorted(calls, key=lambda call: call.started_at)
        ]

    def runs_and_failures(self) -> tuple[list[Run], list[dict[str, Any]]]:
        """The same, and the attributes of the `schema_failure` events."""
        spans = self.recorded.exporter.get_finished_spans()
        failures = [dict(span.attributes or {}) for span in spans if span.name == "claude.event schema_failure"]
        return self.runs(), failures

    def _told(self) -> tuple[list[Call], list[str]]:
        spans = self.recorded.spans()
        calls = [record_of(span).call for span in spans if RECORDER_VERSION in (span.attributes or {})]
        return [call for call in calls if call.operation is not None], [span.name for span in spans]


def _answer(served: Served) -> tuple[str, int, int, bool]:
    return served.message_id or "", served.usage["input_tokens"], served.usage["output_tokens"], served.stream


def _answer_in(call: Call) -> tuple[str, int, int, bool]:
    return call.message_id or "", call.input_tokens or 0, call.output_tokens or 0, call.stream is True
