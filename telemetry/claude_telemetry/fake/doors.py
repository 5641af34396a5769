"""The doors by which a question comes to a model: the Messages API, Text Completions, Bedrock, Vertex.

Behind each stands the same model. A door decides how the answer is written: its ids, its headers, its events.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

from claude_telemetry.fake import aws_frames, wire
from claude_telemetry.fake.delivery import Delivery
from claude_telemetry.fake.steps import Answer, Failure

ORGANIZATION_ID = "0f4c2c1e-5f0e-4b6e-9d5a-fa4ec1a0de00"

_LIMITS = {"requests": 4_000, "tokens": 2_400_000, "input-tokens": 2_000_000, "output-tokens": 400_000}


class Door:
    """`POST /v1/messages`, and what the others share with it."""

    needs: Sequence[str] = ("model", "messages", "max_tokens")
    """What a body must have."""
    version_in_body = False
    """Whether the API's version is in the body, and not in a header."""
    says_usage = True
    """Whether an answer tells its usage."""
    stream_type = "text/event-stream; charset=utf-8"
    _message_id = "msg_01"

    def headers(self, request_id: str) -> dict[str, str]:
        """The headers of every answer."""
        return {"content-type": "application/json", "request-id": request_id, **limits()}

    def whole(self, body: Mapping[str, Any], answer: Answer, usage: Mapping[str, Any]) -> dict[str, Any]:
        """The answer when it is no stream."""
        return wire.message(
            message_id=wire.new_id(self._message_id),
            model=answer.model or str(body["model"]),
            content=answer.content,
            usage=usage,
            stop_reason=answer.stop_reason,
            stop_details=answer.stop_details,
        )

    def events(self, whole: Mapping[str, Any], answer: Answer) -> Iterator[dict[str, Any]]:
        """The events of the same answer when it is one."""
        return wire.events(whole, answer.started_usage)

    def frame(self, event: Mapping[str, Any], delivery: Delivery) -> bytes:
        """An event as it is written."""
        return wire.frame(event, delivery.line_end)

    def broken(self, kind: str, message: str, request_id: str, delivery: Delivery) -> bytes:
        """What a stream says that goes wrong."""
        return wire.frame(wire.error(kind, message, request_id), delivery.line_end)

    def failed(self, failure: Failure, request_id: str) -> tuple[dict[str, str], dict[str, Any]]:
        """Headers and body of an error."""
        return self.headers(request_id), wire.error(failure.type, failure.message, request_id)


class Completions(Door):
    """`POST /v1/complete`, the Text Completions of anthropic below 1.0: nothing in them tells a usage."""

    needs = ("model", "prompt", "max_tokens_to_sample")
    says_usage = False

    def whole(self, body: Mapping[str, Any], answer: Answer, usage: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        return {
            "type": "completion",
            "id": wire.new_id("compl_01"),
            "completion": "".join(block.get("text", "") for block in answer.content),
            "stop_reason": "max_tokens" if answer.stop_reason == "max_tokens" else "stop_sequence",
            "model": answer.model or str(body["model"]),
            "stop": None,
        }

    def events(self, whole: Mapping[str, Any], answer: Answer) -> Iterator[dict[str, Any]]:  # noqa: ARG002
        for piece in wire.text_pieces(whole["completion"]):
            yield {**whole, "completion": piece, "stop_reason": None}
        yield {**whole, "completion": ""}


class Bedrock(Door):
    """`POST /model/{model}/invoke` and `…/invoke-with-response-stream`."""

    needs = ("anthropic_version", "messages", "max_tokens")
    version_in_body = True
    stream_type = aws_frames.CONTENT_TYPE
    _message_id = "msg_bdrk_01"

    # Of the exceptions that its model of the service knows (botocore 1.44.5): of an answer by status, of a stream by
    # the type that the Messages API would give.
    _BY_STATUS: Mapping[int, str] = {
        400: "ValidationException",
        403: "AccessDeniedException",
        404: "ResourceNotFoundException",
        408: "ModelTimeoutException",
        424: "ModelErrorException",
        429: "ThrottlingException",
        500: "InternalServerException",
    }
    _BY_TYPE: Mapping[str, str] = {
        "api_error": "internalServerException",
        "invalid_request_error": "validationException",
        "rate_limit_error": "throttlingException",
        "timeout_error": "modelTimeoutException",
    }

    def headers(self, request_id: str) -> dict[str, str]:
        return {"content-type": "application/json", "x-amzn-requestid": request_id}

    def events(self, whole: Mapping[str, Any], answer: Answer) -> Iterator[dict[str, Any]]:
        for event in super().events(whole, answer):
            if event["type"] == "message_stop":
                counts = {
                    "inputTokenCount": whole["usage"].get("input_tokens"),
                    "outputTokenCount": whole["usage"].get("output_tokens"),
                }
                event["amazon-bedrock-invocationMetrics"] = counts
            yield event

    def frame(self, event: Mapping[str, Any], delivery: Delivery) -> bytes:  # noqa: ARG002
        return aws_frames.chunk(event)

    def broken(self, kind: str, message: str, request_id: str, delivery: Delivery) -> bytes:  # noqa: ARG002
        return aws_frames.exception(self._BY_TYPE.get(kind, "serviceUnavailableException"), message)

    def failed(self, failure: Failure, request_id: str) -> tuple[dict[str, str], dict[str, Any]]:
        kind = self._BY_STATUS.get(failure.status, "ServiceUnavailableException")
        return {**self.headers(request_id), "x-amzn-errortype": kind}, {"message": failure.message}


class Vertex(Door):
    """`POST …/publishers/anthropic/models/{model}:rawPredict` and `:streamRawPredict`."""

    needs = ("anthropic_version", "messages", "max_tokens")
    version_in_body = True
    _message_id = "msg_vrtx_01"

    def headers(self, request_id: str) -> dict[str, str]:
        return {"content-type": "application/json", "request-id": request_id}


MESSAGES, COMPLETIONS, BEDROCK, VERTEX = Door(), Completions(), Bedrock(), Vertex()


@dataclass(frozen=True, slots=True)
class Entrance:
    """A door, and what the path says beside it."""

    door: Door
    told: Mapping[str, Any]
    """Parts of the request that are in the path, and belong to the body elsewhere."""


_ENTRANCES: Sequence[tuple[re.Pattern[str], Door]] = (
    (re.compile(r"/v1/messages"), MESSAGES),
    (re.compile(r"/v1/complete"), COMPLETIONS),
    (re.compile(r"/model/(?P<model>[^/]+)/invoke(?P<stream>-with-response-stream)?"), BEDROCK),
    (re.compile(r".*/publishers/anthropic/models/(?P<model>[^/:]+):(?P<stream>stream)?[rR]awPredict"), VERTEX),
)


def entrance(path: str) -> Entrance | None:
    """The door at `path`, or `None` when there is none."""
    for pattern, door in _ENTRANCES:
        found = pattern.fullmatch(path)
        if found is not None:
            told = found.groupdict()
            named = {"model": unquote(told["model"]), "stream": told["stream"] is not None} if told else {}
            return Entrance(door, named)
    return None


def limits() -> dict[str, str]:
    """The account and its rate limits. Source: https://platform.claude.com/docs/en/api/rate-limits, read 2026-11-20."""
    reset = (datetime.now(UTC) + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    headers = {"anthropic-organization-id": ORGANIZATION_ID}
    for name, limit in _LIMITS.items():
        headers[f"anthropic-ratelimit-{name}-limit"] = str(limit)
        headers[f"anthropic-ratelimit-{name}-remaining"] = str(limit - limit // 100)
        headers[f"anthropic-ratelimit-{name}-reset"] = reset
    return headers
