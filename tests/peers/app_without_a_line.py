"""An application that knows nothing of telemetry; with an argument, one that switches it on as well."""

import sys

import anthropic
from anthropic.types import MessageParam

if sys.argv[1:]:
    import claude_telemetry

    claude_telemetry.instrument(service=sys.argv[1])

MODEL = "claude-haiku-5-5"
QUESTION: list[MessageParam] = [{"role": "user", "content": "Say hello."}]

with anthropic.Anthropic() as client:
    client.messages.create(model=MODEL, max_tokens=50, messages=QUESTION)
    with client.messages.stream(model=MODEL, max_tokens=50, messages=QUESTION) as stream:
        print("".join(stream.text_stream))
