"""Instructor: each call once, the re-asks of a question linked, and answers that do not fit counted."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import Any
from uuid import UUID

import anthropic
import pytest
from pydantic import BaseModel, field_validator

import claude_telemetry
from claude_telemetry.bridges.instructor import label_runs
from tests.frameworks.watched import MODEL, Run, Watched

instructor: Any = import_module("instructor")
exceptions: Any = import_module("instructor.core.exceptions")


class City(BaseModel):
    name: str
    size: int


QUESTION: dict[str, Any] = {"model": MODEL, "max_tokens": 50, "messages": [{"role": "user", "content": "A city."}]}
FITS = [{"type": "tool_use", "id": "toolu_1", "name": "City", "input": {"name": "Rome", "size": 3}}]
DOES_NOT_FIT = [{"type": "tool_use", "id": "toolu_1", "name": "City", "input": {"name": "Rome"}}]


@pytest.fixture
def client(watched: Watched) -> Any:
    return instructor.from_anthropic(anthropic.Anthropic())


def answer(watched: Watched, *answers: list[dict[str, Any]]) -> None:
    for content in answers:
        watched.claude.answer(content=content, stop_reason="tool_use")


def id_of(runs: list[Run]) -> str | None:
    """The id that all of them have."""
    (found,) = {run.id for run in runs}
    return found


def test_a_question_is_a_run_with_the_name_of_its_schema(client: Any, watched: Watched) -> None:
    answer(watched, FITS)
    assert dict(client.messages.create(**QUESTION, response_model=City)) == {"name": "Rome", "size": 3}
    (run,) = watched.runs()
    assert run == Run("instructor", "City", run.id, 0)
    assert UUID(run.id)


def test_re_asks_are_linked_and_answers_that_do_not_fit_counted(client: Any, watched: Watched) -> None:
    answer(watched, DOES_NOT_FIT, DOES_NOT_FIT, FITS)
    assert dict(client.messages.create(**QUESTION, response_model=City)) == {"name": "Rome", "size": 3}
    spans = [span for span in watched.recorded.exporter.get_finished_spans() if span.name.endswith("create")]
    ids = [format(span.context.span_id, "016x") for span in spans if span.context is not None]
    runs, failures = watched.runs_and_failures()
    assert runs == [Run("instructor", "City", id_of(runs), reask) for reask in (0, 1, 2)]
    assert [failure["claude.event.call.span_id"] for failure in failures] == ids[:2]
    given = [
        {name: value for name, value in failure.items() if name.startswith("claude.event.attributes.")}
        for failure in failures
    ]
    assert given == [
        {
            "claude.event.attributes.framework": "instructor",
            "claude.event.attributes.run_id": id_of(runs),
            "claude.event.attributes.reask": reask,
            "claude.event.attributes.error": "ValidationError",
        }
        for reask in (0, 1)
    ]


def test_the_last_answer_that_does_not_fit_is_counted_too(client: Any, watched: Watched) -> None:
    answer(watched, DOES_NOT_FIT, DOES_NOT_FIT)
    with pytest.raises(exceptions.InstructorRetryException):
        client.messages.create(**QUESTION, response_model=City, max_retries=1)
    runs, failures = watched.runs_and_failures()
    assert [run.reask for run in runs] == [0, 1]
    assert len(failures) == 2


def test_the_next_question_is_another_run(client: Any, watched: Watched) -> None:
    answer(watched, DOES_NOT_FIT, DOES_NOT_FIT, FITS)
    with pytest.raises(exceptions.InstructorRetryException):
        client.messages.create(**QUESTION, response_model=City, max_retries=1)
    client.messages.create(**QUESTION, response_model=City)
    runs = watched.runs()
    assert [run.reask for run in runs] == [0, 1, 0]
    assert runs[0].id == runs[1].id != runs[2].id


def test_questions_at_once_are_runs_of_their_own(watched: Watched) -> None:
    client = instructor.from_anthropic(anthropic.AsyncAnthropic())
    answer(watched, DOES_NOT_FIT, DOES_NOT_FIT, FITS, FITS)

    async def ask() -> None:
        await asyncio.gather(*(client.messages.create(**QUESTION, response_model=City) for _ in range(2)))

    asyncio.run(ask())
    runs = watched.runs()
    reasks = {id_: sorted(run.reask or 0 for run in runs if run.id == id_) for id_ in {run.id for run in runs}}
    # Which of the two gets the answers that do not fit, and whether one gets both, is for the event loop to say.
    assert (len(runs), len(reasks)) == (4, 2)
    assert all(numbers == list(range(len(numbers))) for numbers in reasks.values())


def test_a_stream_of_partial_answers_is_a_run(client: Any, watched: Watched) -> None:
    answer(watched, FITS)
    *_, last = client.messages.create_partial(**QUESTION, response_model=City)
    assert (last.name, last.size) == ("Rome", 3)
    (run,) = watched.runs()
    assert (run.framework, run.reask) == ("instructor", 0)


def test_a_question_without_a_schema_has_no_name(client: Any, watched: Watched) -> None:
    client.messages.create(**QUESTION, response_model=None)
    (run,) = watched.runs()
    assert run == Run("instructor", None, run.id, 0)


def test_what_a_validator_asks_is_a_run_of_its_own(client: Any, watched: Watched) -> None:
    class Checked(BaseModel):
        name: str

        @field_validator("name")
        @classmethod
        def is_a_city(cls, name: str) -> str:
            found = client.messages.create(**QUESTION, response_model=City)
            if found.size < 3:
                raise ValueError("too small")
            return name

    checked = [{"type": "tool_use", "id": "toolu_1", "name": "Checked", "input": {"name": "Rome"}}]
    small = [{"type": "tool_use", "id": "toolu_1", "name": "City", "input": {"name": "Rome", "size": 1}}]
    answer(watched, checked, small, checked, FITS)
    assert client.messages.create(**QUESTION, response_model=Checked).name == "Rome"
    runs, failures = watched.runs_and_failures()
    assert [(run.name, run.reask) for run in runs] == [("Checked", 0), ("City", 0), ("Checked", 1), ("City", 0)]
    assert runs[0].id == runs[2].id
    assert len({run.id for run in runs}) == 3
    assert len(failures) == 1


def test_hooks_of_the_application_go_on(watched: Watched) -> None:
    told: list[str] = []

    def asks(**_: object) -> None:
        told.append("asks")

    def fails(_: object) -> None:
        told.append("does not fit")

    client = instructor.from_anthropic(anthropic.Anthropic())
    client.on("completion:kwargs", asks)
    client.on("parse:error", fails)
    answer(watched, DOES_NOT_FIT, FITS)
    client.messages.create(**QUESTION, response_model=City)
    client.messages.create(**QUESTION, response_model=None)
    assert told == ["asks", "does not fit", "asks"]


def test_a_client_from_before_instrument_can_be_labelled(watched: Watched) -> None:
    claude_telemetry.uninstrument()
    kept = instructor.Instructor.__init__
    client = instructor.from_anthropic(anthropic.Anthropic())
    client.create_fn = client.create_fn.__wrapped__  # as it would be without us
    claude_telemetry.instrument(tracer_provider=watched.recorded.provider, export=False)
    answer(watched, FITS, FITS)
    client.messages.create(**QUESTION, response_model=City)
    label_runs(client)
    label_runs(client)
    client.messages.create(**QUESTION, response_model=City)
    assert [run.framework for run in watched.runs()] == [None, "instructor"]
    assert instructor.Instructor.__init__ is kept


def test_after_uninstrument_instructor_goes_on_without_us(client: Any, watched: Watched) -> None:
    claude_telemetry.uninstrument()
    answer(watched, DOES_NOT_FIT, FITS)
    assert dict(client.messages.create(**QUESTION, response_model=City)) == {"name": "Rome", "size": 3}
    assert watched.recorded.spans() == []
