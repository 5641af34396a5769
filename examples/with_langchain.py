"""LangChain: calls know the run that they are part of, by the name and id that LangSmith shows as well."""

import asyncio

from langchain.agents import create_agent
from langchain_anthropic import ChatAnthropic
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool

import claude_telemetry

claude_telemetry.instrument(service="langchain-example")

model = ChatAnthropic(model="claude-haiku-5-5", max_tokens=300)
summary = ChatPromptTemplate.from_messages([("user", "Summarise in one sentence: {text}")]) | model


@tool
def order_status(number: int) -> str:
    """Says where an order is."""
    return "shipped" if number % 2 else "in the workshop"


async def several_at_once() -> None:
    await summary.abatch([{"text": text} for text in ("one", "two", "three")], config={"run_name": "summaries"})
    async for chunk in summary.astream({"text": "four"}, config={"run_name": "summary, streamed"}):
        print(chunk.text, end="", flush=True)
    print()


def main() -> None:
    with claude_telemetry.label(feature="summaries", user="u_42"):
        print(summary.invoke({"text": "It is a lamp."}, config={"run_name": "summary"}).text)
        asyncio.run(several_at_once())
    with claude_telemetry.label(feature="orders", user="u_42"):
        agent = create_agent(model, [order_status], name="order-agent")
        print(agent.invoke({"messages": [("user", "Where is my order 4711?")]})["messages"][-1].text)


if __name__ == "__main__":
    main()
