"""Libraries that instrument the SDK, or call the API in their own way: one row for each that tells of calls.

Most follow the GenAI conventions, each at the state of its day. What the rows have in common stands in `source.GEN_AI`.
"""

from __future__ import annotations

from claude_telemetry_collector.decode import library_habits as habits
from claude_telemetry_collector.decode.source import Source, with_paths

INFERENCE_EVENT = "gen_ai.client.inference.operation.details"
"""The conventions' log record of a call. It repeats what the span tells that it was written in."""

_OPENINFERENCE: dict[str, tuple[str, ...]] = {
    "provider": ("llm.provider", "llm.system"),
    "request_model": ("llm.request.model_name", "llm.model_name"),
    "model": ("llm.response.model_name", "llm.model_name"),
    "message_id": ("output.value#id",),
    "told_input": ("llm.token_count.prompt",),
    "output_tokens": ("llm.token_count.completion",),
    "cache_read_tokens": ("llm.token_count.prompt_details.cache_read",),
    "cache_write_tokens": ("llm.token_count.prompt_details.cache_write",),
    "thinking_tokens": ("llm.token_count.completion_details.reasoning",),
    "web_search_requests": ("metadata#server_tool_use.web_search_requests",),
    "web_fetch_requests": ("metadata#server_tool_use.web_fetch_requests",),
    "stop_reason": ("llm.finish_reason",),
    "user_id": ("user.id",),
    "session_id": ("session.id",),
    "prompt_version": ("llm.prompt_template.version",),
    "reported_cost": ("llm.cost.total",),
    "feature": ("tag.tags",),
    "stream": ("llm.invocation_parameters#stream",),
    "max_tokens": ("llm.invocation_parameters#max_tokens",),
}
_OPENLIT = with_paths(
    stream=("gen_ai.request.stream", "gen_ai.request.is_stream"),
    reported_cost=("gen_ai.usage.cost",),
    ttft_s=("gen_ai.server.time_to_first_token",),
    environment=("deployment.environment", "gen_ai.environment"),
)
_VERCEL_USAGE = "ai.response.providerMetadata#anthropic.usage."
_TRACELOOP = "traceloop.association.properties."

SHARED_OPENLIT = Source(
    name="openlit_anthropic",
    basis="exclusive",
    scopes=("openlit",),
    prefixes=("openlit.",),
    says=habits.openlit,
    mend=habits.mend_openlit,
    event_names=frozenset({INFERENCE_EVENT}),
    paths=_OPENLIT,
)
"""Scopes of OpenLIT in which other makers' models are told of too."""

GENERIC = Source(
    name="gen_ai_generic",
    basis="unknown",
    says=habits.unseen,
    event_names=frozenset({INFERENCE_EVENT}),
    paths=with_paths(reported_cost=("gen_ai.usage.cost", "operation.cost")),
)
"""Any other producer that follows the conventions, at whatever state of them."""

SOURCES: tuple[Source, ...] = (
    Source(
        name="openllmetry_anthropic",
        basis="inclusive",
        scopes=("opentelemetry.instrumentation.anthropic",),
        says=habits.openllmetry,
        only_claude=True,
        paths=with_paths(
            stream=("gen_ai.is_streaming", "llm.is_streaming"),
            stop_reason=("gen_ai.response.finish_reasons", "gen_ai.completion.0.finish_reason"),
            user_id=(f"{_TRACELOOP}user_id",),
            session_id=(f"{_TRACELOOP}session_id",),
            feature=("traceloop.workflow.name",),
            prompt_name=("traceloop.prompt.key",),
            prompt_version=("traceloop.prompt.version",),
        ),
    ),
    Source(
        name="openllmetry_langchain",
        basis="inclusive",
        scopes=("opentelemetry.instrumentation.langchain",),
        says=habits.only_chat,
        mend=habits.langchain_writes,
        paths=with_paths(
            user_id=(f"{_TRACELOOP}user_id",),
            session_id=(f"{_TRACELOOP}session_id",),
            feature=("traceloop.workflow.name",),
        ),
    ),
    Source(
        name="openinference_anthropic",
        basis="inclusive",
        scopes=("openinference.instrumentation.anthropic",),
        says=habits.openinference,
        only_claude=True,
        mend=habits.id_in_output,
        paths=_OPENINFERENCE,
    ),
    Source(
        name="openinference_langchain",
        basis="inclusive",
        scopes=("openinference.instrumentation.langchain",),
        says=habits.openinference,
        mend=habits.id_in_output,
        paths={
            **_OPENINFERENCE,
            "message_id": (
                "output.value#generations.0.0.message.kwargs.response_metadata.id",
                "output.value#generations.0.0.message.response_metadata.id",
            ),
            "session_id": ("session.id", "metadata#thread_id"),
        },
    ),
    Source(
        name="logfire_anthropic",
        basis="inclusive",
        scopes=("logfire.anthropic",),
        says=habits.logfire,
        only_claude=True,
        mend=habits.mend_logfire,
        paths=with_paths(
            cache_read_tokens=("gen_ai.usage.raw#cache_read_input_tokens",),
            cache_write_tokens=("gen_ai.usage.raw#cache_creation_input_tokens",),
            cache_write_5m_tokens=("gen_ai.usage.raw#cache_creation.ephemeral_5m_input_tokens",),
            cache_write_1h_tokens=("gen_ai.usage.raw#cache_creation.ephemeral_1h_input_tokens",),
            web_search_requests=("gen_ai.usage.raw#server_tool_use.web_search_requests",),
            web_fetch_requests=("gen_ai.usage.raw#server_tool_use.web_fetch_requests",),
            service_tier=("gen_ai.usage.raw#service_tier",),
            inference_geo=("gen_ai.usage.raw#inference_geo",),
            speed=("gen_ai.usage.raw#speed",),
            reported_cost=("operation.cost",),
            ran_s=("duration",),
        ),
    ),
    Source(
        name="openlit_anthropic",
        basis="exclusive",
        scopes=("openlit.instrumentation.anthropic",),
        says=habits.openlit,
        only_claude=True,
        mend=habits.mend_openlit,
        event_names=frozenset({INFERENCE_EVENT}),
        paths=_OPENLIT,
    ),
    SHARED_OPENLIT,
    Source(
        name="langfuse",
        basis="unknown",
        scopes=("langfuse-sdk",),
        says=habits.langfuse,
        paths=with_paths(
            model=("langfuse.observation.model.name",),
            told_input=(
                "langfuse.observation.usage_details#input",
                "langfuse.observation.usage_details#input_tokens",
                "langfuse.observation.usage_details#prompt_tokens",
            ),
            output_tokens=(
                "langfuse.observation.usage_details#output",
                "langfuse.observation.usage_details#output_tokens",
                "langfuse.observation.usage_details#completion_tokens",
            ),
            cache_read_tokens=(
                "langfuse.observation.usage_details#cache_read_input_tokens",
                "langfuse.observation.usage_details#input_cache_read",
                "langfuse.observation.usage_details#input_cached_tokens",
            ),
            cache_write_tokens=(
                "langfuse.observation.usage_details#cache_creation_input_tokens",
                "langfuse.observation.usage_details#input_cache_creation",
            ),
            total_tokens=("langfuse.observation.usage_details#total",),
            reported_cost=("langfuse.observation.cost_details#total",),
            prompt_name=("langfuse.observation.prompt.name",),
            prompt_version=("langfuse.observation.prompt.version",),
            user_id=("user.id", "langfuse.user.id"),
            session_id=("session.id", "langfuse.session.id"),
            feature=("langfuse.trace.metadata.feature#", "langfuse.trace.tags"),
            environment=("langfuse.environment",),
        ),
    ),
    Source(
        name="otel_genai_anthropic",
        basis="inclusive",
        prefixes=("opentelemetry.instrumentation.genai.",),
        says=habits.asks,
        event_names=frozenset({INFERENCE_EVENT}),
        paths=with_paths(),
    ),
    Source(
        name="pydantic_ai",
        basis="inclusive",
        scopes=("pydantic-ai",),
        says=habits.only_chat,
        paths=with_paths(
            cache_write_5m_tokens=("gen_ai.usage.details.ephemeral_5m_input_tokens",),
            cache_write_1h_tokens=("gen_ai.usage.details.ephemeral_1h_input_tokens",),
            web_search_requests=("gen_ai.usage.details.web_search_requests",),
            web_fetch_requests=("gen_ai.usage.details.web_fetch_requests",),
            thinking_tokens=("gen_ai.usage.details.thinking_tokens",),
            reported_cost=("operation.cost",),
            ttft_s=("gen_ai.client.operation.time_to_first_chunk",),
        ),
    ),
    Source(
        name="vercel_ai",
        basis="inclusive",
        scopes=("ai", "gen_ai"),
        says=habits.vercel,
        mend=habits.mend_vercel,
        paths=with_paths(
            provider=("gen_ai.provider.name", "gen_ai.system", "ai.model.provider"),
            request_model=("gen_ai.request.model", "ai.model.id"),
            model=("gen_ai.response.model", "ai.response.model"),
            message_id=("gen_ai.response.id", "ai.response.id"),
            told_input=(
                f"{_VERCEL_USAGE}input_tokens",
                "gen_ai.usage.input_tokens",
                "ai.usage.inputTokens",
                "ai.usage.promptTokens",
            ),
            output_tokens=("gen_ai.usage.output_tokens", "ai.usage.outputTokens", "ai.usage.completionTokens"),
            cache_read_tokens=(
                f"{_VERCEL_USAGE}cache_read_input_tokens",
                "gen_ai.usage.cache_read.input_tokens",
                "ai.usage.inputTokenDetails.cacheReadTokens",
                "ai.usage.cachedInputTokens",
                "ai.response.providerMetadata#anthropic.cacheReadInputTokens",
            ),
            cache_write_tokens=(
                f"{_VERCEL_USAGE}cache_creation_input_tokens",
                "gen_ai.usage.cache_creation.input_tokens",
                "ai.usage.inputTokenDetails.cacheWriteTokens",
                "ai.response.providerMetadata#anthropic.cacheCreationInputTokens",
                "ai.response.providerMetadata#bedrock.usage.cacheWriteInputTokens",
            ),
            cache_write_5m_tokens=(f"{_VERCEL_USAGE}cache_creation.ephemeral_5m_input_tokens",),
            cache_write_1h_tokens=(f"{_VERCEL_USAGE}cache_creation.ephemeral_1h_input_tokens",),
            web_search_requests=(f"{_VERCEL_USAGE}server_tool_use.web_search_requests",),
            web_fetch_requests=(f"{_VERCEL_USAGE}server_tool_use.web_fetch_requests",),
            service_tier=(f"{_VERCEL_USAGE}service_tier",),
            inference_geo=(f"{_VERCEL_USAGE}inference_geo",),
            speed=(f"{_VERCEL_USAGE}speed",),
            stop_reason=("gen_ai.response.finish_reasons", "ai.response.finishReason"),
            feature=("ai.telemetry.functionId", "gen_ai.agent.name"),
            user_id=("ai.telemetry.metadata.userId",),
            session_id=("ai.telemetry.metadata.sessionId",),
            ttft_ms=("ai.response.msToFirstChunk",),
        ),
    ),
    Source(
        name="litellm",
        basis="inclusive",
        scopes=("litellm",),
        says=habits.litellm,
        mend=habits.mend_litellm,
        paths=with_paths(
            stream=("llm.is_streaming",),
            cache_read_tokens=(
                "metadata.usage_object#cache_read_input_tokens",
                "llm.anthropic.usage#cache_read_input_tokens",
            ),
            cache_write_tokens=(
                "metadata.usage_object#cache_creation_input_tokens",
                "llm.anthropic.usage#cache_creation_input_tokens",
            ),
            web_search_requests=("metadata.usage_object#server_tool_use.web_search_requests",),
            reported_cost=("gen_ai.cost.total_cost", "hidden_params#response_cost"),
            stop_reason=("llm.anthropic.stop_reason",),
            user_id=("metadata.user_api_key_end_user_id", "llm.user", "metadata.user_api_key_user_id"),
        ),
    ),
    Source(
        name="langsmith",
        basis="inclusive",
        scopes=("langsmith",),
        says=habits.langsmith,
        mend=habits.mend_langsmith,
        paths=with_paths(
            provider=("gen_ai.provider.name", "gen_ai.system", "langsmith.metadata.ls_provider"),
            request_model=("gen_ai.request.model", "langsmith.metadata.ls_model_name"),
            cache_read_tokens=(
                "langsmith.metadata.usage_metadata#input_token_details.cache_read",
                "gen_ai.usage.input_token_details#cache_read",
            ),
            cache_write_tokens=(
                "langsmith.metadata.usage_metadata#input_token_details.cache_creation",
                "gen_ai.usage.input_token_details#cache_creation",
            ),
            user_id=("langsmith.metadata.user_id",),
            session_id=("langsmith.metadata.thread_id", "langsmith.metadata.session_id"),
            feature=("langsmith.trace.session_name",),
        ),
    ),
    Source(
        name="spring_ai",
        basis="exclusive",
        prefixes=("org.springframework",),
        says=habits.asks,
        paths=with_paths(),
    ),
    Source(
        name="botocore_bedrock",
        basis="exclusive",
        scopes=("opentelemetry.instrumentation.botocore.bedrock-runtime",),
        says=habits.asks,
        mend=habits.mend_botocore,
        paths=with_paths(request_id=("aws.request_id",), retries=("retry_attempts",)),
    ),
    Source(
        name="mlflow",
        basis="inclusive",
        scopes=("mlflow.tracing.provider",),
        says=habits.mlflow,
        mend=habits.mend_mlflow,
        paths={
            "provider": ("mlflow.llm.provider#",),
            "request_model": ("mlflow.spanInputs#model", "mlflow.llm.model#"),
            "model": ("mlflow.spanOutputs#model", "mlflow.llm.model#"),
            "message_id": ("mlflow.spanOutputs#id",),
            "told_input": ("mlflow.chat.tokenUsage#input_tokens",),
            "output_tokens": ("mlflow.chat.tokenUsage#output_tokens",),
            "cache_read_tokens": ("mlflow.chat.tokenUsage#cache_read_input_tokens",),
            "cache_write_tokens": ("mlflow.chat.tokenUsage#cache_creation_input_tokens",),
            "cache_write_1h_tokens": ("mlflow.chat.tokenUsage#cache_creation_input_tokens_above_1hr",),
            "stop_reason": ("mlflow.spanOutputs#stop_reason",),
            "max_tokens": ("mlflow.spanInputs#max_tokens",),
            "reported_cost": ("mlflow.llm.cost#total_cost",),
            "user_id": ("mlflow.trace.user#",),
            "session_id": ("mlflow.trace.session#",),
        },
    ),
    Source(
        name="openinference",
        basis="unknown",
        prefixes=("openinference.instrumentation.",),
        says=habits.openinference,
        mend=habits.id_in_output,
        paths=_OPENINFERENCE,
    ),
)
"""The first whose scope it is reads a span."""
