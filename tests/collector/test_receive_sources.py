"""Tokens: who may send, how much, and how that is told."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from claude_telemetry.errors import SettingsError
from claude_telemetry_collector.commands.token import main
from claude_telemetry_collector.receive import Limits, sources
from claude_telemetry_collector.tokens import Token, add_token, read_tokens, revoke_token, tokens_path
from tests.support.receiving import PROTOBUF, Answer, Receiving, ask, export_of, receiving
from tests.support.waiting import wait_until

LIMITS = Limits(max_body_bytes=1024 * 1024)


@pytest.fixture
def guarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiving]:
    """A receiver that needs a token, and looks often whether there are others."""
    monkeypatch.setattr(sources, "_LOOK_S", 0.05)
    with receiving(tmp_path / "segments", LIMITS, tokens=tokens_path(tmp_path)) as receiver:
        yield receiver


def send(receiver: Receiving, authorization: str | None, body: bytes | None = None) -> Answer:
    headers = {**PROTOBUF, "authorization": authorization} if authorization is not None else PROTOBUF
    return receiver.post("/v1/traces", export_of(1) if body is None else body, headers)


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_a_token_is_shown_once_and_kept_as_a_hash_for_the_owner_only(tmp_path: Path) -> None:
    text = add_token(tokens_path(tmp_path), "ci", requests_per_second=5)

    assert text.startswith("ct_")
    assert len(text) > 40
    assert text not in tokens_path(tmp_path).read_text()
    assert tokens_path(tmp_path).stat().st_mode & 0o777 == 0o600
    (token,) = read_tokens(tokens_path(tmp_path))
    assert (token.name, token.requests_per_second, token.max_body_bytes, len(token.sha256)) == ("ci", 5, None, 64)


def test_nobody_sends_without_a_token_and_everybody_with_one(tmp_path: Path, guarded: Receiving) -> None:
    first, second = add_token(tokens_path(tmp_path), "one"), add_token(tokens_path(tmp_path), "two")
    wait_until(lambda: send(guarded, f"Bearer {first}").status == 200, "the tokens are read")

    accepted = (f"Bearer {second}", f"bearer  {first}", basic("pk-lf-1", first), basic("", second))
    refused = (
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        first,
        f"Bearer {first}x",
        f"Token {first}",
        basic(first, ""),
        "Basic ???",
        "Bearer \xe4",
        f"Bearer {first}, Bearer {second}",
    )
    assert [send(guarded, each).status for each in accepted] == [200] * 4
    assert [send(guarded, each).status for each in refused] == [401] * len(refused)
    answer = send(guarded, None)
    assert answer.headers["www-authenticate"].startswith("Bearer ")
    assert b"Authorization: Bearer TOKEN" in answer.body


def test_a_token_that_is_revoked_is_refused_without_a_restart(tmp_path: Path, guarded: Receiving) -> None:
    text = add_token(tokens_path(tmp_path), "one")
    wait_until(lambda: send(guarded, f"Bearer {text}").status == 200, "the token is read")
    revoke_token(tokens_path(tmp_path), "one")
    wait_until(lambda: send(guarded, f"Bearer {text}").status == 401, "the token is refused")


def test_a_file_that_is_broken_while_it_is_used_changes_nothing(tmp_path: Path, guarded: Receiving) -> None:
    text = add_token(tokens_path(tmp_path), "one")
    wait_until(lambda: send(guarded, f"Bearer {text}").status == 200, "the token is read")
    tokens_path(tmp_path).write_text("{")
    time.sleep(0.2)
    assert [send(guarded, f"Bearer {text}").status, send(guarded, None).status] == [200, 401]


def test_a_token_limits_the_size_of_a_body(tmp_path: Path) -> None:
    text = add_token(tokens_path(tmp_path), "small", max_body_bytes=100)
    with receiving(tmp_path / "segments", LIMITS, tokens=tokens_path(tmp_path)) as guarded:
        assert send(guarded, f"Bearer {text}", export_of(1)).status == 200
        answer = send(guarded, f"Bearer {text}", export_of(*range(1, 9)))
    assert (answer.status, b"larger than 100 bytes" in answer.body) == (413, True)


def test_a_token_limits_how_often_something_is_sent(tmp_path: Path) -> None:
    text = add_token(tokens_path(tmp_path), "slow", requests_per_second=0.01)
    other = add_token(tokens_path(tmp_path), "other")
    with receiving(tmp_path / "segments", LIMITS, tokens=tokens_path(tmp_path)) as guarded:
        answers = [send(guarded, f"Bearer {text}") for _ in range(2)]
        assert send(guarded, f"Bearer {other}").status == 200
    assert [answer.status for answer in answers] == [200, 429]
    assert 90 <= int(answers[1].headers["retry-after"]) <= 100
    assert b"0.01 requests per second" in answers[1].body


def test_where_no_token_is_required_one_says_who_sends_and_others_do_no_harm(tmp_path: Path) -> None:
    text = add_token(tokens_path(tmp_path), "ci")
    with receiving(tmp_path / "segments", LIMITS, tokens=tokens_path(tmp_path), required=False) as receiver:
        for authorization in (None, f"Bearer {text}", "Bearer of-some-vendor", basic("pk", "sk")):
            assert send(receiver, authorization).status == 200
        told = ask(receiver.port, "GET", "/metrics").body.decode()
    assert 'accepted_requests_total{signal="traces",source="",transport="http"} 3\n' in told
    assert 'accepted_requests_total{signal="traces",source="ci",transport="http"} 1\n' in told


def test_metrics_need_a_token_too_and_probes_do_not(tmp_path: Path) -> None:
    text = add_token(tokens_path(tmp_path), "prometheus")
    with receiving(tmp_path / "segments", LIMITS, tokens=tokens_path(tmp_path)) as guarded:
        assert ask(guarded.port, "GET", "/metrics").status == 401
        assert ask(guarded.port, "GET", "/metrics", headers={"authorization": f"Bearer {text}"}).status == 200
        assert [ask(guarded.port, "GET", path).status for path in ("/healthz", "/readyz")] == [200, 200]


def test_who_has_no_token_is_refused_before_sending_a_body(tmp_path: Path, guarded: Receiving) -> None:
    free = guarded.room.free_bytes
    assert send(guarded, None, bytes(100_000_000)).status == 401
    assert guarded.room.free_bytes == free


def test_tokens_are_made_listed_and_revoked_by_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = f"--data={tmp_path}"
    assert main(["add", "ci", "--requests-per-second", "50", "--max-body-bytes=1000000", data]) == 0
    assert main(["add", "mobile", data]) == 0
    made = capsys.readouterr().out
    assert made.count("OTEL_EXPORTER_OTLP_HEADERS=Authorization=Bearer%20ct_") == 2

    assert main(["list", data]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == ["ci", "mobile"]
    assert listed[0].endswith("bodies of up to 1,000,000 bytes, 50 requests per second")
    assert "ct_" not in "".join(listed)

    assert main(["revoke", "ci", data]) == 0
    assert main(["list", data]) == 0
    assert "ci " not in capsys.readouterr().out.partition("any more")[2]


def test_mistakes_with_tokens_are_told(tmp_path: Path) -> None:
    path = tokens_path(tmp_path)
    add_token(path, "ci")
    for name, why in (("ci", "there is a token 'ci' already"), ("a b", "letters, digits"), ("", "letters, digits")):
        with pytest.raises(SettingsError, match=why):
            add_token(path, name)
    with pytest.raises(SettingsError, match="no token 'x'"):
        revoke_token(path, "x")
    no_hash = '{"tokens": [{"name": "x", "created_at": "", "sha256": "00"}]}'
    for broken in ("", "[]", "{}", '{"tokens": [{"name": "x"}]}', '{"tokens": 7}', no_hash):
        path.write_text(broken)
        with pytest.raises(SettingsError, match="does not hold tokens: delete it"):
            read_tokens(path)


def test_writing_tokens_leaves_them_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_token(tokens_path(tmp_path), "ci")
    before = json.loads(tokens_path(tmp_path).read_text())

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SettingsError, match=r"tokens.json cannot be written: No space left"):
        add_token(tokens_path(tmp_path), "more")
    assert json.loads(tokens_path(tmp_path).read_text()) == before
    assert [path.name for path in tmp_path.iterdir()] == ["tokens.json"]
    assert Token(**before["tokens"][0]).name == "ci"
