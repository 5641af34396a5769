"""What is recorded about one Claude call.

A *call* runs from the application's question until it holds the whole answer, or gives up.
Each time the question goes over the wire on the way is an *attempt*. A `CallRecord` is a call with its parts.

Names follow OpenTelemetry's GenAI conventions and the `anthropic` SDK's own spans where they have one;
`claude.*` is for the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from claude_telemetry.record.attempt import Attempt
from claude_telemetry.record.field import Fact
from claude_telemetry.record.tool_use import ToolUse

Status = Literal["ok", "error", "cancelled"]
CostStatus = Literal["priced", "unknown", "partial", "contract"]
StreamEnd = Literal["read", "closed", "dropped", "cut", "cancelled"]

BOOKKEEPING = frozenset(
    {
        "count_tokens",
        "batch_create",
        "batch_retrieve",
        "batch_list",
        "batch_cancel",
        "batch_delete",
        "batch_results",
        "session_create",
        "session_retrieve",
        "session_events",
    }
)
"""Operations that ask no model and cost nothing. They are recorded, and are in no number about calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One row of `calls`. `None` means that the fact is not known, never zero."""

    started_at: Annotated[datetime, Fact(None, None, "When the application asked, UTC.")]
    duration_ms: Annotated[
        int | None, Fact(None, "ms", "Until the application held the whole answer, or gave up; retries included.")
    ] = None
    ttft_ms: Annotated[
        int | None,
        Fact("claude.ttft_ms", "ms", "Time to first token: from asking to the first piece of a streamed answer."),
    ] = None
    first_event_ms: Annotated[
        int | None,
        Fact("claude.first_event_ms", "ms", "From asking to the first event of a streamed answer, seen at the wire."),
    ] = None

    service: Annotated[str | None, Fact("service.name", None, "The application, as OpenTelemetry names it.")] = None
    environment: Annotated[
        str | None, Fact("deployment.environment.name", None, "Where the application runs, such as `production`.")
    ] = None
    provider: Annotated[
        str | None,
        Fact("gen_ai.provider.name", None, "Who serves the model: `anthropic`, `aws.bedrock`, `gcp.vertex_ai`."),
    ] = None
    platform: Annotated[
        str | None,
        Fact(
            "claude.platform",
            None,
            "Whose price list holds: `anthropic`, `claude_platform_aws`, `bedrock`, `vertex` or `foundry`.",
        ),
    ] = None
    region: Annotated[
        str | None, Fact("claude.region", None, "The region or location that a cloud platform's client was made for.")
    ] = None
    operation: Annotated[
        str | None, Fact("gen_ai.operation.name", None, "What was asked for: `chat`, `count_tokens`, `batch_create`, …")
    ] = None
    request_model: Annotated[str | None, Fact("gen_ai.request.model", None, "The model that was asked for.")] = None
    model: Annotated[str | None, Fact("gen_ai.response.model", None, "The model that answered.")] = None

    status: Annotated[
        str,
        Fact(None, None, "`ok`, `error`, or `cancelled` when the application stopped before the end of the answer."),
    ]
    error_type: Annotated[
        str | None, Fact("error.type", None, "The API's error type, else the status, else what the client met.")
    ] = None
    http_status: Annotated[
        int | None, Fact("http.response.status_code", None, "The status of the last attempt's answer.")
    ] = None
    request_id: Annotated[
        str | None, Fact("anthropic.request.id", None, "The id that Anthropic gave the last attempt.")
    ] = None
    message_id: Annotated[str | None, Fact("gen_ai.response.id", None, "The id of the answer, `msg_…`.")] = None
    trace_id: Annotated[str, Fact(None, None, "Trace id, 32 hexadecimal digits.")]
    span_id: Annotated[str, Fact(None, None, "Span id, 16 hexadecimal digits.")]
    parent_span_id: Annotated[str | None, Fact(None, None, "The span that the call was made in.")] = None

    input_tokens: Annotated[
        int | None,
        Fact(
            "claude.usage.uncached_input_tokens",
            "token",
            "Uncached input only: neither read from nor written to a cache.",
        ),
    ] = None
    cache_read_tokens: Annotated[
        int | None, Fact("gen_ai.usage.cache_read.input_tokens", "token", "Input read from the prompt cache.")
    ] = None
    cache_write_tokens: Annotated[
        int | None, Fact("gen_ai.usage.cache_write.input_tokens", "token", "Input written to the prompt cache.")
    ] = None
    cache_write_5m_tokens: Annotated[
        int | None,
        Fact(
            "anthropic.usage.cache_creation.ephemeral_5m_input_tokens",
            "token",
            "The part of the cache writes that lives 5 minutes, where the parts add up to the whole.",
        ),
    ] = None
    cache_write_1h_tokens: Annotated[
        int | None,
        Fact(
            "anthropic.usage.cache_creation.ephemeral_1h_input_tokens",
            "token",
            "The part of the cache writes that lives 1 hour, where the parts add up to the whole.",
        ),
    ] = None
    output_tokens: Annotated[
        int | None, Fact("gen_ai.usage.output_tokens", "token", "All output, thinking included.")
    ] = None
    thinking_tokens: Annotated[
        int | None, Fact("gen_ai.usage.reasoning.output_tokens", "token", "The part of the output that is thinking.")
    ] = None
    web_search_requests: Annotated[
        int | None, Fact("claude.usage.web_search_requests", "{search}", "Web searches that the server made.")
    ] = None
    web_fetch_requests: Annotated[
        int | None, Fact("claude.usage.web_fetch_requests", "{fetch}", "Web pages that the server fetched; free.")
    ] = None
    code_execution_requests: Annotated[
        int | None,
        Fact("claude.usage.code_execution_requests", "{run}", "Runs of code on the server; billed by container hours."),
    ] = None
    usage_partial: Annotated[
        bool | None,
        Fact("claude.usage.partial", None, "Whether more was used, or may have been, than the counts say."),
    ] = None
    hops: Annotated[
        str | None,
        Fact(
            "claude.hops",
            None,
            "The answers of a call that had more than one (a fallback to another model), as JSON: model, usage, cost.",
            sql_type="JSON",
        ),
    ] = None

    cost_usd: Annotated[
        Decimal | None,
        Fact("claude.cost.picodollars", "USD", "What the call costs at list price, exact; unknown without a price."),
    ] = None
    net_cost_usd: Annotated[
        Decimal | None,
        Fact(
            "claude.cost.net_picodollars",
            "USD",
            "What it comes to with the discounts that you have stated; the list cost where you have stated none.",
        ),
    ] = None
    cost_status: Annotated[
        str | None,
        Fact(
            "claude.cost.status",
            None,
            "`priced`; `partial` when the cost is a lower bound; `contract` when it is paid by contract; `unknown`.",
        ),
    ] = None
    cost_breakdown: Annotated[
        str | None,
        Fact(
            "claude.cost.breakdown", None, "The cost line by line, as JSON: line to decimal dollars.", sql_type="JSON"
        ),
    ] = None
    cost_flags: Annotated[
        str | None,
        Fact("claude.cost.flags", None, "What had to be assumed for the cost, separated by commas; empty for nothing."),
    ] = None
    price_version: Annotated[
        str | None, Fact("claude.cost.price_version", None, "Which edition of the price book the cost is from.")
    ] = None
    billed: Annotated[bool | None, Fact("claude.billed", None, "Whether money was due for the call.")] = None

    stop_reason: Annotated[
        str | None, Fact("anthropic.message.stop_reason", None, "Why the model stopped, in the API's words.")
    ] = None
    refusal_category: Annotated[
        str | None, Fact("claude.refusal.category", None, "The policy that a refusal named, in the API's words.")
    ] = None
    empty_refusal: Annotated[
        bool | None,
        Fact("claude.refusal.empty", None, "Of a refusal: whether there was no content, so that it may be free."),
    ] = None
    declined: Annotated[
        str | None,
        Fact(
            "claude.declined",
            None,
            "The models that declined within the answer, as JSON: model to category, empty for none.",
            sql_type="JSON",
        ),
    ] = None
    max_tokens: Annotated[
        int | None, Fact("gen_ai.request.max_tokens", "token", "The most output that was asked for.")
    ] = None
    temperature: Annotated[float | None, Fact("gen_ai.request.temperature", None, "The temperature asked for.")] = None
    effort: Annotated[
        str | None, Fact("gen_ai.request.reasoning.level", None, "The effort asked for, in the API's words.")
    ] = None
    thinking: Annotated[
        str | None,
        Fact("anthropic.thinking.type", None, "How thinking was asked for: `enabled`, `adaptive`, `disabled`."),
    ] = None
    thinking_budget_tokens: Annotated[
        int | None, Fact("anthropic.thinking.budget_tokens", "token", "The most thinking that was asked for.")
    ] = None
    requested_service_tier: Annotated[
        str | None, Fact("anthropic.request.service_tier", None, "The tier that was asked for.")
    ] = None
    message_count: Annotated[
        int | None, Fact("claude.request.messages", "{message}", "How many messages the question had.")
    ] = None
    tool_count: Annotated[
        int | None, Fact("claude.request.tools", "{tool}", "How many tools the question offered.")
    ] = None
    stream: Annotated[bool | None, Fact("gen_ai.request.stream", None, "Whether the answer was streamed.")] = None
    stream_end: Annotated[
        str | None,
        Fact(
            "claude.stream.end",
            None,
            "How a streamed answer ended: `read` to its end, `closed` or `dropped` before it by the application, "
            "`cut` by the connection or an error, `cancelled`.",
        ),
    ] = None
    attempts: Annotated[
        int | None, Fact("claude.attempts", "{attempt}", "How often the question went over the wire, retries included.")
    ] = None
    service_tier: Annotated[
        str | None,
        Fact("anthropic.response.service_tier", None, "The tier that served: `standard`, `batch`, `priority`."),
    ] = None
    speed: Annotated[str | None, Fact("claude.usage.speed", None, "`fast` or `standard`, as billed.")] = None
    inference_geo: Annotated[
        str | None, Fact("claude.usage.inference_geo", None, "Where it was computed: `us`, `global`, `not_available`.")
    ] = None
    organization_id: Annotated[
        str | None, Fact("anthropic.organization.id", None, "The organization that is billed.")
    ] = None
    workspace_id: Annotated[str | None, Fact("anthropic.workspace.id", None, "The workspace of the API key.")] = None

    user_id: Annotated[str | None, Fact("user.id", None, "For whom the application made the call.")] = None
    session_id: Annotated[str | None, Fact("session.id", None, "The conversation or session it belongs to.")] = None
    feature: Annotated[str | None, Fact("claude.feature", None, "The part of the application that made it.")] = None
    prompt_name: Annotated[str | None, Fact("gen_ai.prompt.name", None, "The name of the prompt.")] = None
    prompt_version: Annotated[str | None, Fact("gen_ai.prompt.version", None, "The version of the prompt.")] = None
    prompt_fingerprint: Annotated[
        str | None,
        Fact("claude.prompt.fingerprint", None, "A keyed hash of the prompt's fixed parts: system prompt and tools."),
    ] = None
    system_fingerprint: Annotated[
        str | None, Fact("claude.prompt.system.fingerprint", None, "A keyed hash of the system prompt.")
    ] = None
    tools_fingerprint: Annotated[
        str | None, Fact("claude.prompt.tools.fingerprint", None, "A keyed hash of the tools' definitions.")
    ] = None
    cache_fingerprints: Annotated[
        str | None,
        Fact(
            "claude.prompt.cache.fingerprints",
            None,
            "Keyed hashes of the prompt up to each cache breakpoint, in order, separated by commas.",
        ),
    ] = None
    tenant: Annotated[str | None, Fact("claude.tenant", None, "The customer on whose behalf it was made.")] = None
    api_key_alias: Annotated[
        str | None, Fact("claude.api_key.alias", None, "The application's name for the API key; never the key.")
    ] = None
    tags: Annotated[
        str | None, Fact("claude.tags", None, "Free labels, as a JSON object of texts.", sql_type="JSON")
    ] = None
    framework: Annotated[
        str | None, Fact("claude.framework", None, "The framework that made the call for the application.")
    ] = None
    run_name: Annotated[
        str | None, Fact("claude.run.name", None, "The framework's name of the run it was part of.")
    ] = None
    run_id: Annotated[str | None, Fact("claude.run.id", None, "The framework's id of the run it was part of.")] = None
    reask: Annotated[
        int | None,
        Fact(
            "claude.reask",
            None,
            "Which re-ask this is of a question whose answer did not fit its schema; 0 is the first.",
        ),
    ] = None
    batch_id: Annotated[
        str | None, Fact("anthropic.message.batch.id", None, "The batch it was part of, `msgbatch_…`.")
    ] = None
    custom_id: Annotated[
        str | None, Fact("claude.batch.custom_id", None, "The application's name for it within the batch.")
    ] = None

    usage: Annotated[
        str | None, Fact("claude.usage", None, "The API's usage object as received, as JSON.", sql_type="JSON")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """A call with its attempts, first to last, and the tools that its answer asks for."""

    call: Call
    attempts: tuple[Attempt, ...] = ()
    tool_uses: tuple[ToolUse, ...] = ()
