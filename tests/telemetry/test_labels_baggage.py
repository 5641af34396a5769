"""Labels go from process to process as baggage: those that are meant to, and never to Anthropic."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Generator, Iterator, Mapping, MutableMapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import anthropic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage, context, propagate, trace
from opentelemetry.sdk.trace import TracerProvider

from claude_telemetry import clear_labels, label, prompt, set_labels
from claude_telemetry.fake import FakeClaude
from claude_telemetry.guard import slips
from claude_telemetry.labels import DEFAULT_ALLOWED, allow_baggage, current_labels, handed_on, keep_from_anthropic


@pytest.fixture(autouse=True)
def by_default() -> Iterator[None]:
    """What is allowed by default; and each test in a context of its own."""
    allow_baggage()
    before = context.get_current()
    yield
    clear_labels()
    context.attach(before)
    allow_baggage(())


@contextmanager
def arriving(**headers: str) -> Generator[None]:
    """What an instrumented web framework does around a request with these headers."""
    token = context.attach(propagate.extract(headers))
    yield
    context.detach(token)


def leaving() -> dict[str, str]:
    """The headers that an instrumented HTTP client would write into a request to another service."""
    headers: dict[str, str] = {}
    propagate.inject(headers)
    return headers


@contextmanager
def sending(headers: MutableMapping[str, str]) -> Generator[None]:
    """What the hook does around a request to Anthropic."""
    kept = keep_from_anthropic(headers)
    try:
        yield
    finally:
        if kept is not None:
            kept.over()


def entries() -> Mapping[str, object]:
    return dict(baggage.get_all())


def test_incoming_baggage_of_allowed_names_labels_calls() -> None:
    with arriving(baggage="user.id=ann,session.id=s%201,cart=7,claude.tenant=acme,claude.tags.tier=gold"):
        assert current_labels() == {
            "user_id": "ann",
            "session_id": "s 1",
            "tenant": "acme",
            "tags": '{"tier":"gold"}',
        }
    assert current_labels() == {}


def test_a_label_says_it_over_baggage_and_takes_it_off_with_an_empty_text() -> None:
    with arriving(baggage="user.id=ann,session.id=s1,claude.tags.tier=gold,claude.tags.beta=yes"):
        with label(user="bob", session="", tags={"tier": "silver"}):
            assert current_labels() == {"user_id": "bob", "tags": '{"beta":"yes","tier":"silver"}'}
        with label(prompt="summary"), arriving(baggage="claude.prompt=other,claude.prompt_version=9"):
            assert current_labels()["prompt_name"] == "summary"
            assert "prompt_version" not in current_labels()


def test_the_allow_list_may_be_the_applications_own_and_what_is_no_label_is_a_tag() -> None:
    allow_baggage(["session.id", " plan "])
    with arriving(baggage="user.id=ann,session.id=s1,plan=pro,claude.tenant=acme,claude.tags.tier=gold"):
        assert current_labels() == {"session_id": "s1", "tags": '{"plan":"pro"}'}


@pytest.mark.parametrize("names", [(), ("none",), ("",)])
def test_no_baggage_is_read_when_none_is_allowed(names: Sequence[str]) -> None:
    allow_baggage(names)
    with arriving(baggage="user.id=ann,claude.tenant=acme"):
        assert current_labels() == {}


def test_our_own_name_says_it_more_exactly_in_any_order() -> None:
    for header in ("claude.user=bob,user.id=ann", "user.id=ann,claude.user=bob"):
        with arriving(baggage=header):
            assert current_labels() == {"user_id": "bob"}


def test_what_comes_from_elsewhere_is_bounded() -> None:
    tags = ",".join(f"claude.tags.t{n}=x" for n in range(100))
    with arriving(baggage=f"user.id={'u' * 3000},claude.tags.{'n' * 100}={'v' * 1000},{tags},claude.tags.=x"):
        labels = current_labels()
    assert labels["user_id"] == "u" * 512
    assert labels["tags"].count(":") == 32
    assert len(labels["tags"]) < 1000


def test_the_properties_of_an_entry_are_not_part_of_the_label() -> None:
    with arriving(baggage="user.id=ann;ttl=5 ;secure"):
        assert current_labels() == {"user_id": "ann"}


def test_whatever_an_application_put_into_its_baggage_is_read_or_left() -> None:
    before = slips()
    there = baggage.set_baggage("user.id", 42)
    there = baggage.set_baggage("session.id", object(), there)
    token = context.attach(baggage.set_baggage("claude.feature", "\ud83d", there))
    assert current_labels() == {"user_id": "42", "feature": "?"}
    context.detach(token)
    assert slips() == before


def test_labels_are_handed_on_when_asked_and_read_on_the_other_side() -> None:
    summary = prompt("summary", "Summarise.")
    with label(user="ann;b", feature="chät", prompt=summary, tags={"tier": "gold"}, propagate=True):
        headers = leaving()
        here = current_labels()
    assert headers["baggage"].startswith("claude.user=ann%3Bb,claude.feature=ch%C3%A4t,claude.prompt=summary,")
    with arriving(**headers):
        assert current_labels() == here
    assert leaving() == {}


def test_labels_are_not_handed_on_unasked_and_what_is_of_the_process_never() -> None:
    with label(user="ann", tags={"tier": "gold"}):
        assert leaving() == {}
    with label(environment="staging", api_key_alias="jobs", propagate=True):
        assert leaving() == {}


def test_what_is_handed_on_is_never_an_outer_labels_value() -> None:
    with label(user="ann", tenant="acme", tags={"tier": "gold"}, propagate=True):
        with label(user="bob", tags={"tier": "silver"}):
            assert entries() == {"claude.tenant": "acme"}
        with label(user="bob", propagate=True):
            assert entries() == {"claude.user": "bob", "claude.tenant": "acme", "claude.tags.tier": "gold"}
        with label(user=""):
            assert entries() == {"claude.tenant": "acme", "claude.tags.tier": "gold"}
        assert entries() == {"claude.user": "ann", "claude.tenant": "acme", "claude.tags.tier": "gold"}


def test_the_applications_own_baggage_stays_as_it_is() -> None:
    with arriving(baggage="user.id=upstream,cart=7"):
        with label(user="ann", propagate=True):
            assert entries() == {"user.id": "upstream", "cart": "7", "claude.user": "ann"}
        assert entries() == {"user.id": "upstream", "cart": "7"}


def test_what_another_process_handed_on_goes_further_and_comes_back_when_ours_is_left() -> None:
    with arriving(baggage="claude.user=ann"):
        with label(feature="chat"):
            assert entries() == {"claude.user": "ann"}
        with label(user="bob"):
            assert entries() == {}
        assert entries() == {"claude.user": "ann"}


def test_set_labels_hands_on_what_it_is_asked_to_and_no_more() -> None:
    with label(user="ann"):
        set_labels(tenant="acme", propagate=True)
        assert entries() == {"claude.tenant": "acme"}
    assert entries() == {}
    with label(user="ann", propagate=True):
        set_labels(user="bob", propagate=True)
        set_labels(tenant="acme", propagate=True)
        assert entries() == {"claude.user": "bob", "claude.tenant": "acme"}
    assert entries() == {}
    set_labels(session="s1", propagate=True)
    with label(user="bob", propagate=True):
        clear_labels()
    assert entries() == {}


def test_steps_of_a_decorated_generator_hand_labels_on_inside_only() -> None:
    @label(user="ann")
    def steps() -> Iterator[Mapping[str, object]]:
        yield entries()
        set_labels(tenant="acme", propagate=True)
        yield entries()
        yield entries()

    seen: list[tuple[Mapping[str, object], Mapping[str, object]]] = [(inside, entries()) for inside in steps()]
    assert seen == [({}, {}), ({"claude.tenant": "acme"}, {}), ({"claude.tenant": "acme"}, {})]


def test_a_label_that_is_left_in_another_context_says_nothing_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    entered = label(user="ann", propagate=True)
    contextvars.copy_context().run(entered.__enter__)
    entered.__exit__(None, None, None)
    assert (entries(), caplog.text) == ({}, "")


TEXTS = st.sampled_from([None, "", "a", "b"])
LABELS = st.fixed_dictionaries({"user": TEXTS, "tenant": TEXTS, "propagate": st.booleans()})


@given(st.lists(LABELS, max_size=6))
def test_in_any_nesting_the_innermost_word_holds_and_only_what_it_hands_on_goes_out(said: list[dict[str, Any]]) -> None:
    before = entries()
    with ExitStack() as blocks:
        for labels in said:
            blocks.enter_context(label(**labels))
        for name, column in (("user", "user_id"), ("tenant", "tenant")):
            last = next((labels for labels in reversed(said) if labels[name] is not None), None)
            assert current_labels().get(column) == ((last[name] or None) if last else None)
            asked = last is not None and last["propagate"] and last[name]
            assert entries().get(f"claude.{name}") == (last[name] if last and asked else None)
    assert (entries(), dict(current_labels())) == (before, {})


# Kept from Anthropic


def test_whether_labels_are_handed_on_is_known_of_each_context() -> None:
    assert not handed_on()
    with label(user="ann"), arriving(baggage="user.id=bob,cart=7"):
        assert not handed_on()
        with label(user="ann", propagate=True):
            assert handed_on()
        assert not handed_on()
    with arriving(baggage="claude.tags.tier=gold"):
        assert handed_on()


def test_what_was_handed_on_is_taken_off_the_headers_and_off_the_context_while_sending() -> None:
    with arriving(baggage="cart=7"), label(user="ann", tags={"tier": "gold"}, propagate=True):
        headers = {**leaving(), "x-other": "stays"}
        with sending(headers):
            assert headers == {"baggage": "cart=7", "x-other": "stays"}
            assert leaving() == {"baggage": "cart=7"}
            assert current_labels() == {"user_id": "ann", "tags": '{"tier":"gold"}'}
        assert entries() == {"cart": "7", "claude.user": "ann", "claude.tags.tier": "gold"}


def test_a_header_that_held_nothing_else_goes() -> None:
    with label(user="ann", propagate=True):
        headers = leaving()
        with sending(headers):
            assert headers == {}


def test_what_another_process_handed_on_is_kept_as_well() -> None:
    with arriving(baggage="claude.user=ann"):
        headers = leaving()
        with sending(headers):
            assert (headers, leaving()) == ({}, {})


def test_headers_that_other_propagators_write_for_each_entry_go_too() -> None:
    headers = {"uberctx-claude.user": "ann", "ot-baggage-claude.tags.tier": "gold", "uberctx-cart": "7"}
    with label(user="ann", tags={"tier": "gold"}, propagate=True), sending(headers):
        assert headers == {"uberctx-cart": "7"}


def test_without_labels_handed_on_headers_are_left_to_the_letter() -> None:
    headers = {"baggage": "user.id = ann , cart=7;x=1"}
    with arriving(**headers), label(user="bob"), sending(headers):
        assert headers == {"baggage": "user.id = ann , cart=7;x=1"}


def test_sending_leaves_the_trace_alone() -> None:
    tracer = TracerProvider().get_tracer("test")
    with label(user="ann", propagate=True), tracer.start_as_current_span("request") as span:
        with sending({}):
            assert trace.get_current_span() is span
        assert trace.get_current_span() is span


def test_a_coroutine_that_is_closed_elsewhere_while_sending_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def send() -> None:
        with sending({}):
            await asyncio.sleep(0)

    with label(user="ann", propagate=True):
        abandoned = send()
        contextvars.copy_context().run(abandoned.send, None)
        abandoned.close()
        assert entries() == {"claude.user": "ann"}
    assert caplog.text == ""


class KeepingClient(anthropic.DefaultHttpxClient):
    """Sends as our hook does, and shows what went out."""

    def __init__(self) -> None:
        super().__init__(event_hooks={"request": [self._note]})
        self.sent: list[dict[str, str]] = []

    def _note(self, request: Any) -> None:
        self.sent.append(dict(request.headers))

    def send(self, request: Any, **kwargs: Any) -> Any:
        with sending(request.headers):
            return super().send(request, **kwargs)


def test_a_request_of_the_sdk_holds_the_applications_baggage_and_no_label(claude: FakeClaude) -> None:
    with (
        KeepingClient() as http,
        anthropic.Anthropic(base_url=claude.url, api_key="any", http_client=http) as client,
        arriving(baggage="cart=7"),
        label(user="ann", propagate=True),
    ):
        client.messages.create(model="claude-haiku-5-5", max_tokens=9, messages=[{"role": "user", "content": "hi"}])
    # An SDK without tracing of its own, or with it switched off, sends no baggage at all.
    assert http.sent[0].get("baggage", "cart=7") == "cart=7"
    assert "ann" not in str(http.sent)


def test_the_default_is_what_the_guide_says() -> None:
    assert DEFAULT_ALLOWED == ("user.id", "session.id", "claude.*")
