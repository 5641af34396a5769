"""What becomes of one ended call, by edition of OpenTelemetry's GenAI conventions; and what is ours in both.

A call that is known not to be billed has used nothing: an answer from the application's own cache shows tokens that
were paid for before, a refusal shows some that nobody pays for, and counting tokens costs none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from opentelemetry.context import Context
from opentelemetry.metrics import Meter

from claude_telemetry.emit.metrics import catalogue
from claude_telemetry.record import Call

OPT_IN = "OTEL_SEMCONV_STABILITY_OPT_IN"
LATEST = "gen_ai_latest_experimental"

_INFERENCE = frozenset({"chat", "generate_content", "text_completion"})
"""The operations that the newest edition calls inference."""

Labels = Mapping[str, str]


class Edition(Protocol):
    """Records one ended call. `labels` are those that all its points have, `error` is its error if it failed."""

    def record(
        self, call: Call, chunk_gaps_s: Sequence[float], labels: Labels, error: Labels, context: Context
    ) -> None: ...


def wants_latest(environ: Mapping[str, str]) -> bool:
    """Whether the application asks for the newest edition, in OpenTelemetry's way: a list separated by commas."""
    return LATEST in {word.strip() for word in environ.get(OPT_IN, "").split(",")}


def input_of(call: Call) -> int | None:
    """All input tokens, cached ones included. `None` when not known, or when nothing was billed."""
    if call.input_tokens is None or call.billed is False:
        return None
    return call.input_tokens + (call.cache_read_tokens or 0) + (call.cache_write_tokens or 0)


def output_of(call: Call) -> int | None:
    """All output tokens, thinking included. `None` when not known, or when nothing was billed."""
    return None if call.billed is False else call.output_tokens


class Released:
    """The edition that has been released."""

    def __init__(self, meter: Meter) -> None:
        self._duration = catalogue.DURATION.histogram(meter)
        self._tokens = catalogue.TOKEN_USAGE.histogram(meter)
        self._first_chunk = catalogue.FIRST_CHUNK.histogram(meter)
        self._chunk = catalogue.CHUNK.histogram(meter)

    def record(
        self, call: Call, chunk_gaps_s: Sequence[float], labels: Labels, error: Labels, context: Context
    ) -> None:
        if call.duration_ms is not None:
            self._duration.record(call.duration_ms / 1000, {**labels, **error}, context)
        for kind, tokens in (("input", input_of(call)), ("output", output_of(call))):
            if tokens is not None:
                self._tokens.record(tokens, {**labels, catalogue.TOKEN_TYPE: kind}, context)
        if call.ttft_ms is not None:
            self._first_chunk.record(call.ttft_ms / 1000, labels, context)
        for gap_s in chunk_gaps_s:
            self._chunk.record(gap_s, labels, context)


class Latest:
    """The newest edition: tokens are counters, and a histogram of calls beside them."""

    def __init__(self, meter: Meter) -> None:
        self._other_duration = catalogue.DURATION.histogram(meter)
        self._duration = catalogue.INFERENCE_DURATION.histogram(meter)
        self._first_chunk = catalogue.INFERENCE_FIRST_CHUNK.histogram(meter)
        self._chunk = catalogue.INFERENCE_CHUNK.histogram(meter)
        self._input = catalogue.INPUT.counter(meter)
        self._output = catalogue.OUTPUT.counter(meter)
        self._cache_read = catalogue.CACHE_READ.counter(meter)
        self._cache_write = catalogue.CACHE_WRITE.counter(meter)
        self._reasoning = catalogue.REASONING.counter(meter)
        self._call_input = catalogue.OPERATION_INPUT.histogram(meter)
        self._call_output = catalogue.OPERATION_OUTPUT.histogram(meter)

    def record(
        self, call: Call, chunk_gaps_s: Sequence[float], labels: Labels, error: Labels, context: Context
    ) -> None:
        duration = self._duration if call.operation in _INFERENCE else self._other_duration
        if call.duration_ms is not None:
            duration.record(call.duration_ms / 1000, {**labels, **error}, context)
        if call.ttft_ms is not None:
            self._first_chunk.record(call.ttft_ms / 1000, labels, context)
        for gap_s in chunk_gaps_s:
            self._chunk.record(gap_s, labels, context)
        if call.operation in _INFERENCE:
            self._record_tokens(call, labels, error, context)

    def _record_tokens(self, call: Call, labels: Labels, error: Labels, context: Context) -> None:
        # The API does not say which tokens are text and which are pictures. What is not known adds 0 to a counter, as
        # the conventions ask; a histogram's 0 would be a call that used nothing, which only a failed one is known for.
        counted = {**labels, catalogue.TOKEN_MODALITY: "unknown"}
        billed = call.billed is not False
        used_input, used_output = input_of(call), output_of(call)
        self._input.add(used_input or 0, counted, context)
        self._output.add(used_output or 0, counted, context)
        self._cache_read.add(call.cache_read_tokens or 0 if billed else 0, counted, context)
        self._cache_write.add(call.cache_write_tokens or 0 if billed else 0, counted, context)
        self._reasoning.add(call.thinking_tokens or 0 if billed else 0, counted, context)
        for histogram, tokens in ((self._call_input, used_input), (self._call_output, used_output)):
            if tokens is not None or error:
                histogram.record(tokens or 0, {**labels, **error}, context)


class Ours:
    """Cost and retries, which the conventions have no name for."""

    def __init__(self, meter: Meter) -> None:
        self._cost = catalogue.COST.counter(meter)
        self._unpriced = catalogue.UNPRICED.counter(meter)
        self._retries = catalogue.RETRIES.counter(meter)

    def record(
        self,
        call: Call,
        chunk_gaps_s: Sequence[float],  # noqa: ARG002
        labels: Labels,
        error: Labels,  # noqa: ARG002
        context: Context,
    ) -> None:
        if call.attempts is not None and call.attempts > 1:
            self._retries.add(call.attempts - 1, labels, context)
        if call.billed is False:
            return
        if call.cost_usd is not None:
            self._cost.add(float(call.cost_usd), labels, context)
        if call.cost_usd is None or call.cost_status == "partial":
            status = "unknown" if call.cost_usd is None else "partial"
            self._unpriced.add(1, {**labels, catalogue.COST_STATUS: status}, context)
