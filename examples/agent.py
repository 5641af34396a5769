"""An agent with a tool: Claude asks for it, the SDK's tool runner runs it, and each run is recorded with its call."""

import anthropic
from anthropic import beta_tool

import claude_telemetry

claude_telemetry.instrument(service="support")

ORDERS = {number: "shipped" if number % 2 else "in the workshop" for number in range(10_000)}


@beta_tool
@claude_telemetry.tool
def order_status(number: int) -> str:
    """Says where an order is.

    Args:
        number: The order's number.
    """
    return ORDERS[number]


def main() -> None:
    with anthropic.Anthropic() as client, claude_telemetry.label(feature="orders", user="u_42"):
        for question in ("Where is my order 4711?", "And 4712?", "Can I still cancel it?"):
            turns = client.beta.messages.tool_runner(
                model="claude-sonnet-5-5",
                max_tokens=300,
                tools=[order_status],
                messages=[{"role": "user", "content": question}],
            )
            answer = turns.until_done()
            print("".join(block.text for block in answer.content if block.type == "text"))


if __name__ == "__main__":
    main()
