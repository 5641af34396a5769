"""Instructor: an answer that does not fit its schema is asked for again; all asks of a question are one run."""

import anthropic
import instructor
from pydantic import BaseModel, field_validator

import claude_telemetry

claude_telemetry.instrument(service="instructor-example")


class Order(BaseModel):
    number: int

    @field_validator("number")
    @classmethod
    def has_four_digits(cls, number: int) -> int:
        if number < 3000:
            raise ValueError("our numbers begin at 3000")
        return number


def main() -> None:
    client = instructor.from_anthropic(anthropic.Anthropic())
    with claude_telemetry.label(feature="extraction"):
        for _ in range(5):
            order = client.messages.create(
                model="claude-haiku-5-5",
                max_tokens=200,
                messages=[{"role": "user", "content": "Where is my order 4711?"}],
                response_model=Order,
                max_retries=5,
            )
            print(order.number)


if __name__ == "__main__":
    main()
