"""What a process has spent: what was served, added up by hand, at the moment of asking.

Haiku 4.5 costs $1 for a million input tokens and $5 for output, so a call of `USAGE` costs $0.0015.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Generator, Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Any

import pytest
from anthropic import Anthropic, APIStatusError, AsyncAnthropic
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

import claude_telemetry
from claude_telemetry import Totals, totals, tracking
from claude_telemetry.capture import facts as capture_facts
from claude_telemetry.capture.operations import operation_of
from claude_telemetry.errors import LabelError
from claude_telemetry.fake import FakeClaude, Turn
from claude_telemetry.fake.steps import Answer, failure
from claude_telemetry.guard import slips
from claude_telemetry.record import BOOKKEEPING
from claude_telemetry.spending import adding, process
from tests.support.applications import finished, started
from tests.support.recorded import sdk_tracing
from tests.support.waiting import wait_until

HAIKU = "claude-haiku-4-5"
USAGE = {"input_tokens": 1000, "output_tokens": 100}
CENTS = Decimal("0.0015")
ASKED: dict[str, Any] = {"model": HAIKU, "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]}
NOBODY = "http://127.0.0.1:9"
"""Where no collector is."""


@pytest.fixture(autouse=True)
def _from_nothing(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """As in a process that has just started, and nothing of ours fails in it."""
    monkeypatch.setattr(process, "this", process.Process())
    before = slips()
    yield
    claude_telemetry.uninstrument()
    assert slips() == before


@pytest.fixture
def client(claude: FakeClaude) -> Generator[Anthropic]:
    """A client of an application without tracing, whose calls nobody takes."""
    claude_telemetry.instrument(endpoint=NOBODY, flush_interval=60)
    with Anthropic(api_key="k", base_url=claude.url, max_retries=1, **sdk_tracing(None)) as client:
        yield client


def ask(claude: FakeClaude, client: Anthropic) -> None:
    claude.answer(usage=USAGE)
    client.messages.create(**ASKED)


def spent(answers: int, **facts: Any) -> Totals:
    """Totals of so many calls of `USAGE`, all of them well, but for `facts`."""
    usual: dict[str, Any] = {
        "calls": answers,
        "cost_usd": CENTS * answers,
        "net_cost_usd": CENTS * answers,
        "input_tokens": 1000 * answers,
        "output_tokens": 100 * answers,
        "recording": True,
    }
    return Totals(**(usual | facts))


# The sums


def test_a_call_is_in_the_totals_as_soon_as_it_has_ended(claude: FakeClaude, client: Anthropic) -> None:
    assert totals() == Totals(recording=True)
    for calls in range(1, 4):
        ask(claude, client)
        assert totals() == spent(calls)
    assert isinstance(totals().cost_usd, Decimal)
    assert str(totals()) == "$0.0045 in 3 calls"


def test_every_sort_of_call_adds_what_it_costs(claude: FakeClaude, client: Anthropic) -> None:
    cached = {
        "input_tokens": 10,
        "cache_read_input_tokens": 1000,
        "cache_creation_input_tokens": 100,
        "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 0},
        "output_tokens": 20,
    }
    claude.answer(usage=cached)
    list(client.messages.create(stream=True, **ASKED))
    # 10 x 1 + 1000 x 0.1 + 100 x 1.25 + 20 x 5 dollars per million
    known = Totals(
        calls=1,
        cost_usd=Decimal("0.000335"),
        net_cost_usd=Decimal("0.000335"),
        input_tokens=10,
        cache_read_tokens=1000,
        cache_write_tokens=100,
        output_tokens=20,
        recording=True,
    )
    assert totals() == known

    claude.fail(529, headers={"retry-after-ms": "1"})
    ask(claude, client)  # two attempts, one call
    claude.fail(400, times=1)
    with pytest.raises(APIStatusError):
        client.messages.create(**ASKED)
    claude.refuse("cyber", usage=USAGE)  # before anything was said: free
    client.messages.create(**ASKED)
    claude.answer(usage=USAGE)
    unknown: dict[str, Any] = {**ASKED, "model": "claude-nobody-knows-1"}
    client.messages.create(**unknown)
    client.messages.count_tokens(model=HAIKU, messages=ASKED["messages"])
    found = totals()
    assert found == Totals(
        calls=5,
        errors=1,
        unpriced_calls=1,
        cost_usd=Decimal("0.001835"),
        net_cost_usd=Decimal("0.001835"),
        input_tokens=3010,
        cache_read_tokens=1000,
        cache_write_tokens=100,
        output_tokens=320,
        recording=True,
    )
    assert found.at_least
    assert found.total_tokens == 4430
    assert str(found) == "at least $0.001835 in 5 calls, 1 failed, 1 unpriced"
    answers = [served for served in claude.ledger if served.path.endswith("/messages")]
    assert found.input_tokens == sum(served.usage.get("input_tokens", 0) for served in answers)


def test_a_stream_that_runs_is_running_and_one_that_is_left_early_is_a_lower_bound(
    claude: FakeClaude, client: Anthropic
) -> None:
    claude.answer(usage=USAGE)
    with client.messages.create(stream=True, **ASKED) as stream:
        next(iter(stream))
        assert totals() == Totals(running=1, recording=True)
        assert str(totals()) == "$0.00 in 0 calls, 1 running"
    without_output = Decimal("0.001")
    assert totals() == spent(
        1, cost_usd=without_output, net_cost_usd=without_output, output_tokens=0, partial_calls=1, uncounted_calls=1
    )
    assert str(totals()) == "at least $0.001 in 1 call, 1 priced in part"


def test_asynchronous_calls_at_once(claude: FakeClaude, client: Anthropic) -> None:
    claude.answer(usage=USAGE, times=8)

    async def main() -> None:
        async with AsyncAnthropic(api_key="k", base_url=claude.url, **sdk_tracing(None)) as later:
            answers: list[Any] = [later.messages.create(**ASKED) for _ in range(8)]
            await asyncio.gather(*answers)

    asyncio.run(main())
    assert totals() == spent(8)


def test_a_batchs_results_are_counted_once_at_their_price_and_creating_one_costs_nothing(
    claude: FakeClaude, client: Anthropic
) -> None:
    claude.batch({"r0": Answer(usage=USAGE), "r1": Answer(usage=USAGE), "r2": failure(400)})
    requests: Any = [{"custom_id": f"r{n}", "params": ASKED} for n in range(3)]
    with claude_telemetry.label(feature="nightly"):
        batch = client.messages.batches.create(requests=requests)
    assert totals() == Totals(recording=True)
    for _ in range(2):
        assert len(list(client.messages.batches.results(batch.id))) == 3
        # Two answers at half the price, and an error that is free.
        assert totals() == spent(2, calls=3, errors=1, cost_usd=CENTS, net_cost_usd=CENTS)
    assert totals(by="feature") == {"nightly": totals()}


def test_what_a_session_asked_is_counted_once(claude: FakeClaude, client: Anthropic) -> None:
    usage = {**USAGE, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    session = claude.session(HAIKU, [Turn(requests=[usage, usage])])
    client.beta.sessions.retrieve(session)
    for _ in range(2):
        list(client.beta.sessions.events.list(session))
        assert totals() == spent(2)


def test_discounts_that_were_stated_are_in_the_net_cost_only(monkeypatch: pytest.MonkeyPatch) -> None:
    sums = adding.Sums()
    sums.add(adding.part_of({"cost_usd": CENTS, "net_cost_usd": Decimal("0.0012"), "input_tokens": 1}), {})
    sums.add(adding.part_of({"cost_usd": CENTS, "input_tokens": 1}), {})  # before there were any
    found = sums.totals(running=0, recording=True)
    assert (found.cost_usd, found.net_cost_usd) == (Decimal("0.003"), Decimal("0.0027"))
    assert str(found) == "$0.003 ($0.0027 net) in 2 calls"


# Whatever becomes of the calls


@pytest.mark.parametrize("settings", [{"export": False}, {"endpoint": NOBODY}])
@pytest.mark.parametrize("own", [True, False])
def test_neither_export_nor_a_sampler_nor_the_sdks_own_spans_change_the_sums(
    claude: FakeClaude, settings: Mapping[str, Any], own: bool
) -> None:
    provider = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    claude_telemetry.instrument(tracer_provider=provider, **settings)
    with Anthropic(api_key="k", base_url=claude.url, **sdk_tracing(None if own else provider)) as client:
        ask(claude, client)
    assert totals() == spent(1)


def test_what_is_delivered_is_held_no_longer(claude: FakeClaude, client: Anthropic) -> None:
    ask(claude, client)
    wait_until(lambda: not process.this.waiting, "the thread that delivers has added it up")
    assert totals() == spent(1)


def test_where_nothing_is_delivered_few_calls_wait(claude: FakeClaude, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "ROOM", 3)
    claude_telemetry.instrument(export=False)
    with Anthropic(api_key="k", base_url=claude.url, **sdk_tracing(None)) as client:
        for _ in range(9):
            ask(claude, client)
            assert len(process.this.waiting) <= 3
    assert totals() == spent(9)


def test_what_cannot_be_worked_out_is_unpriced(
    claude: FakeClaude, client: Anthropic, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr("claude_telemetry.guard._slips", Counter[str]())
        patched.setattr("claude_telemetry.guard.log.disabled", True)
        patched.setattr(capture_facts, "_facts_of", broken)
        with claude_telemetry.label(user="u_1"):
            ask(claude, client)
        worst = Totals(calls=1, unpriced_calls=1, uncounted_calls=1, recording=True)
        assert totals() == worst
        patched.setattr(adding, "picodollars", broken)
        patched.setattr("claude_telemetry.capture.recording.Recording.facts", broken)
        with claude_telemetry.label(user="u_1"):
            ask(claude, client)
        assert totals(by="user") == {
            "u_1": Totals(calls=2, unpriced_calls=2, uncounted_calls=2, recording=True),
        }
        patched.setattr("claude_telemetry.guard._slips", Counter[str]())


def test_eight_threads_call_while_another_asks(claude: FakeClaude, client: Anthropic) -> None:
    calls, each = 8, 5
    claude.answer(usage=USAGE, times=calls * each)
    ended: list[None] = []

    def work() -> None:
        for _ in range(each):
            client.messages.create(**ASKED)
            ended.append(None)

    threads = [threading.Thread(target=work) for _ in range(calls)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        before = len(ended)
        found = totals()
        assert before <= found.calls <= calls * each
        assert found == spent(found.calls, running=found.running)
        assert found.running <= calls
        threads[0].join(0.01)
    assert totals() == spent(calls * each)
    assert totals().output_tokens == sum(served.usage["output_tokens"] for served in claude.ledger)


def test_who_asks_in_the_midst_of_adding_up_gets_what_is_known(claude: FakeClaude, client: Anthropic) -> None:
    """A signal's handler, say, that tells what was spent before the process ends."""
    ask(claude, client)
    totals()
    seen: list[Totals] = []

    class Asks:
        ids = (1, 2, None)

        def facts(self) -> Mapping[str, Any]:
            seen.append(totals())
            return {"cost_usd": CENTS, "input_tokens": 1000, "output_tokens": 100}

    process.told(Asks())
    assert totals() == spent(2)
    assert seen == [spent(1)]


# By label


def test_totals_by_a_label_add_up_to_the_whole(claude: FakeClaude, client: Anthropic) -> None:
    for user in ("u_1", "u_2", "u_1"):
        with claude_telemetry.label(user=user, feature="chat", environment="staging"):
            ask(claude, client)
    ask(claude, client)
    with claude_telemetry.label(user="u_3"):
        claude.answer(usage=USAGE)
        stream = client.messages.create(stream=True, **ASKED)
        assert totals(by="user") == {
            "u_1": spent(2),
            "u_2": spent(1),
            "u_3": Totals(running=1, recording=True),
            None: spent(1),
        }
    list(stream)
    assert totals(by="feature") == {"chat": spent(3), None: spent(2)}
    assert totals(by="model") == {HAIKU: spent(5)}
    assert totals(by="tenant") == {None: spent(5)}
    assert set(totals(by="environment")) == {"staging", None}


def test_a_model_is_the_one_that_answered(claude: FakeClaude, client: Anthropic) -> None:
    claude.answer(usage=USAGE, model="claude-haiku-4-5-20251001")
    client.messages.create(**ASKED)
    claude.fail(400)
    with pytest.raises(APIStatusError):
        client.messages.create(**ASKED)
    assert totals(by="model") == {
        "claude-haiku-4-5-20251001": spent(1),
        HAIKU: Totals(calls=1, errors=1, recording=True),
    }


def test_only_so_many_values_are_told_apart_and_the_sum_stays_exact(
    claude: FakeClaude, client: Anthropic, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert adding.MOST == 10_000
    monkeypatch.setattr(adding, "MOST", 2)
    for user in ("u_1", "u_2", "u_3", "u_4", "u_1", "u_3"):
        with claude_telemetry.label(user=user):
            ask(claude, client)
    by_user = totals(by="user")
    assert by_user == {"u_1": spent(2), "u_2": spent(1), "_other": spent(3)}
    assert sum(each.cost_usd for each in by_user.values()) == totals().cost_usd == CENTS * 6


def test_what_totals_are_not_told_by_is_said_with_what_they_are() -> None:
    odd: Any = "user_id"
    with pytest.raises(LabelError, match="'user_id': give model, user, session"):
        totals(by=odd)


# A part of the application


def test_a_block_has_the_calls_that_begin_in_it(claude: FakeClaude, client: Anthropic) -> None:
    ask(claude, client)
    with tracking() as outer:
        ask(claude, client)
        with tracking() as inner, claude_telemetry.label(user="u_1"):
            ask(claude, client)
            claude.answer(usage=USAGE)
            stream = client.messages.create(stream=True, **ASKED)
            assert (inner.calls, inner.running, inner.cost_usd) == (1, 1, CENTS)
        ask(claude, client)
    ask(claude, client)
    list(stream)  # begun inside, read after
    assert inner.totals() == spent(2)
    assert inner.totals(by="user") == {"u_1": spent(2)}
    assert outer.totals() == spent(4)
    assert totals() == spent(6)
    assert str(inner) == "$0.003 in 2 calls"
    with inner:
        ask(claude, client)
    assert inner.calls == 3


def test_a_block_tells_each_fact_of_the_totals() -> None:
    facts = {each.name for each in fields(Totals)} | {"at_least", "total_tokens"}
    block = tracking()
    assert {name: getattr(block, name) for name in facts} == {name: getattr(Totals(), name) for name in facts}
    assert {name for name in vars(tracking) if not name.startswith("_")} == facts | {"totals"}


def test_tasks_and_threads_of_a_block_count_there_and_others_do_not(claude: FakeClaude, client: Anthropic) -> None:
    claude.answer(usage=USAGE, times=7)

    def ask_here() -> None:
        client.messages.create(**ASKED)

    def in_a_thread(function: Any) -> None:
        thread = threading.Thread(target=function)
        thread.start()
        thread.join()

    async def asked(later: AsyncAnthropic) -> None:
        await later.messages.create(**ASKED)

    async def main() -> tuple[Totals, Totals]:
        async with AsyncAnthropic(api_key="k", base_url=claude.url, **sdk_tracing(None)) as later:
            with tracking() as first:
                runs_on = asyncio.create_task(asked(later))
                await asyncio.to_thread(ask_here)
            with tracking() as second:
                await asked(later)
            await runs_on
        return first.totals(), second.totals()

    assert asyncio.run(main()) == (spent(2), spent(1))
    with tracking() as block:
        in_a_thread(claude_telemetry.carry(ask_here))
        with claude_telemetry.ThreadPoolExecutor() as pool:
            pool.submit(ask_here).result()
        in_a_thread(ask_here)  # a thread starts without any context
    assert block.totals() == spent(2)
    assert totals() == spent(6)


def test_blocks_may_end_in_any_order(claude: FakeClaude, client: Anthropic) -> None:
    def generator() -> Generator[tracking]:
        with tracking() as block:
            yield block

    steps = generator()
    first = next(steps)
    with tracking() as second:
        steps.close()
        ask(claude, client)
    ask(claude, client)
    assert (first.calls, second.calls) == (0, 1)


# The process


def test_before_instrument_nothing_is_recorded_and_that_is_said() -> None:
    program = """
import sys, claude_telemetry
assert "claude_telemetry.spending" not in sys.modules
with claude_telemetry.tracking() as spent: pass
for found in (claude_telemetry.totals(), spent.totals()):
    assert found == claude_telemetry.Totals(), found
    assert found.recording is False
    print(found)
assert claude_telemetry.totals(by="user") == {}
"""
    line = "nothing is recorded: claude_telemetry.instrument() was not called, or could not work"
    assert finished([started(program)]) == [f"{line}\n{line}"]


def test_what_was_spent_stays_when_recording_ends_and_begins_again(claude: FakeClaude, client: Anthropic) -> None:
    claude.answer(usage=USAGE)
    stream = client.messages.create(stream=True, **ASKED)
    ask(claude, client)
    claude_telemetry.uninstrument()
    list(stream)  # runs on
    ask(claude, client)  # nobody sees it
    assert totals() == spent(2, recording=False)
    assert str(totals()) == "$0.003 in 2 calls; not recording any more"
    claude_telemetry.instrument(endpoint=NOBODY)
    ask(claude, client)
    assert totals() == spent(3)


def test_the_child_of_a_fork_begins_with_nothing(claude: FakeClaude) -> None:
    program = """
import multiprocessing, sys
import anthropic, claude_telemetry
claude_telemetry.instrument(endpoint="http://127.0.0.1:9")
fork = multiprocessing.get_context("fork")
asked = dict(model="claude-haiku-4-5", max_tokens=9, messages=[{"role": "user", "content": "Hello"}])

def client():
    return anthropic.Anthropic(api_key="k", base_url=sys.argv[1])

def child(spent, stream):
    stream.close()  # the parent's call
    print("child", claude_telemetry.totals(), "|", spent)
    with client() as here: here.messages.create(**asked)
    print("child", claude_telemetry.totals().calls, claude_telemetry.totals().recording, spent.calls, flush=True)

with client() as here, claude_telemetry.tracking() as spent:
    for _ in range(2): here.messages.create(**asked)
    stream = here.messages.create(stream=True, **asked)
    process = fork.Process(target=child, args=(spent, stream))
    process.start()
    process.join()
    assert process.exitcode == 0
    list(stream)
    print("parent", claude_telemetry.totals().calls, spent.calls)
"""
    said = finished([started(program, claude.url)])[0].splitlines()
    assert said == ["child $0.00 in 0 calls | $0.00 in 0 calls", "child 1 True 1", "parent 3 3"]


OPERATIONS = (
    "post /v1/messages", "post /v1/complete", "post /v1/messages/count_tokens",
    "post /v1/messages/batches", "get /v1/messages/batches", "get /v1/messages/batches/b",
    "delete /v1/messages/batches/b",
    "post /v1/messages/batches/b/cancel", "get /v1/messages/batches/b/results",
    "post /v1/sessions", "get /v1/sessions/s", "get /v1/sessions/s/events",
)  # fmt: skip


def test_what_is_counted_as_a_call_is_what_the_pages_count() -> None:
    known = [operation for each in OPERATIONS if (operation := operation_of(*each.split()))]
    assert len(known) == len(OPERATIONS)
    assert {operation.name for operation in known if not operation.billed} == BOOKKEEPING
    assert {operation.name for operation in known if operation.billed} == {"chat", "text_completion"}
