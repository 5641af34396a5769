"""Labels hold where they are said to hold, and nowhere else."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import json
from collections.abc import AsyncIterator, Iterator
from enum import Enum
from typing import Any, Unpack
from uuid import UUID

import pytest

from claude_telemetry import Labels, clear_labels, label, prompt, set_labels
from claude_telemetry.errors import LabelError
from claude_telemetry.labels import current_labels
from claude_telemetry.labels.labelling import COLUMNS
from claude_telemetry.record import Call, columns_of


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


def test_every_label_has_a_column_and_is_told_of_in_the_type_of_labels() -> None:
    assert set(Labels.__annotations__) == {*COLUMNS, "tags"}
    assert {*COLUMNS.values(), "tags"} <= {column.name for column in columns_of(Call)}


def test_the_environment_and_the_alias_of_the_api_key_are_labels_too() -> None:
    with label(environment="staging", api_key_alias="batch-jobs"):
        assert current_labels() == {"environment": "staging", "api_key_alias": "batch-jobs"}


def test_an_empty_text_takes_an_outer_label_off_until_it_is_left() -> None:
    with label(user="ann", feature="chat"):
        with label(user=""):
            assert current_labels() == {"feature": "chat"}
        assert user() == "ann"


def test_the_value_of_an_enum_is_the_label() -> None:
    class Plan(str, Enum):  # noqa: UP042 - as older applications write it
        GOLD = "gold"

    with label(feature=Plan.GOLD, tags={"plan": Plan.GOLD}):
        assert current_labels() == {"feature": "gold", "tags": '{"plan":"gold"}'}


def test_a_label_that_there_is_not_is_told_with_those_that_there_are() -> None:
    with pytest.raises(LabelError, match=r"no label usr: give user, session, .*tags=\{'usr': \.\.\.\}"):
        label(usr="ann")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue] - the mistake under test


def test_a_prompts_name_comes_with_its_own_version_or_with_none() -> None:
    with label(prompt="summary", prompt_version="3"):
        with label(prompt="translation"):
            assert current_labels() == {"prompt_name": "translation"}
        with label(prompt_version="4"):
            assert current_labels() == {"prompt_name": "summary", "prompt_version": "4"}


def test_a_prompt_object_brings_its_version_and_takes_no_other() -> None:
    summary = prompt("summary", "Summarise.", version="3")

    @label(prompt=summary, feature="summaries")
    def summarise() -> dict[str, str]:
        return dict(current_labels())

    assert summarise() == {"prompt_name": "summary", "prompt_version": summary.version, "feature": "summaries"}
    with pytest.raises(LabelError, match="prompt_version"):
        label(prompt=summary, prompt_version="4")
    with pytest.raises(LabelError, match="prompt="):
        label(feature=summary)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - the mistake under test


def test_tags_are_one_json_object_and_inner_ones_add_to_outer_ones() -> None:
    with label(tags={"tier": "gold", "beta": True, "shard": 7}):
        assert current_labels() == {"tags": '{"beta":"true","shard":"7","tier":"gold"}'}
        with label(tags={"tier": "silver", "süd": "ja", "beta": None}, user="ann"):
            assert json.loads(current_labels()["tags"]) == {
                "beta": "true",
                "shard": "7",
                "süd": "ja",
                "tier": "silver",
            }
            with label(tags={"tier": "", "beta": "", "shard": "", "süd": ""}):
                assert current_labels() == {"user_id": "ann"}
        with label(user="bob"):
            assert current_labels() == {"user_id": "bob", "tags": '{"beta":"true","shard":"7","tier":"gold"}'}


def test_at_most_32_tags_hold_and_the_inner_ones_stay() -> None:
    with (
        label(tags={f"outer{n}": n for n in range(32)}),
        label(tags={f"inner{n}": n for n in range(2)}),
    ):
        tags: dict[str, str] = json.loads(current_labels()["tags"])
    assert len(tags) == 32
    assert (tags["inner0"], tags["inner1"]) == ("0", "1")


def test_a_tags_value_is_cut_at_256_characters() -> None:
    with label(tags={"note": "x" * 300}):
        assert json.loads(current_labels()["tags"]) == {"note": "x" * 256}


@pytest.mark.parametrize(
    "tags",
    [["gold"], "gold", {1: "gold"}, {"": "gold"}, {"n" * 65: "gold"}, {"tier": 1.5}, {f"t{n}": n for n in range(33)}],
    ids=str,
)
def test_what_cannot_be_tags_is_told_when_the_label_is_made(tags: Any) -> None:
    with pytest.raises(LabelError, match="tag"):
        label(tags=tags)


def test_an_error_about_a_label_does_not_say_its_value() -> None:
    with pytest.raises(LabelError) as told:
        label(tags={"secret": b"sk-ant-1"})  # type: ignore[dict-item] # pyright: ignore[reportArgumentType]
    assert "sk-ant" not in str(told.value)


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


def test_set_labels_holds_until_the_block_around_it_ends() -> None:
    with label(feature="chat"):
        set_labels(user="ann")
        with label(session="s1"):
            set_labels(user="bob", tags={"tier": "gold"})
            assert current_labels() == {
                "feature": "chat",
                "session_id": "s1",
                "user_id": "bob",
                "tags": '{"tier":"gold"}',
            }
        assert current_labels() == {"feature": "chat", "user_id": "ann"}
    assert current_labels() == {}


def test_set_labels_holds_until_the_decorated_function_around_it_returns() -> None:
    @label(feature="chat")
    def work() -> str | None:
        set_labels(user="ann")
        return user()

    assert work() == "ann"
    assert current_labels() == {}


def test_set_labels_without_a_block_holds_for_the_rest_of_the_task_and_adds_up() -> None:
    async def request(name: str) -> dict[str, str]:
        set_labels(user=name)
        await asyncio.sleep(0)
        set_labels(feature="chat")
        with label(session="s1"):
            await asyncio.sleep(0)
        return dict(current_labels())

    async def main() -> list[dict[str, str]]:
        served = list(await asyncio.gather(request("ann"), request("bob")))
        assert current_labels() == {}
        return served

    assert asyncio.run(main()) == [{"user_id": name, "feature": "chat"} for name in ("ann", "bob")]


def test_what_a_step_of_a_decorated_generator_sets_holds_in_its_next_step_and_not_outside() -> None:
    @label(feature="chat")
    def steps() -> Iterator[str | None]:
        set_labels(user="ann")
        yield user()
        yield user()

    @label(feature="chat")
    async def steps_later() -> AsyncIterator[str | None]:
        set_labels(user="ann")
        yield user()
        yield user()

    async def later() -> list[tuple[str | None, str | None]]:
        return [(inside, user()) async for inside in steps_later()]

    assert [(inside, user()) for inside in steps()] == [("ann", None)] * 2
    assert asyncio.run(later()) == [("ann", None)] * 2
    assert next(iter(steps())) == "ann"


def test_clear_labels_takes_off_every_label_of_its_context_alone() -> None:
    def worker() -> Iterator[str | None]:
        set_labels(user="ann")
        yield user()
        clear_labels()
        yield user()

    with label(user="bob"):
        assert list(contextvars.copy_context().run(list, worker())) == ["ann", None]
        assert user() == "bob"
        clear_labels()
        assert current_labels() == {}
    assert current_labels() == {}


def test_an_application_can_pass_labels_on_with_their_types() -> None:
    def ask(**labels: Unpack[Labels]) -> dict[str, str]:
        with label(**labels):
            return dict(current_labels())

    assert ask(user="ann", tags={"tier": "gold"}) == {"user_id": "ann", "tags": '{"tier":"gold"}'}
