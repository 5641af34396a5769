"""Labels hold where they are said to hold, and nowhere else."""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest

from claude_telemetry import carry, label
from claude_telemetry.errors import LabelError
from claude_telemetry.labels import current_labels


def user() -> str | None:
    return current_labels().get("user_id")


def test_inner_labels_add_to_outer_ones_and_go_when_left() -> None:
    with label(user="ann", feature="chat"):
        with label(feature="search", session="s1"):
            assert current_labels() == {"user_id": "ann", "feature": "search", "session_id": "s1"}
        assert current_labels() == {"user_id": "ann", "feature": "chat"}
    assert current_labels() == {}


def test_none_says_nothing_and_leaves_the_outer_label() -> None:
    with label(user="ann"), label(user=None, feature="chat"):
        assert current_labels() == {"user_id": "ann", "feature": "chat"}


def test_whole_numbers_and_uuids_become_text_and_long_values_are_cut() -> None:
    with label(user=42, session=UUID(int=1), feature="x" * 600):
        labels = current_labels()
    assert labels["user_id"] == "42"
    assert labels["session_id"] == "00000000-0000-0000-0000-000000000001"
    assert len(labels["feature"]) == 512


@pytest.mark.parametrize("value", [object(), 1.5, True, ["ann"], b"ann"])
def test_what_cannot_be_a_label_is_told_when_the_label_is_made(value: object) -> None:
    with pytest.raises(LabelError, match="user_id"):
        label(user=value)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - the mistake under test


def test_labels_are_left_when_the_block_raises() -> None:
    with pytest.raises(RuntimeError), label(user="ann"):
        raise RuntimeError
    assert user() is None


def test_a_decorated_function_has_its_labels_on_every_call_also_in_recursion() -> None:
    @label(feature="countdown")
    def countdown(n: int) -> list[str | None]:
        seen = [current_labels().get("feature")]
        return seen + (countdown(n - 1) if n else [])

    assert countdown(2) == ["countdown"] * 3
    assert current_labels() == {}


def test_a_decorated_coroutine_keeps_its_labels_over_awaits_and_tasks_inherit_them() -> None:
    @label(user="ann")
    async def work() -> tuple[str | None, str | None]:
        async def child() -> str | None:
            await asyncio.sleep(0)
            return user()

        task = asyncio.create_task(child())
        await asyncio.sleep(0)
        return user(), await task

    async def main() -> None:
        assert await work() == ("ann", "ann")
        assert user() is None

    asyncio.run(main())


def test_two_tasks_have_their_own_labels() -> None:
    async def work(name: str) -> str | None:
        with label(user=name):
            await asyncio.sleep(0.01)
            return user()

    async def main() -> list[str | None]:
        return list(await asyncio.gather(*(work(f"u{n}") for n in range(8))))

    assert asyncio.run(main()) == [f"u{n}" for n in range(8)]


def test_a_decorated_generator_has_its_labels_inside_each_step_and_never_outside() -> None:
    closed_with: list[str | None] = []

    @label(user="ann")
    def steps() -> Iterator[str | None]:
        try:
            yield user()
            yield user()
        finally:
            closed_with.append(user())

    generator = steps()
    assert next(generator) == "ann"
    assert user() is None
    with label(user="bob"):
        assert next(generator) == "ann"
        assert user() == "bob"
    generator.close()  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue] - an Iterator for callers
    assert closed_with == ["ann"]


def test_a_decorated_generator_passes_on_what_is_sent_thrown_and_returned() -> None:
    from collections.abc import Generator

    @label(user="ann")
    def echo() -> Generator[str, str, str]:
        got = yield "ready"
        try:
            yield f"{got} for {user()}"
        except ValueError:
            return f"caught for {user()}"
        return "ended"

    generator = echo()
    assert next(generator) == "ready"
    assert generator.send("tea") == "tea for ann"
    with pytest.raises(StopIteration) as end:
        generator.throw(ValueError())
    assert end.value.value == "caught for ann"


def test_a_decorated_async_generator_has_its_labels_inside_each_step_and_never_outside() -> None:
    @label(user="ann")
    async def steps() -> AsyncIterator[str | None]:
        yield user()
        await asyncio.sleep(0)
        yield user()

    async def main() -> list[tuple[str | None, str | None]]:
        return [(inside, user()) async for inside in steps()]

    assert asyncio.run(main()) == [("ann", None), ("ann", None)]


def test_a_new_thread_starts_without_labels_and_carry_hands_them_over() -> None:
    with ThreadPoolExecutor(4) as executor:
        with label(user="ann"):
            bare = executor.submit(user)
            carried = [executor.submit(carry(user)) for _ in range(8)]
            one_for_all = carry(user)
        assert bare.result() is None
        assert [future.result() for future in carried] == ["ann"] * 8
        assert [executor.submit(one_for_all).result() for _ in range(8)] == ["ann"] * 8


def test_leaving_in_another_context_than_it_was_entered_in_takes_nobody_elses_labels() -> None:
    entered = label(user="ann")
    contextvars.copy_context().run(entered.__enter__)
    with label(user="bob"):
        entered.__exit__(None, None, None)
        assert user() == "bob"


def test_generators_that_end_out_of_order_leave_no_label_behind() -> None:
    def steps(name: str) -> Iterator[None]:
        with label(user=name):
            yield

    first, second = steps("ann"), steps("bob")
    next(first)
    next(second)
    assert list(first) == []
    assert user() == "bob"
    assert list(second) == []
    assert current_labels() == {}


def test_methods_of_every_kind_may_be_decorated() -> None:
    class Service:
        @label(user="ann")
        def plain(self) -> str | None:
            return user()

        @label(user="bob")
        @classmethod
        def of_class(cls) -> tuple[type, str | None]:
            return cls, user()

        @label(user="cid")
        @staticmethod
        def of_nobody(suffix: str) -> str:
            return f"{user()}{suffix}"

    service: Any = Service()
    assert (service.plain(), service.of_class(), service.of_nobody("!")) == ("ann", (Service, "bob"), "cid!")


def test_callable_objects_and_partials_may_be_decorated_also_when_they_are_async() -> None:
    class Answer:
        async def __call__(self, suffix: str) -> str:
            await asyncio.sleep(0)
            return f"{user()}{suffix}"

    labelled = label(user="ann")(Answer())
    assert asyncio.run(labelled("!")) == "ann!"
    assert asyncio.run(label(user="bob")(functools.partial(Answer().__call__, "?"))()) == "bob?"


def test_half_a_surrogate_pair_is_no_text_that_could_be_sent() -> None:
    with label(user="ann\ud83d"):
        assert user() == "ann?"
