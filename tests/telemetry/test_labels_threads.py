"""Labels reach the threads that they are handed to."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor as PlainExecutor

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

import claude_telemetry
from claude_telemetry import ThreadPoolExecutor, carry, label
from claude_telemetry.labels import current_labels


def user(suffix: str = "") -> str | None:
    name = current_labels().get("user_id")
    return None if name is None else name + suffix


def test_a_new_thread_starts_without_labels_and_carry_hands_them_over() -> None:
    with PlainExecutor(4) as executor:
        with label(user="ann"):
            bare = executor.submit(user)
            carried = [executor.submit(carry(user)) for _ in range(8)]
            one_for_all = carry(user)
        assert bare.result() is None
        assert [future.result() for future in carried] == ["ann"] * 8
        assert [executor.submit(one_for_all).result() for _ in range(8)] == ["ann"] * 8


def test_what_a_carried_function_sets_stays_in_its_run() -> None:
    seen: list[str | None] = []

    def work() -> None:
        seen.append(user())
        claude_telemetry.set_labels(user="bob")

    with label(user="ann"):
        carried = carry(work)
        for _ in range(2):
            thread = threading.Thread(target=carried)
            thread.start()
            thread.join()
        assert seen == ["ann", "ann"]
        assert user() == "ann"


def test_the_executor_runs_each_task_with_the_labels_of_where_it_was_submitted() -> None:
    with ThreadPoolExecutor(max_workers=1) as executor:
        with label(user="ann"):
            submitted = executor.submit(user, "!")
            mapped = executor.map(user, ["1", "2"])
        bare = executor.submit(user)
        assert (submitted.result(), list(mapped), bare.result()) == ("ann!", ["ann1", "ann2"], None)


def test_the_executor_serves_asyncio_too() -> None:
    async def main() -> str | None:
        with ThreadPoolExecutor() as executor, label(user="ann"):
            return await asyncio.get_running_loop().run_in_executor(executor, user)

    assert asyncio.run(main()) == "ann"


def test_the_executor_hands_on_the_trace_as_well() -> None:
    tracer = TracerProvider().get_tracer("test")
    with ThreadPoolExecutor() as executor, tracer.start_as_current_span("request") as span:
        assert executor.submit(trace.get_current_span).result() is span


def test_the_executor_hands_on_what_a_task_raises() -> None:
    with ThreadPoolExecutor() as executor, pytest.raises(ZeroDivisionError):
        executor.submit(divmod, 1, 0).result()


def test_a_name_that_the_package_has_not_is_no_attribute_of_it() -> None:
    with pytest.raises(AttributeError, match="'claude_telemetry' has no attribute 'ProcessPoolExecutor'"):
        getattr(claude_telemetry, "ProcessPoolExecutor")  # noqa: B009 - type checkers know that there is none
