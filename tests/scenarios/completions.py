"""Text Completions, which anthropic had until 1.0: nothing in an answer tells what it used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from claude_telemetry.fake import Served
from tests.scenarios import needs
from tests.scenarios.app import App
from tests.scenarios.asking import OPUS
from tests.scenarios.expected import ANSWERED, ANYTHING, NO_TOKENS, NOT_KNOWN, Expected, call
from tests.scenarios.scenario import scenario

PROMPT = {"model": OPUS, "max_tokens_to_sample": 100, "prompt": "\n\nHuman: How much is it?\n\nAssistant:"}


def _completed(served: Served, **facts: Any) -> Expected:
    return call(
        ANSWERED,
        **{
            **NO_TOKENS,
            **NOT_KNOWN,
            "span_name": "anthropic.completions.create",
            "operation": "text_completion",
            "request_id": served.request_id,
            "message_id": ANYTHING,
            "model": ANYTHING,
            "request_model": OPUS,
            "stop_reason": ANYTHING,
            "stream": served.stream,
            "billed": ANYTHING,
            "ttft_known": ANYTHING,
            "stream_end": "read" if served.stream else None,
            **facts,
        },
    )


@scenario(needs.completions)
def completion(app: App) -> Sequence[Expected]:
    app.saw(app.client().completions.create(**PROMPT))
    return [_completed(app.served[0])]


@scenario(needs.completions)
async def completion_async(app: App) -> Sequence[Expected]:
    async with app.async_client() as client:
        app.saw(await client.completions.create(**PROMPT))
    return [_completed(app.served[0])]


@scenario(needs.completions)
def completion_streamed(app: App) -> Sequence[Expected]:
    app.saw(*app.client().completions.create(**PROMPT, stream=True))
    return [_completed(app.served[0])]
