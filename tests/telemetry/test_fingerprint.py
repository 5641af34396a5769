"""Two prompts can be compared by their fingerprints, and nothing of them can be read."""

from __future__ import annotations

import copy
import hashlib
import json
import logging
import stat
import threading
import tracemalloc
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

import anthropic
import pydantic
import pytest
from anthropic.types import TextBlock, ToolUseBlock
from hypothesis import given
from hypothesis import strategies as st

from claude_telemetry.capture.fingerprint import Fingerprint, Fingerprinter
from claude_telemetry.capture.fingerprint_key import FILE_NAME, fingerprint_key
from claude_telemetry.errors import SettingsError
from claude_telemetry.guard import slips
from claude_telemetry.settings import settle

KEY = b"a key that is not a secret"
MARK = {"cache_control": {"type": "ephemeral"}}
ASK = [{"role": "user", "content": "Hello"}]
WEATHER: dict[str, Any] = {
    "name": "weather",
    "description": "The weather at a place",
    "input_schema": {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]},
}
TIME: dict[str, Any] = {"name": "time", "input_schema": {"type": "object"}}


def of(**body: Any) -> Fingerprint:
    """By a fingerprinter that has seen nothing before. A failure inside it fails the test."""
    before = slips()
    found = Fingerprinter(KEY).of({"model": "claude-haiku-4-5", "max_tokens": 100, **body})
    assert slips() == before
    return found


def text(of_it: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": of_it, **more}


def user(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


# What is the same prompt


def test_a_system_prompt_as_text_or_as_blocks_is_the_same() -> None:
    as_text = of(system="Be kind.", messages=ASK)
    assert of(system=[text("Be kind.")], messages=ASK) == as_text
    assert of(system=(text("Be kind.", citations=None),), messages=ASK) == as_text
    assert of(system=[text("Be "), text("kind.")], messages=ASK) != as_text
    assert of(system=[text("Be kind.", citations=[{"type": "char_location"}])], messages=ASK) != as_text


def test_a_cache_marker_or_its_lifetime_is_no_part_of_the_prompt() -> None:
    plain = of(system="Be kind.", tools=[WEATHER])
    marked = of(
        system=[text("Be kind.", cache_control={"type": "ephemeral", "ttl": "1h"})], tools=[{**WEATHER, **MARK}]
    )
    assert marked[:3] == plain[:3]
    assert of(system=[text("Be kind.", **MARK)], tools=[{**WEATHER, **MARK}]) == marked


def test_each_part_has_its_own_fingerprint_and_the_prompt_has_both() -> None:
    base = of(system="Be kind.", tools=[WEATHER])
    other_system, other_tools = of(system="Be terse.", tools=[WEATHER]), of(system="Be kind.", tools=[TIME])
    assert other_system.tools == base.tools
    assert other_tools.system == base.system
    assert len({base.system, other_system.system}) == 2
    assert len({base.tools, other_tools.tools}) == 2
    assert len({base.prompt, other_system.prompt, other_tools.prompt}) == 3


def test_what_is_absent_has_none_and_messages_are_no_fixed_part() -> None:
    assert of(messages=ASK) == of(messages=ASK, system="", tools=[]) == of(messages=ASK, system=None) == Fingerprint()
    only_system = of(system="Be kind.", messages=ASK)
    assert only_system.tools is None
    assert only_system.prompt is not None
    assert of(system="Be kind.", messages=[{"role": "user", "content": "Bye"}]) == only_system


def test_what_the_sdk_leaves_out_is_absent() -> None:
    assert of(messages=ASK, system=anthropic.NOT_GIVEN, tools=anthropic.NOT_GIVEN) == Fingerprint()
    omit = getattr(anthropic, "omit", anthropic.NOT_GIVEN)
    assert of(messages=ASK, system=omit, tools=omit) == Fingerprint()


def test_the_order_of_tools_and_of_keys_in_a_schema_counts_but_not_how_a_tool_is_written_down() -> None:
    base = of(tools=[WEATHER, TIME])
    assert of(tools=[TIME, WEATHER]) != base
    schema = {name: WEATHER["input_schema"][name] for name in reversed(WEATHER["input_schema"])}
    assert of(tools=[{**WEATHER, "input_schema": schema}, TIME]) != base
    backwards = {name: WEATHER[name] for name in reversed(WEATHER)}
    assert of(tools=(backwards, {**TIME, "description": None})) == base
    with_tuple = {**WEATHER, "input_schema": {**WEATHER["input_schema"], "required": ("at",)}}
    assert of(tools=[with_tuple, TIME]) == base


def test_a_text_of_a_class_of_its_own_is_its_text() -> None:
    class Unhashable(str):
        __slots__ = ()
        __hash__ = None  # type: ignore[assignment] # pyright: ignore[reportAssignmentType] - which `str` does not do

    class Prompts(StrEnum):
        KIND = "Be kind."

    assert (
        of(system=Unhashable("Be kind."))
        == of(system=Prompts.KIND)
        == of(system="Be kind.")
        == of(system=[text(Prompts.KIND)])
    )
    assert of(tools=[{**TIME, "name": Prompts.KIND}]) == of(tools=[{**TIME, "name": "Be kind."}])


def test_a_changed_list_is_seen_although_it_is_the_same_list() -> None:
    fingerprinter, tools = Fingerprinter(KEY), [copy.deepcopy(WEATHER)]
    before = fingerprinter.of({"tools": tools})
    tools[0]["input_schema"]["required"].append("when")
    after = fingerprinter.of({"tools": tools})
    assert after != before
    tools[0]["input_schema"]["required"].pop()
    assert fingerprinter.of({"tools": tools}) == before


# What can be read from it


def test_it_is_sixteen_hexadecimal_digits_and_another_key_gives_others() -> None:
    ours = of(system="Be kind.", tools=[{**WEATHER, **MARK}])
    theirs = Fingerprinter(b"another").of({"system": "Be kind.", "tools": [{**WEATHER, **MARK}]})
    for mine, other in zip((*ours[:3], *ours.cache_prefixes), (*theirs[:3], *theirs.cache_prefixes), strict=True):
        assert mine is not None
        assert len(bytes.fromhex(mine)) == 8
        assert mine != other


def test_it_is_the_same_on_every_host_and_version_of_python() -> None:
    # Worked out from the description in docs/decisions/prompt-fingerprint.md.
    key = hashlib.blake2b(KEY, digest_size=32).digest()

    def unit(data: bytes, person: bytes) -> bytes:
        return hashlib.blake2b(data, key=key, digest_size=16, person=person).digest()

    def name(data: bytes, person: bytes) -> str:
        return hashlib.blake2b(data, key=key, digest_size=8, person=person).hexdigest()

    def tag(word: bytes) -> bytes:
        return word + bytes(16 - len(word))

    system = unit(b"Be kind.", b"text")
    tools = unit(b'{"input_schema":{"type":"object"},"name":"time"}', b"block")
    assert of(system="Be kind.", tools=[TIME], messages=[user(text("Hi", **MARK))]) == Fingerprint(
        prompt=name(tag(b"tools") + tools + tag(b"system") + system, b"prompt"),
        system=name(system, b"system"),
        tools=name(tools, b"tools"),
        cache_prefixes=(
            name(
                tag(b"tools") + tools + tag(b"system") + system
                + tag(b"message") + unit(b"user", b"text") + unit(b"Hi", b"text"),
                b"prefix",
            ),
        ),
    )  # fmt: skip


# Cache prefixes


def test_there_is_a_prefix_for_each_marker_in_the_order_of_the_cache() -> None:
    body: dict[str, Any] = {
        "messages": [user(text("Hello", **MARK))],
        "system": [text("Be kind.", **MARK), text("Today is Friday.")],
        "tools": [WEATHER, {**TIME, **MARK}],
    }
    prefixes = of(**body).cache_prefixes
    assert len(set(prefixes)) == 3
    later = {**body, "messages": [user(text("Bye", **MARK))]}
    assert of(**later).cache_prefixes[:2] == prefixes[:2]
    assert of(**later).cache_prefixes[2] != prefixes[2]
    other_day = {**body, "system": [body["system"][0], text("Today is Saturday.")]}
    assert of(**other_day).cache_prefixes[:2] == prefixes[:2]
    assert of(**other_day).cache_prefixes[2] != prefixes[2]
    fewer_tools = {**body, "tools": [{**TIME, **MARK}]}
    assert not set(of(**fewer_tools).cache_prefixes) & set(prefixes)


def test_a_conversation_that_goes_on_has_the_prefix_of_the_turn_before() -> None:
    first = of(system="Be kind.", messages=[user(text("Hello", **MARK))])
    second = of(
        system="Be kind.",
        messages=[
            user(text("Hello", **MARK)),
            {"role": "assistant", "content": "Hi!"},
            user(text("How are you?", **MARK)),
        ],
    )
    assert second.cache_prefixes[0] == first.cache_prefixes[0]
    assert len(set(second.cache_prefixes)) == 2
    said_by_another = of(system="Be kind.", messages=[{**user(text("Hello", **MARK)), "role": "assistant"}])
    assert said_by_another.cache_prefixes != first.cache_prefixes


def test_without_a_marker_there_is_none() -> None:
    assert of(system="Be kind.", tools=[WEATHER], messages=[user(text("Hello", cache_control=None))])[3] == ()


def test_the_automatic_marker_is_one_on_the_last_block_that_can_have_it() -> None:
    said = [user(text("Hello")), {"role": "assistant", "content": [text("Hm"), {"type": "thinking", "thinking": "?"}]}]
    marked = [said[0], {**said[1], "content": [text("Hm", **MARK), said[1]["content"][1]]}]
    assert of(messages=said, **MARK).cache_prefixes == of(messages=marked).cache_prefixes != ()
    assert of(messages=marked, **MARK).cache_prefixes == of(messages=marked).cache_prefixes
    explicit = of(system=[text("Be kind.", **MARK)], messages=[user(text("Hello", **MARK))]).cache_prefixes
    assert of(system=[text("Be kind.", **MARK)], messages=ASK, **MARK).cache_prefixes == explicit
    assert len(explicit) == 2


def test_a_marker_within_a_tools_result_ends_a_prefix_there() -> None:
    def result(*blocks: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {"type": "tool_result", "tool_use_id": "toolu_1", "content": list(blocks), **more}

    inside = of(messages=[user(result(text("rain", **MARK), text("wind")))]).cache_prefixes
    behind = of(messages=[user(result(text("rain"), text("wind"), **MARK))]).cache_prefixes
    assert len(inside) == len(behind) == 1
    assert inside != behind
    assert of(messages=[user(result(text("rain", **MARK), text("snow")))]).cache_prefixes == inside
    as_text = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "rain", **MARK}
    assert of(messages=[user(as_text)]).cache_prefixes == of(messages=[user(result(text("rain"), **MARK))])[3]
    empty = {"type": "tool_result", "tool_use_id": "toolu_1"}
    assert of(messages=[user(empty, text("rain", **MARK))])[3] != of(messages=[user(as_text)])[3]
    assert of(messages=[user(result(text("rain")), text("wind", **MARK))]).cache_prefixes != behind


def test_a_tool_that_is_loaded_when_it_is_searched_for_breaks_no_cache() -> None:
    system = [text("Be kind.", **MARK)]
    few = of(system=system, tools=[WEATHER])
    more = of(system=system, tools=[WEATHER, {**TIME, "defer_loading": True}])
    assert more.cache_prefixes == few.cache_prefixes
    assert more.tools != few.tools
    assert of(system=system, tools=[WEATHER, TIME]).cache_prefixes != few.cache_prefixes


def test_an_image_is_told_from_another() -> None:
    def image(data: str, media_type: str = "image/png") -> dict[str, Any]:
        return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}, **MARK}

    found = [of(messages=[user(shown)])[3] for shown in (image("aaaa"), image("bbbb"), image("aaaa", "image/gif"))]
    assert len(set(found)) == 3
    assert of(messages=[user(image("aaaa"))])[3] == found[0]


def test_blocks_of_an_earlier_answer_can_be_passed_back_as_the_sdk_made_them() -> None:
    def said(*content: Any) -> tuple[str, ...]:
        return of(messages=[*ASK, {"role": "assistant", "content": content}, user(text("And?", **MARK))])[3]

    as_models = said(
        TextBlock.construct(type="text", text="Rain", citations=None),
        ToolUseBlock(type="tool_use", id="toolu_1", name="weather", input={"at": "Rome", "on": [1, None]}),
    )
    as_dicts = said(
        {"type": "text", "text": "Rain"},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"at": "Rome", "on": [1, None]}},
    )
    assert as_models == as_dicts != ()


def test_a_model_that_cannot_be_sent_is_not_looked_at() -> None:
    class Odd(pydantic.BaseModel):
        thing: Any

    assert of(system=[Odd(thing=object())], tools=[WEATHER]) == Fingerprint(tools=of(tools=[WEATHER]).tools)


def test_of_a_thread_that_the_server_holds_no_prefix_is_known() -> None:
    messages = [user(text("Hello", **MARK))]
    assert of(messages=messages, thread={"type": "continue", "previous_message_id": "msg_1"}).cache_prefixes == ()
    assert len(of(messages=messages, thread={"type": "create"}).cache_prefixes) == 1


# What is not ours to read


def test_an_iterator_is_left_to_the_sdk_and_the_rest_is_known() -> None:
    def items(*given: Any) -> Iterator[Any]:
        yield from given

    messages, system, tools = items(*ASK), items(text("Be kind.")), items(WEATHER)
    found = of(system=[text("Be kind.", **MARK)], tools=[WEATHER], messages=messages)
    assert found == of(system=[text("Be kind.", **MARK)], tools=[WEATHER], messages=[])
    assert len(found.cache_prefixes) == 1

    assert of(system=system, tools=[{**WEATHER, **MARK}]) == Fingerprint(
        tools=of(tools=[WEATHER]).tools, cache_prefixes=of(tools=[{**WEATHER, **MARK}]).cache_prefixes
    )
    assert of(system=[text("Be kind.", **MARK)], tools=tools) == Fingerprint(system=of(system="Be kind.").system)
    inner = items("at")
    assert of(tools=[{**WEATHER, "input_schema": {"required": inner}}]) == Fingerprint()
    assert [list(messages), len(list(system)), len(list(tools)), list(inner)] == [ASK, 1, 1, ["at"]]


def test_prefixes_before_an_iterator_are_known_and_those_after_it_are_not() -> None:
    content = iter([text("unread")])
    before, after = user(text("Hello", **MARK)), user(text("Bye", **MARK))
    found = of(messages=[before, {"role": "user", "content": content}, after])
    assert found.cache_prefixes == of(messages=[before]).cache_prefixes
    assert len(list(content)) == 1


def test_what_has_no_end_or_is_no_json_is_no_failure() -> None:
    circle: dict[str, Any] = {"type": "object"}
    circle["properties"] = circle
    assert of(tools=[{**TIME, "input_schema": circle}]) == Fingerprint()
    assert of(tools=[{**TIME, "input_schema": {1, 2}}], system=b"bytes") == Fingerprint()
    assert of(system=[1, "text"], tools=WEATHER.items()) == Fingerprint()
    assert of(messages=[None, 1, "Hello", {"content": [text("x", **MARK)]}]) == Fingerprint()
    assert Fingerprinter(KEY).of(iter([1])) == Fingerprint()  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - no body
    assert of(messages=[user({"type": [], "cache_control": {}})], **MARK).cache_prefixes != ()
    half_a_pair = of(system="\ud83d")
    assert half_a_pair.system is not None


def test_a_failure_inside_is_counted_and_gives_none() -> None:
    class Hostile(list[object]):
        def __len__(self) -> int:
            raise RuntimeError

        __bool__ = __len__

    before = slips().get("fingerprint a prompt", 0)
    assert Fingerprinter(KEY).of({"system": Hostile()}) == Fingerprint()
    assert slips()["fingerprint a prompt"] == before + 1


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)
_marks: st.SearchStrategy[dict[str, Any]] = st.sampled_from([{}, {}, MARK, {"cache_control": None}])
_words = st.text(max_size=8)


@st.composite
def _blocks(draw: st.DrawFn) -> dict[str, Any]:
    kinds: list[dict[str, Any]] = [
        {"type": "text", "text": draw(_words)},
        {"type": "tool_use", "id": "t", "name": "n", "input": draw(_json)},
        {"type": "tool_result", "tool_use_id": "t", "content": draw(_words)},
    ]
    return {**draw(st.sampled_from(kinds)), **draw(_marks)}


@st.composite
def _bodies(draw: st.DrawFn) -> dict[str, Any]:
    content = _words | st.lists(_blocks(), max_size=3)
    roles = draw(st.lists(st.sampled_from(["user", "assistant"]), max_size=4))
    schemas = draw(st.lists(_json, max_size=3))
    return {
        "system": draw(content),
        "tools": [{"name": "n", "input_schema": schema, **draw(_marks)} for schema in schemas],
        "messages": [{"role": role, "content": draw(content)} for role in roles],
        **draw(_marks),
    }


_warm = Fingerprinter(KEY)


@given(_bodies())
def test_what_goes_over_the_wire_the_same_has_the_same_fingerprint_and_is_not_changed(body: dict[str, Any]) -> None:
    before = copy.deepcopy(body)
    found = of(**body)
    assert body == before
    assert of(**json.loads(json.dumps(body))) == found
    assert _warm.of(body) == found  # also by one that has seen much before
    markers = json.dumps(body["system"]).count('"ephemeral"') + json.dumps(body["tools"]).count('"ephemeral"')
    assert len(found.cache_prefixes) >= markers


@given(st.dictionaries(st.sampled_from(["system", "tools", "messages", "cache_control", "thread"]), _json))
def test_no_body_whatever_it_holds_is_a_failure(body: dict[str, Any]) -> None:
    of(**body)


def test_prompts_that_differ_every_time_take_no_more_memory() -> None:
    fingerprinter = Fingerprinter(KEY)
    tracemalloc.start()
    try:
        for number in range(1000):
            fingerprinter.of({"system": f"{number}" * 8000, "tools": [{**TIME, "description": f"{number}" * 2000}]})
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 6_000_000  # of some 30 MB


# The key


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    return {"CLAUDE_TELEMETRY_DATA": str(tmp_path / "data")}


def test_the_key_is_what_the_setting_says() -> None:
    environ = {"CLAUDE_TELEMETRY_FINGERPRINT_KEY": "the same everywhere"}
    assert fingerprint_key(settle("instrument", {}, environ), environ) == b"the same everywhere"


def test_else_it_is_made_once_and_kept_for_its_owner_only(home: dict[str, str]) -> None:
    key = fingerprint_key({}, home)
    assert len(key) == 32
    assert fingerprint_key({}, home) == key
    folder = Path(home["CLAUDE_TELEMETRY_DATA"])
    assert [file.name for file in folder.iterdir()] == [FILE_NAME]
    assert stat.S_IMODE((folder / FILE_NAME).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_processes_that_start_at_once_take_the_same_key(home: dict[str, str]) -> None:
    ready, keys = threading.Barrier(8), list[bytes]()

    def start() -> None:
        ready.wait()
        keys.append(fingerprint_key({}, home))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8
    assert len(set(keys)) == 1


@pytest.mark.parametrize("case", ["no folder can be made", "no home", "open to others", "cut short"])
def test_where_no_key_can_be_kept_there_is_one_for_this_process(
    case: str, home: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = b"" if case in ("no folder can be made", "no home") else fingerprint_key({}, home)
    file = tmp_path / "data" / FILE_NAME
    if case == "no folder can be made":
        (tmp_path / "data").write_text("")
    elif case == "no home":
        home = {"CLAUDE_TELEMETRY_DATA": "~nobody-of-this-name/data"}
    elif case == "open to others":
        file.chmod(0o644)
    else:
        file.write_bytes(kept[:31])
    with caplog.at_level(logging.INFO, "claude_telemetry"):
        key = fingerprint_key({}, home)
    assert len(key) == 32
    assert key != kept
    assert fingerprint_key({}, home) == key
    assert {record.levelno for record in caplog.records} == {logging.INFO}
    assert "cannot be compared with those of others" in caplog.text


def test_fingerprints_can_be_turned_off_and_the_key_has_no_flag() -> None:
    assert settle("instrument", {}, {})["fingerprint"] is True
    assert settle("instrument", {}, {"CLAUDE_TELEMETRY_FINGERPRINT": "off"})["fingerprint"] is False
    with pytest.raises(SettingsError, match="CLAUDE_TELEMETRY_FINGERPRINT is 'maybe': give on or off"):
        settle("instrument", {}, {"CLAUDE_TELEMETRY_FINGERPRINT": "maybe"})
