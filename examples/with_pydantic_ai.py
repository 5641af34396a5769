"""pydantic-ai: all turns of an agent's run are known by its id, run at once or streamed."""

import asyncio

from pydantic import BaseModel
from pydantic_ai import Agent, ToolOutput

import claude_telemetry

claude_telemetry.instrument(service="pydantic-ai-example")


class Order(BaseModel):
    number: int


finder = Agent("anthropic:claude-haiku-5-5", name="order-finder", output_type=ToolOutput(Order), retries=5)
helper = Agent("anthropic:claude-haiku-5-5", name="helper")


@helper.tool_plain
def order_status(number: int) -> str:
    """Says where an order is."""
    return "shipped" if number % 2 else "in the workshop"


async def main() -> None:
    with claude_telemetry.label(feature="orders", user="u_42"):
        found = await finder.run("Which order is it? 'My lamp, 4711, is late.'")
        print(found.output.number, found.run_id)
        async with helper.run_stream("Where is my order 4711?") as answer:
            async for text in answer.stream_text(delta=True):
                print(text, end="", flush=True)
        print()


if __name__ == "__main__":
    asyncio.run(main())
