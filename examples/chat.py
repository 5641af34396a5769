"""A conversation: each line of the input is said to Claude, and the answer streamed."""

import sys
from uuid import uuid4

import anthropic
from anthropic.types import MessageParam

import claude_telemetry

claude_telemetry.instrument(service="chat")


def main() -> None:
    client = anthropic.Anthropic()
    said: list[MessageParam] = []
    with client, claude_telemetry.label(feature="chat", user="u_42", session=uuid4()):
        for line in sys.stdin:
            said.append({"role": "user", "content": line.strip()})
            with client.messages.stream(model="claude-haiku-5-5", max_tokens=300, messages=said) as answer:
                for text in answer.text_stream:
                    print(text, end="", flush=True)
            print()
            said.append({"role": "assistant", "content": answer.get_final_text()})


if __name__ == "__main__":
    main()
