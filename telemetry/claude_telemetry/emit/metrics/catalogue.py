"""Every metric that we emit: name, kind, unit, attributes. `docs/otel-metrics.md` says the same to people.

The names are OpenTelemetry's where it has one. Of its GenAI conventions there are two editions: the one that has been
released, and the newest, in which one histogram of tokens became counters. The application chooses.

Sources: https://github.com/open-telemetry/semantic-conventions/blob/v1.41.0/docs/gen-ai/gen-ai-metrics.md for the
released edition; client-inference.md, gen-ai-token-metrics.md and non-normative/migration.md of
https://github.com/open-telemetry/semantic-conventions-genai/tree/main/docs/gen-ai for the newest; read 2026-11-20.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from opentelemetry.metrics import Counter, Histogram, Meter

Kind = Literal["histogram", "counter", "up-down counter", "gauge"]

OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
RESPONSE_MODEL = "gen_ai.response.model"
FEATURE = "claude.feature"
ERROR_TYPE = "error.type"
TOKEN_TYPE = "gen_ai.token.type"  # noqa: S105 - an attribute's name
TOKEN_MODALITY = "gen_ai.token.modality"  # noqa: S105 - an attribute's name
COST_STATUS = "claude.cost.status"
ORGANIZATION = "anthropic.organization.id"
LIMIT_TYPE = "claude.rate_limit.type"

OF_A_CALL = (OPERATION, PROVIDER, REQUEST_MODEL, RESPONSE_MODEL, FEATURE)

# The boundaries that both editions of the conventions ask for.
SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One metric."""

    name: str
    kind: Kind
    unit: str
    """By UCUM, as OpenTelemetry asks."""
    meaning: str
    attributes: tuple[str, ...] = OF_A_CALL
    """All that a point may have. One that is not known is left out."""
    boundaries: tuple[float, ...] | None = None
    """Of a histogram's buckets, upper ends included. The application's views go before."""

    def histogram(self, meter: Meter) -> Histogram:
        return meter.create_histogram(
            self.name, self.unit, self.meaning, explicit_bucket_boundaries_advisory=self.boundaries
        )

    def counter(self, meter: Meter) -> Counter:
        return meter.create_counter(self.name, self.unit, self.meaning)


def _seconds(name: str, meaning: str, *attributes: str) -> Instrument:
    return Instrument(
        name=name,
        kind="histogram",
        unit="s",
        meaning=meaning,
        attributes=(*OF_A_CALL, *attributes),
        boundaries=SECONDS,
    )


def _tokens(name: str, meaning: str, *attributes: str) -> Instrument:
    return Instrument(
        name=name,
        kind="histogram",
        unit="{token}",
        meaning=meaning,
        attributes=(*OF_A_CALL, *attributes),
        boundaries=TOKENS,
    )


def _counted_tokens(name: str, meaning: str) -> Instrument:
    return Instrument(
        name=name, kind="counter", unit="{token}", meaning=meaning, attributes=(*OF_A_CALL, TOKEN_MODALITY)
    )


# The released edition

DURATION = _seconds(
    "gen_ai.client.operation.duration", "From asking to holding the whole answer, or giving up.", ERROR_TYPE
)
TOKEN_USAGE = _tokens("gen_ai.client.token.usage", "Tokens of a call: all input, or all output.", TOKEN_TYPE)
FIRST_CHUNK = _seconds("gen_ai.client.operation.time_to_first_chunk", "From asking to the first piece of a stream.")
CHUNK = _seconds("gen_ai.client.operation.time_per_output_chunk", "From one piece of a stream to the next.")

RELEASED = (DURATION, TOKEN_USAGE, FIRST_CHUNK, CHUNK)

# The newest edition. An operation that is not inference keeps the released name for its duration.

INFERENCE_DURATION = _seconds("gen_ai.client.inference.duration", DURATION.meaning, ERROR_TYPE)
INFERENCE_FIRST_CHUNK = _seconds("gen_ai.client.inference.time_to_first_chunk", FIRST_CHUNK.meaning)
INFERENCE_CHUNK = _seconds("gen_ai.client.inference.time_per_output_chunk", CHUNK.meaning)
INPUT = _counted_tokens("gen_ai.client.inference.usage.input_tokens", "Input tokens, cached ones included.")
OUTPUT = _counted_tokens("gen_ai.client.inference.usage.output_tokens", "Output tokens, thinking included.")
CACHE_READ = _counted_tokens(
    "gen_ai.client.inference.usage.cache_read.input_tokens", "The part of the input read from the prompt cache."
)
CACHE_WRITE = _counted_tokens(
    "gen_ai.client.inference.usage.cache_write.input_tokens", "The part of the input written to the prompt cache."
)
REASONING = _counted_tokens(
    "gen_ai.client.inference.usage.reasoning.output_tokens", "The part of the output that is thinking."
)
OPERATION_INPUT = _tokens(
    "gen_ai.client.inference.operation.input_tokens", "Input tokens of one call, cached ones included.", ERROR_TYPE
)
OPERATION_OUTPUT = _tokens(
    "gen_ai.client.inference.operation.output_tokens", "Output tokens of one call, thinking included.", ERROR_TYPE
)

LATEST = (
    DURATION,
    INFERENCE_DURATION,
    INFERENCE_FIRST_CHUNK,
    INFERENCE_CHUNK,
    INPUT,
    OUTPUT,
    CACHE_READ,
    CACHE_WRITE,
    REASONING,
    OPERATION_INPUT,
    OPERATION_OUTPUT,
)

# What the conventions have no name for

COST = Instrument(
    name="claude.cost",
    kind="counter",
    unit="USD",
    meaning="What calls cost at list price, as far as it is known.",
)
UNPRICED = Instrument(
    name="claude.cost.unpriced_calls",
    kind="counter",
    unit="{call}",
    meaning="Calls whose cost is not known, or only in part.",
    attributes=(*OF_A_CALL, COST_STATUS),
)
RETRIES = Instrument(
    name="claude.retries", kind="counter", unit="{retry}", meaning="Requests of a call beyond its first."
)
IN_FLIGHT = Instrument(
    name="claude.calls.in_flight",
    kind="up-down counter",
    unit="{call}",
    meaning="Calls that have begun and not ended.",
    attributes=(OPERATION, PROVIDER, REQUEST_MODEL),
)
LIMIT = Instrument(
    name="claude.rate_limit.limit",
    kind="gauge",
    unit="1",
    meaning="Requests or tokens that a period allows in all.",
    attributes=(ORGANIZATION, REQUEST_MODEL, LIMIT_TYPE),
)
REMAINING = Instrument(
    name="claude.rate_limit.remaining",
    kind="gauge",
    unit="1",
    meaning="Requests or tokens that are left of the limit.",
    attributes=(ORGANIZATION, REQUEST_MODEL, LIMIT_TYPE),
)

OURS = (COST, UNPRICED, RETRIES, IN_FLIGHT, LIMIT, REMAINING)
