"""Spans of the Claude API itself, as an organization has them sent to it.

One span for each HTTP request that reached the API, with spans below it for what happened within; and in sessions of
managed agents, one for each request that the server makes to a model. The documentation's word, 2026-11-20.
"""

from __future__ import annotations

from claude_telemetry.record.identity import AGENT_MODEL_REQUEST
from claude_telemetry_collector.decode.paths import Told
from claude_telemetry_collector.decode.source import Facts, Says, Source, with_paths

SCOPE = "com.anthropic.claude-platform"

MESSAGES = "anthropic_api_messages"
SESSIONS = "anthropic_api_session"

_SESSION = "anthropic.session.id"
_BILLED_IN_SESSIONS = ("anthropic.model_request", "anthropic.session.outcome_evaluation", "anthropic.compaction")
OUTCOME_EVALUATION = "outcome_evaluation"


def _in_messages(told: Told) -> Says | None:
    name = told.span.name
    if name == "anthropic.messages.create":
        return "call"
    if _SESSION in told.span.attributes:
        return None
    if name == "anthropic.compaction" or (name.startswith("anthropic.tool_use") and _searched(told)):
        return "detail"
    return None


def _in_sessions(told: Told) -> Says | None:
    if _SESSION not in told.span.attributes:
        return None
    return "call" if told.span.name in _BILLED_IN_SESSIONS else "wrapper"


def _searched(told: Told) -> bool:
    tool = told.at("gen_ai.tool.name") or told.span.name.removeprefix("anthropic.tool_use").strip()
    return tool == "web_search" and told.span.status != "error"


def _mend_request(told: Told, facts: Facts) -> None:
    if told.span.name == "anthropic.compaction":
        facts["compaction_input"], facts["compaction_output"] = (
            facts.pop("told_input", None),
            facts.get("output_tokens"),
        )
        for name in [name for name in facts if name not in ("compaction_input", "compaction_output")]:
            del facts[name]
    elif told.span.name.startswith("anthropic.tool_use"):
        facts.clear()
        facts["searches"] = 1


def _mend_session(told: Told, facts: Facts) -> None:
    evaluates = told.span.name == "anthropic.session.outcome_evaluation"
    facts["operation"] = OUTCOME_EVALUATION if evaluates else AGENT_MODEL_REQUEST


_PATHS = with_paths(
    organization_id=("anthropic.organization.id",),
    workspace_id=("anthropic.workspace.id",),
    stop_reason=("anthropic.message.stop_reason",),
    cache_write_5m_tokens=("anthropic.usage.cache_creation.ephemeral_5m_input_tokens",),
    cache_write_1h_tokens=("anthropic.usage.cache_creation.ephemeral_1h_input_tokens",),
    compaction_input=("anthropic.usage.compaction.input_tokens",),
    compaction_output=("anthropic.usage.compaction.output_tokens",),
    service_tier=("anthropic.response.service_tier",),
    session_id=(_SESSION,),
)

SOURCES = (
    Source(
        name=MESSAGES,
        basis="inclusive",
        scopes=(SCOPE,),
        says=_in_messages,
        paths=_PATHS,
        only_claude=True,
        is_the_applications=False,
        mend=_mend_request,
    ),
    Source(
        name=SESSIONS,
        basis="inclusive",
        scopes=(SCOPE,),
        says=_in_sessions,
        paths=_PATHS,
        only_claude=True,
        is_the_applications=False,
        mend=_mend_session,
    ),
)
