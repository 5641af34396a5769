"""What an application writes. Type-checked against the installed wheel, and run against the stand-in."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from decimal import Decimal

import anthropic

import claude_telemetry
from claude_telemetry import carry, flush, instrument, label, uninstrument

instrument()
instrument(service="shop", environment="production", endpoint=sys.argv[2], export=True)

client = anthropic.Anthropic(base_url=sys.argv[1], api_key="any")


@label(feature="summary", prompt="summary", prompt_version="v3")
def summary(text: str) -> str:
    message = client.messages.create(
        model="claude-haiku-5-5", max_tokens=100, messages=[{"role": "user", "content": text}]
    )
    return "".join(block.text for block in message.content if block.type == "text")


@label(feature="chat")
def words(text: str) -> Iterator[str]:
    with client.messages.stream(
        model="claude-sonnet-5-5", max_tokens=100, messages=[{"role": "user", "content": text}]
    ) as stream:
        yield from stream.text_stream


@label(feature="chat")
async def words_later(text: str) -> AsyncIterator[str]:
    async with (
        anthropic.AsyncAnthropic(base_url=sys.argv[1], api_key="any") as later,
        later.messages.stream(
            model="claude-sonnet-5-5", max_tokens=100, messages=[{"role": "user", "content": text}]
        ) as stream,
    ):
        async for word in stream.text_stream:
            yield word


async def all_words(text: str) -> str:
    return "".join([word async for word in words_later(text)])


with label(user="u_42", session="s_1", tenant="acme"), client, claude_telemetry.tracking() as spent:
    said: str = summary("hello")
    streamed: list[str] = list(words("hello"))
    later: str = asyncio.run(all_words("hello"))
    in_a_thread: str = carry(summary)("hello")

cost: Decimal = spent.cost_usd
so_far: claude_telemetry.Totals = claude_telemetry.totals()
by_model: Mapping[str | None, claude_telemetry.Totals] = claude_telemetry.totals(by="model")
assert cost == so_far.cost_usd == sum(each.cost_usd for each in by_model.values()) > 0

delivered: bool = flush(10.0)
uninstrument()
claude_telemetry.uninstrument()
print(f"delivered: {delivered}; said: {said == later == in_a_thread == ''.join(streamed)}")
