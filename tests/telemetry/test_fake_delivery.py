"""How the stand-in's answers go over the wire: encodings, line ends, odd pieces; the SDK reads them all the same."""

from __future__ import annotations

import sys
from typing import Any

import anthropic
import pytest
from anthropic.types import MessageParam

from claude_telemetry.fake import Delivery, FakeClaude
from claude_telemetry.fake.delivery import Encoding

ASK: list[MessageParam] = [{"role": "user", "content": "Hi"}]
MODEL = "claude-haiku-5-5"
TEXT = "one two three four five six seven eight"


def delivered(**how: Any) -> Delivery:
    """A delivery; the test is skipped where no package makes its encoding."""
    try:
        return Delivery(**how)
    except ValueError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("encoding", [None, "gzip", "deflate", "br", "zstd"])
@pytest.mark.parametrize("pieces", [(), (1,), (7, 100, 3)])
def test_an_answer_is_the_same_in_every_encoding_and_in_every_pieces(
    encoding: Encoding | None, pieces: tuple[int, ...]
) -> None:
    delivery = delivered(encoding=encoding, pieces=pieces)
    accepted = {"accept-encoding": encoding or "identity"}
    with FakeClaude(delivery=delivery) as claude:
        for _ in range(2):
            claude.answer(TEXT)
        with anthropic.Anthropic(api_key="any", base_url=claude.url, default_headers=accepted) as client:
            raw = client.messages.with_raw_response.create(model=MODEL, max_tokens=99, messages=ASK)
            with client.messages.stream(model=MODEL, max_tokens=99, messages=ASK) as stream:
                streamed = stream.get_final_text()
                headers = stream.response.headers
        assert [served.ended for served in claude.ledger] == [True, True]
    assert raw.parse().content[0].to_dict()["text"] == streamed == TEXT
    assert raw.headers.get("content-encoding") == headers.get("content-encoding") == encoding


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_lines_of_a_stream_end_as_told(claude: FakeClaude, line_end: str) -> None:
    claude.answer(TEXT, delivery=delivered(line_end=line_end))
    with (
        anthropic.Anthropic(api_key="any", base_url=claude.url) as client,
        client.messages.with_streaming_response.create(
            model=MODEL, max_tokens=99, messages=ASK, stream=True
        ) as response,
    ):
        body = b"".join(response.iter_bytes())
    assert body.startswith(f"event: message_start{line_end}data: {{".encode())
    assert body.endswith(line_end.encode() * 2)


def test_pieces_arrive_as_they_were_cut(claude: FakeClaude) -> None:
    claude.answer(TEXT, delivery=Delivery(pieces=(5, 11)))
    with (
        anthropic.Anthropic(api_key="any", base_url=claude.url) as client,
        client.messages.with_streaming_response.create(
            model=MODEL, max_tokens=99, messages=ASK, stream=True, extra_headers={"accept-encoding": "identity"}
        ) as response,
    ):
        lengths = [len(chunk) for chunk in response.iter_bytes()]
    assert lengths[:4] == [5, 11, 5, 11]
    assert sum(lengths) > 100


def test_a_client_that_does_not_accept_an_encoding_does_not_get_it(claude: FakeClaude) -> None:
    claude.answer(TEXT, delivery=Delivery(encoding="gzip"))
    with anthropic.Anthropic(
        api_key="any", base_url=claude.url, default_headers={"accept-encoding": "identity"}
    ) as client:
        raw = client.messages.with_raw_response.create(model=MODEL, max_tokens=99, messages=ASK)
    assert "content-encoding" not in raw.headers


def test_a_delivery_that_cannot_be_is_refused_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="from 1 up"):
        Delivery(pieces=(4, 0))
    for name in ("brotli", "brotlicffi"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ValueError, match="install brotli or brotlicffi"):
        Delivery(encoding="br")


def test_a_cut_stream_ends_with_the_last_event_it_was_to_have(claude: FakeClaude) -> None:
    claude.cut(after_events=2)
    with FakeClaude(delivery=Delivery(pieces=(4096,))) as pieced:
        pieced.cut(after_events=2)
        for fake in (claude, pieced):
            with anthropic.Anthropic(api_key="any", base_url=fake.url, max_retries=0) as client:
                seen: list[str] = []
                with pytest.raises(Exception, match=r"(?i)incomplete|peer closed"):
                    seen.extend(
                        event.type
                        for event in client.messages.create(model=MODEL, max_tokens=9, messages=ASK, stream=True)
                    )
            assert seen == ["message_start", "content_block_start"]
