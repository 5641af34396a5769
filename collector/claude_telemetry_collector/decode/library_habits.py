"""How libraries differ in more than where a fact stands: what a span is to them, and what they get wrong.

`libraries` has the table that these belong to. What was seen of each is in the table of dialects, 2026-11-20.
"""

from __future__ import annotations

import re

from claude_telemetry_collector.decode.models import is_opaque
from claude_telemetry_collector.decode.paths import Told
from claude_telemetry_collector.decode.source import GEN_AI, Facts, Says
from claude_telemetry_collector.decode.values import count_of

_TOLD_BY_AN_ANSWER = (*GEN_AI["told_input"], *GEN_AI["output_tokens"], *GEN_AI["message_id"], "llm.token_count.prompt")

NO_CALLS = frozenset(
    {
        "agent_step",
        "create_agent",
        "embeddings",
        "execute_tool",
        "invoke_agent",
        "invoke_workflow",
        "rerank",
        "retrieval",
        "create_memory",
        "search_memory",
        "update_memory",
        "upsert_memory",
        "delete_memory",
        "plan",
    }
)
"""Operations of the conventions that ask no model themselves. Agents repeat what the calls below them used."""

_CUT_ID = re.compile(r"""\A\s*\{\s*["']id["']\s*:\s*["'](msg_[A-Za-z0-9_]+)["']""")
_NESTED_ID = re.compile(
    r"""["']response_metadata["']\s*:\s*\{[^{}]{0,200}?["']id["']\s*:\s*["'](msg_[A-Za-z0-9_]+)["']"""
)
_ANY_ID = re.compile(r"""["']id["']\s*:\s*["'](msg_[A-Za-z0-9_]+)["']""")


def operation(told: Told) -> str | None:
    """What the span says that it did. Anything may stand there: a list is no name, but something was said."""
    said = told.at("gen_ai.operation.name")
    return None if said is None else str(said)


def asks(told: Told) -> Says | None:
    """Of producers whose scope has other spans too."""
    if operation(told) in NO_CALLS:
        return "wrapper"
    return "call" if operation(told) is not None or told.at("gen_ai.request.model") is not None else None


def only_chat(told: Told) -> Says:
    # OpenLLMetry said it in a word of its own before there were operations.
    asked = operation(told) or told.at("llm.request.type")
    return "call" if asked in ("chat", "completion", "text_completion", "generate_content") else "wrapper"


def openllmetry(told: Told) -> Says:
    # The conventions' own instrumentation had this scope before, with other names of spans.
    return "call" if told.span.name in ("anthropic.chat", "anthropic.completion") else only_chat(told)


def langchain_writes(told: Told, facts: Facts) -> None:  # noqa: ARG001 - all mend alike
    # LangChain puts 0 there whenever the answer says how long its writes live.
    if facts.get("cache_write_tokens") == 0:
        del facts["cache_write_tokens"]


def openinference(told: Told) -> Says:
    return "call" if told.at("openinference.span.kind") == "LLM" else "wrapper"


def id_in_output(told: Told, facts: Facts) -> None:
    """The id of an answer whose text was cut, or lies deeper than its path says."""
    output = told.span.sealed.get("output.value", "")
    if facts.get("message_id") is None and output:
        found = _CUT_ID.search(output) or _NESTED_ID.search(output)
        facts["message_id"] = found.group(1) if found is not None else None


def logfire(told: Told) -> Says | None:
    if operation(told) in NO_CALLS:
        return "wrapper"
    counted = told.at("gen_ai.usage.output_tokens") is not None or told.at("gen_ai.usage.input_tokens") is not None
    # The first of the two records of a stream: it ends at once, and knows nothing of the answer.
    return "call" if counted or told.span.status == "error" else "wrapper"


def mend_logfire(told: Told, facts: Facts) -> None:
    if told.at("logfire.span_type") == "log":
        # The second record of a stream is of no length, of the moment when the stream was read.
        facts.update(stream=True)
    else:
        facts.pop("ran_s", None)


def openlit(told: Told) -> Says | None:
    if operation(told) in NO_CALLS:
        return "wrapper"
    return "call" if "gen_ai.operation.name" in told.span.attributes or told.span.status == "error" else None


def mend_openlit(told: Told, facts: Facts) -> None:  # noqa: ARG001
    # It writes what the API takes when nothing is sent.
    facts.pop("temperature", None)


def unseen(told: Told) -> Says | None:
    """Of producers that nobody has looked at."""
    if operation(told) in NO_CALLS or told.at("openinference.span.kind") not in (None, "LLM"):
        return "wrapper"
    answered = any(told.at(path) is not None for path in _TOLD_BY_AN_ANSWER)
    return "call" if answered or told.span.status == "error" else "wrapper"


def langfuse(told: Told) -> Says:
    return "call" if str(told.at("langfuse.observation.type")).lower() == "generation" else "wrapper"


def vercel(told: Told) -> Says:
    if told.span.scope == "gen_ai":
        return only_chat(told)
    operation = told.at("ai.operationId")
    return "call" if isinstance(operation, str) and operation.endswith((".doGenerate", ".doStream")) else "wrapper"


def mend_vercel(told: Told, facts: Facts) -> None:
    raw = told.at("ai.response.providerMetadata#anthropic.usage.input_tokens")
    if raw is not None:
        facts["counted_apart"] = True
    elif told.span.scope == "ai" and not any(
        key.startswith("ai.usage.inputTokenDetails.") for key in told.span.attributes
    ):
        # Version 5 leaves the cached parts out, and never tells what was written.
        facts["counted_apart"] = True
        facts["cache_incomplete"] = facts.get("cache_write_tokens") is None


def litellm(told: Told) -> Says | None:
    if told.span.name == "raw_gen_ai_request":
        return "detail"
    return "call" if told.span.name == "litellm_request" else None


def mend_litellm(told: Told, facts: Facts) -> None:
    if told.span.name == "raw_gen_ai_request":
        for name in [name for name in facts if name not in ("message_id", "stop_reason", "cache_read_tokens")]:
            if name != "cache_write_tokens":
                del facts[name]
        facts["message_id"] = told.at("llm.anthropic.id")
        return
    asked = told.at("litellm.provider.model")
    if isinstance(asked, str) and "/" in asked and "provider" not in facts:
        facts["provider"] = asked.partition("/")[0]


def langsmith(told: Told) -> Says:
    return "call" if told.at("langsmith.span.kind") == "llm" else "wrapper"


def mend_langsmith(told: Told, facts: Facts) -> None:
    for details in ("langsmith.metadata.usage_metadata#input_token_details.", "gen_ai.usage.input_token_details#"):
        five, hour = (count_of(told.at(f"{details}ephemeral_{part}_input_tokens")) for part in ("5m", "1h"))
        if five is not None or hour is not None:
            # Where it says how long the writes live, the total beside is 0.
            facts["cache_write_5m_tokens"], facts["cache_write_1h_tokens"] = five or 0, hour or 0
            facts["cache_write_tokens"] = (five or 0) + (hour or 0)
            break
    if facts.get("message_id") is None:
        found_id = _ANY_ID.search(told.span.sealed.get("gen_ai.completion", ""))
        facts["message_id"] = found_id.group(1) if found_id is not None else None


def mend_botocore(told: Told, facts: Facts) -> None:  # noqa: ARG001
    model = facts.get("request_model")
    if isinstance(model, str) and is_opaque(model):
        # Nothing says which model it is: no other word may stand for its price.
        facts["maker_unknown"] = True


def mlflow(told: Told) -> Says | None:
    kind = told.at("mlflow.spanType#")
    return "call" if kind in ("CHAT_MODEL", "LLM") else "wrapper"


def mend_mlflow(told: Told, facts: Facts) -> None:
    written, hour = facts.get("cache_write_tokens"), facts.get("cache_write_1h_tokens")
    if written is not None and hour is not None and hour <= written:
        facts["cache_write_5m_tokens"] = written - hour
    found = _CUT_ID.search(told.span.sealed.get("mlflow.spanOutputs", ""))
    if facts.get("message_id") is None and found is not None:
        facts["message_id"] = found.group(1)
    if told.at("mlflow.message.format#") == "anthropic":
        facts.setdefault("provider", "anthropic")
