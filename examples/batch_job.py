"""A job by night: many questions at half the price. Each result becomes a call of its own, with what it cost."""

import time

import anthropic
from anthropic.types.messages.batch_create_params import Request

import claude_telemetry

claude_telemetry.instrument(service="night-job")

REVIEWS = {"r_1": "Great, would buy again.", "r_2": "Broke on the first day.", "r_3": "It is a lamp."}


def request(review: str, text: str) -> Request:
    return {
        "custom_id": review,
        "params": {
            "model": "claude-haiku-5-5",
            "max_tokens": 20,
            "messages": [{"role": "user", "content": f"Good or bad, in one word? {text}"}],
        },
    }


def main() -> None:
    with anthropic.Anthropic() as client:
        # The labels hold for the results, too: even if another process downloads them tomorrow.
        with claude_telemetry.label(feature="reviews", prompt="sentiment", prompt_version="2"):
            batch = client.messages.batches.create(requests=[request(*review) for review in REVIEWS.items()])
        while client.messages.batches.retrieve(batch.id).processing_status != "ended":
            time.sleep(1)
        for item in client.messages.batches.results(batch.id):
            print(item.custom_id, item.result.type)
        print(claude_telemetry.totals())


if __name__ == "__main__":
    main()
