"""Bodies of usual spans are checked at a glance, and come to what a close look comes to."""

from __future__ import annotations

import pytest

from claude_telemetry_collector.receive import otlp, protobuf
from claude_telemetry_collector.receive.items import Checked
from claude_telemetry_collector.receive.refusal import Refusal
from tests.support.calls import a_call
from tests.support.odd_bodies import odd_bodies
from tests.support.spans import a_body, as_protobuf, our_span


def a_protobuf(calls: int) -> bytes:
    return as_protobuf(a_body([our_span(a_call().record) for _ in range(calls)]))


def outcome(body: bytes) -> Checked | tuple[int, str]:
    try:
        return otlp.check("traces", "protobuf", body)
    except Refusal as refusal:
        return refusal.status, refusal.sentence


def test_usual_spans_need_no_close_look(monkeypatch: pytest.MonkeyPatch) -> None:
    body = a_protobuf(3)
    monkeypatch.setattr(protobuf, "_at_once", None)

    assert outcome(body) == Checked(body, kept=3)


def test_a_large_body_is_given_to_the_parser_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protobuf, "AT_ONCE_BYTES", 2000)
    body = a_protobuf(20)
    shape = protobuf._SHAPES["traces"]  # pyright: ignore[reportPrivateUsage]
    sizes: list[int] = []

    def parse(data: bytes) -> object:
        sizes.append(len(data))
        return shape.parse(data)

    monkeypatch.setitem(protobuf._SHAPES, "traces", type(shape)(parse, shape.names))  # pyright: ignore[reportPrivateUsage]

    assert outcome(body) == Checked(body, kept=20)
    assert len(sizes) > 5
    assert max(sizes) < 5000


@pytest.mark.parametrize("seed", range(2))
def test_a_glance_comes_to_what_a_close_look_comes_to(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    bodies = odd_bodies(seed, 300)
    bodies += [body[: len(body) // 2] for body in bodies] + [body + b"\x0a\x02\x12\x05" for body in bodies]
    at_a_glance = [outcome(body) for body in bodies]

    def none_is_usual(body: bytes) -> None:
        del body

    with monkeypatch.context() as closely:
        closely.setattr(protobuf, "_usual_spans", none_is_usual)
        assert at_a_glance == [outcome(body) for body in bodies]
