"""How one step is carried out over one exchange, and written into the ledger."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from claude_telemetry.fake import wire
from claude_telemetry.fake.admission import COUNT_TOKENS, MESSAGES
from claude_telemetry.fake.ledger import Ledger, Served
from claude_telemetry.fake.loopback import Exchange
from claude_telemetry.fake.prompt_cache import PromptCache, tokens_of
from claude_telemetry.fake.steps import Answer, Cut, Failure, Hang, Step, StreamError

ORGANIZATION_ID = "0f4c2c1e-5f0e-4b6e-9d5a-fa4ec1a0de00"

_LIMITS = {"requests": 4_000, "tokens": 2_400_000, "input-tokens": 2_000_000, "output-tokens": 400_000}


class Api:
    """Answers as the API does."""

    def __init__(self, ledger: Ledger, *, compress: bool) -> None:
        self._ledger = ledger
        self._compress = compress
        self._cache = PromptCache()

    def take(self, exchange: Exchange, body: Mapping[str, Any], step: Step) -> None:
        """Does with a sound request for a message what `step` says."""
        match step:
            case Failure():
                exchange.stopping.wait(step.delay_s)
                self.fail(exchange, MESSAGES, step)
            case Hang():
                exchange.stopping.wait(step.seconds)
                exchange.break_off()
            case Answer():
                self._answer(exchange, body, step, step)
            case Cut() | StreamError():
                self._answer(exchange, body, step, step.answer)

    def fail(self, exchange: Exchange, path: str, failed: Failure) -> None:
        request_id = wire.new_id("req_01")
        self._ledger.serve(
            Served(request_id=request_id, path=path, status=failed.status, error_type=failed.type, ended=True)
        )
        envelope = wire.error(failed.type, failed.message, request_id)
        exchange.send(failed.status, {**_headers(request_id), **failed.headers}, json.dumps(envelope).encode())

    def count_tokens(self, exchange: Exchange, body: Mapping[str, Any]) -> None:
        request_id = wire.new_id("req_01")
        count = {"input_tokens": sum(tokens_of(body[name]) for name in ("tools", "system", "messages") if name in body)}
        model = str(body["model"])
        self._ledger.serve(
            Served(request_id=request_id, path=COUNT_TOKENS, status=200, model=model, usage=count, ended=True)
        )
        exchange.send(200, _headers(request_id), json.dumps(count).encode())

    def _answer(self, exchange: Exchange, body: Mapping[str, Any], step: Step, answer: Answer) -> None:
        exchange.stopping.wait(answer.delay_s)
        whole = wire.message(
            model=answer.model or str(body["model"]),
            content=answer.content,
            usage=self._usage(body, answer),
            stop_reason=answer.stop_reason,
            stop_details=answer.stop_details,
        )
        if body.get("stream") is True:
            self._stream(exchange, whole, step, answer)
        else:
            self._send_whole(exchange, whole, answer, cut=isinstance(step, Cut))

    def _usage(self, body: Mapping[str, Any], answer: Answer) -> Mapping[str, Any]:
        if answer.usage is not None:
            return answer.usage
        usage: dict[str, Any] = {
            **self._cache.input_usage(body),
            "output_tokens": sum(tokens_of(_written(block)) for block in answer.content) or 1,
            "service_tier": "standard",
            "inference_geo": body.get("inference_geo") or "global",
        }
        thinking = sum(tokens_of(block["thinking"]) for block in answer.content if block["type"] == "thinking")
        return {**usage, "output_tokens_details": {"thinking_tokens": thinking}} if thinking else usage

    def _send_whole(self, exchange: Exchange, whole: Mapping[str, Any], answer: Answer, *, cut: bool) -> None:
        request_id = wire.new_id("req_01")
        headers, data = {**_headers(request_id), **answer.headers}, json.dumps(whole).encode()
        if self._compress and _accepts_gzip(exchange):
            headers["content-encoding"], data = "gzip", gzip.compress(data)
        entry = self._ledger.serve(_served(request_id, whole))
        if cut:
            return exchange.send_part_of(200, headers, data, len(data) // 2)
        return self._ending(entry, lambda: exchange.send(200, headers, data))

    def _stream(self, exchange: Exchange, whole: Mapping[str, Any], step: Step, answer: Answer) -> None:
        request_id = wire.new_id("req_01")
        headers = {**_headers(request_id), "content-type": "text/event-stream; charset=utf-8", **answer.headers}
        packer = zlib.compressobj(wbits=31) if self._compress and _accepts_gzip(exchange) else None
        if packer is not None:
            headers["content-encoding"] = "gzip"

        def send(event: Mapping[str, Any]) -> None:
            data = wire.frame(event)
            exchange.piece(data if packer is None else packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))

        def finish() -> None:
            if packer is not None:
                exchange.piece(packer.flush())
            exchange.end()

        events = list(wire.events(whole, answer.started_usage))
        upto = step.after_events if isinstance(step, Cut | StreamError) else len(events)
        entry = self._ledger.serve(_served(request_id, whole, stream=True))
        exchange.begin(200, headers)
        for event in events[:upto]:
            if event["type"] == "content_block_delta":
                exchange.stopping.wait(answer.chunk_delay_s)
            self._note(entry, event)
            send(event)
        if isinstance(step, Cut):
            return exchange.break_off()
        if isinstance(step, StreamError):
            self._ledger.change(entry, error_type=step.type)
            send(wire.error(step.type, step.message, request_id))
            return finish()
        return self._ending(entry, finish)

    def _note(self, entry: int, event: Mapping[str, Any]) -> None:
        """Keeps the ledger at what the client can know, and before the client knows it: it may look at once."""
        if event["type"] == "message_start":
            self._ledger.change(entry, usage=event["message"]["usage"])
        elif event["type"] == "message_delta":
            usage = {**self._ledger[entry].usage, **event["usage"]}
            self._ledger.change(entry, usage=usage, stop_reason=event["delta"]["stop_reason"])

    def _ending(self, entry: int, send: Callable[[], None]) -> None:
        self._ledger.change(entry, ended=True)
        try:
            send()
        except OSError:
            self._ledger.change(entry, ended=False)
            raise


def _served(request_id: str, whole: Mapping[str, Any], *, stream: bool = False) -> Served:
    return Served(
        request_id=request_id,
        path=MESSAGES,
        status=200,
        message_id=whole["id"],
        model=whole["model"],
        stream=stream,
        usage={} if stream else whole["usage"],
        stop_reason=None if stream else whole["stop_reason"],
    )


def _written(block: Mapping[str, Any]) -> object:
    """What of a block the model wrote."""
    return block.get("text") or block.get("thinking") or block.get("input") or block


def _accepts_gzip(exchange: Exchange) -> bool:
    return "gzip" in (exchange.headers.get("accept-encoding") or "")


def _headers(request_id: str) -> dict[str, str]:
    """The headers of every answer. Source: https://platform.claude.com/docs/en/api/rate-limits, read 2026-11-20."""
    reset = (datetime.now(UTC) + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    headers = {
        "content-type": "application/json",
        "request-id": request_id,
        "anthropic-organization-id": ORGANIZATION_ID,
    }
    for name, limit in _LIMITS.items():
        headers[f"anthropic-ratelimit-{name}-limit"] = str(limit)
        headers[f"anthropic-ratelimit-{name}-remaining"] = str(limit - limit // 100)
        headers[f"anthropic-ratelimit-{name}-reset"] = reset
    return headers
