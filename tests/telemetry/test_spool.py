"""Calls wait on disk: whole or not at all, within bounds, for their owner's eyes, and for whoever can deliver them."""

from __future__ import annotations

import gzip
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_telemetry.settings import settle
from claude_telemetry.spool import Outgoing, Signal, Spool, opening, spooled, target_of

HERE = target_of("http://127.0.0.1:4318/v1/traces")
ELSEWHERE = target_of("https://vendor.example/v1/traces")
ROOM = 1 << 30


def request(number: int, *, calls: int = 1, target: str = HERE, signal: Signal = "traces", size: int = 0) -> Outgoing:
    """A request whose body tells its number; `size` random bytes make it as large."""
    body = gzip.compress(f"<{number}>".encode() + os.urandom(size))
    return Outgoing(signal=signal, calls=calls, number=number, target=target, body=body)


def keep(spool: Spool, *requests: Outgoing) -> None:
    for one in requests:
        spool.keep(one)


def drain(spool: Spool) -> list[str]:
    """Delivers everything; the bodies, decompressed."""
    bodies: list[str] = []
    while (batch := spool.oldest()) is not None:
        bodies.append(gzip.decompress(batch.body).decode("latin-1"))
        spool.done(batch.places)
    return bodies


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*.spool"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def test_nothing_is_on_disk_before_something_has_to_be(folder: Path) -> None:
    spool = Spool(folder, most_bytes=ROOM)
    assert spool.oldest() is None
    assert spool.take_over([HERE]) == 0
    spool.close()
    assert not folder.exists()


def test_what_is_kept_comes_back_in_order_and_small_requests_as_one(folder: Path) -> None:
    spool = Spool(folder, most_bytes=ROOM)
    keep(spool, *(request(number) for number in range(1, 6)))
    batch = spool.oldest()
    assert batch is not None
    assert (gzip.decompress(batch.body), batch.calls, batch.number, batch.own) == (b"<1><2><3><4><5>", 5, 5, True)
    spool.done(batch.places)
    assert spool.oldest() is None
    assert files(folder) == []


def test_signals_are_never_mixed_in_one_request(folder: Path) -> None:
    spool = Spool(folder, most_bytes=ROOM)
    keep(spool, request(1), request(2, signal="logs"), request(3, signal="logs"), request(4))
    assert drain(spool) == ["<1>", "<2><3>", "<4>"]


def test_a_request_read_back_holds_no_more_calls_than_one_that_was_never_on_disk(folder: Path) -> None:
    spool = Spool(folder, most_bytes=ROOM)
    keep(spool, request(1, calls=500), request(2, calls=12), request(3, calls=1))
    assert drain(spool) == ["<1><2>", "<3>"]


def test_where_several_are_not_taken_they_come_one_by_one(folder: Path) -> None:
    spool = Spool(folder, most_bytes=ROOM)
    keep(spool, request(1), request(2), request(3))
    spool.oldest()
    spool.one_by_one()
    assert drain(spool) == ["<1>", "<2>", "<3>"]


def test_only_the_owner_can_read_the_spool(folder: Path) -> None:
    before = os.umask(0)
    try:
        keep(Spool(folder, most_bytes=ROOM), request(1))
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.rglob("*")]}
    assert sorted(modes.values()) == [0o600, 0o600, 0o700, 0o700]


def test_a_place_is_named_without_telling_it_or_the_secrets_in_its_address() -> None:
    named = target_of("https://vendor.example/v1/traces")
    assert target_of("https://me:secret@Vendor.Example:443/v1/traces?key=secret") == named
    assert "vendor" not in named
    assert len({named, HERE, target_of("http://vendor.example/v1/traces"), target_of("https://vendor.example/")}) == 4


def test_what_a_dead_process_left_is_taken_over_by_who_delivers_to_the_same_place(folder: Path) -> None:
    dead = Spool(folder, most_bytes=ROOM)
    keep(dead, request(1), request(2, target=ELSEWHERE), request(3))
    dead.close()  # lets go, as the kernel does for a process that is killed
    stranger, heir = Spool(folder), Spool(folder)
    assert stranger.take_over([target_of("http://127.0.0.1:9/v1/traces")]) == 0
    assert heir.take_over([HERE]) == 2
    batch = heir.oldest()
    assert batch is not None
    assert not batch.own
    assert drain(heir) == ["<1><3>"]
    other = Spool(folder)
    assert other.take_over([ELSEWHERE]) == 1
    assert drain(other) == ["<2>"]
    assert list(folder.iterdir()) == []


def test_what_a_living_process_holds_is_left_to_it(folder: Path) -> None:
    living = Spool(folder, most_bytes=ROOM)
    keep(living, request(1))
    assert Spool(folder).take_over([HERE]) == 0
    assert drain(living) == ["<1>"]


def test_what_several_dead_processes_left_comes_oldest_first_and_before_what_is_new(folder: Path) -> None:
    for number in (1, 2):
        dead = Spool(folder, most_bytes=ROOM)
        keep(dead, request(number))
        dead.close()
    heir = Spool(folder, most_bytes=ROOM)
    keep(heir, request(3))
    heir.take_over([HERE])
    assert drain(heir) == ["<1>", "<2>", "<3>"]


def test_a_delivered_request_does_not_come_again_after_a_crash(folder: Path) -> None:
    killed = Spool(folder, most_bytes=ROOM)
    keep(killed, request(1), request(2, signal="logs"))
    batch = killed.oldest()
    assert batch is not None
    killed.done(batch.places)
    killed.forget()
    heir = Spool(folder)
    assert heir.take_over([HERE]) == 1
    assert drain(heir) == ["<2>"]


@given(cut=st.integers(min_value=0), flipped=st.integers(min_value=0))
def test_a_file_that_was_cut_or_damaged_gives_whole_requests_only(
    tmp_path_factory: pytest.TempPathFactory, cut: int, flipped: int
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    killed = Spool(folder, most_bytes=ROOM)
    keep(killed, *(request(number) for number in range(1, 4)))
    killed.close()
    (file,) = files(folder)
    data = bytearray(file.read_bytes()[: cut % (file.stat().st_size + 1)])
    if data:
        data[flipped % len(data)] ^= 0xFF
    file.write_bytes(data)
    heir = Spool(folder)
    heir.take_over([HERE])
    assert "".join(drain(heir)) in ("", "<1>", "<1><2>", "<2>", "<1><3>", "<2><3>", "<1><2><3>")


def test_when_the_spool_is_full_the_oldest_go_and_are_counted(folder: Path) -> None:
    spool = Spool(folder, most_bytes=16_000)
    lost = 0
    for number in range(1, 41):
        lost += spool.keep(request(number, calls=10, size=1000))[1].calls
        assert sum(file.stat().st_size for file in files(folder)) <= 16_000
    kept = [int(body[1 : body.index(">")]) for body in drain_singly(spool)]
    assert kept == list(range(kept[0], 41))
    assert lost == spooled(folder).dropped == 10 * (kept[0] - 1) > 0


def drain_singly(spool: Spool) -> list[str]:
    bodies: list[str] = []
    while (batch := spool.oldest()) is not None:
        spool.one_by_one()
        batch = spool.oldest()
        assert batch is not None
        bodies.append(gzip.decompress(batch.body).decode("latin-1"))
        spool.done(batch.places)
    return bodies


def test_what_dead_processes_left_for_others_goes_first_when_the_spool_is_full(folder: Path) -> None:
    dead = Spool(folder, most_bytes=ROOM)
    keep(dead, *(request(number, target=ELSEWHERE, size=900) for number in range(1, 9)))
    dead.close()
    spool = Spool(folder, most_bytes=8_500)
    keep(spool, request(9, size=900))
    assert spooled(folder).dropped == 8
    assert spooled(folder).calls == 1


def test_a_living_process_makes_room_from_its_own_part_only(folder: Path) -> None:
    first, second = Spool(folder, most_bytes=16_000), Spool(folder, most_bytes=16_000)
    keep(first, *(request(number, size=1000) for number in range(1, 15)))
    keep(second, *(request(number, size=1000) for number in range(1, 15)))
    keep(first, *(request(number, size=1000) for number in (15, 16)))  # who has more than its share gives some of it
    assert sum(file.stat().st_size for file in files(folder)) <= 16_000 + 2 * 1100
    assert drain_singly(first)[-1].startswith("<16>")
    assert drain_singly(second)[-1].startswith("<14>")


def test_what_is_too_old_goes_and_is_counted(folder: Path) -> None:
    dead = Spool(folder, most_bytes=ROOM)
    keep(dead, request(1, calls=7))
    dead.close()
    (file,) = files(folder)
    long_ago = (datetime.now(UTC) - timedelta(hours=2)).timestamp()
    os.utime(file, (long_ago, long_ago))
    spool = Spool(folder, most_bytes=ROOM, longest_s=3600)
    keep(spool, request(2))
    assert spooled(folder).dropped == 7
    assert spool.take_over([HERE]) == 0
    assert drain(spool) == ["<2>"]


def test_what_is_larger_than_the_whole_spool_is_not_kept(folder: Path) -> None:
    spool = Spool(folder, most_bytes=1000)
    with pytest.raises(OSError, match="larger than the whole spool"):
        spool.keep(request(1, size=2000))
    assert spooled(folder).calls == 0


def test_a_disk_that_fills_up_leaves_nothing_half_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(folder, most_bytes=ROOM)
    keep(spool, request(1))
    write = os.pwrite

    def full(descriptor: int, data: bytes, offset: int) -> int:
        if len(data) < 40:
            raise OSError(28, "No space left on device")
        return write(descriptor, data[:20], offset)

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space left"):
        spool.keep(request(2))
    monkeypatch.undo()
    keep(spool, request(3))
    assert "".join(drain(spool)) == "<1><3>"


def test_a_folder_that_somebody_cleaned_up_is_made_again(folder: Path) -> None:
    spool = Spool(folder, most_bytes=ROOM)
    keep(spool, request(1))
    subprocess.run(["rm", "-rf", str(folder)], check=True)
    keep(spool, request(2))
    assert drain(spool) == ["<2>"]


def test_a_link_in_the_spool_is_not_followed(folder: Path, tmp_path: Path) -> None:
    other = Spool(tmp_path / "other", most_bytes=ROOM)
    keep(other, request(1))
    other.close()
    folder.mkdir()
    (lot,) = (tmp_path / "other").iterdir()
    (folder / "0123456789abcdef").symlink_to(lot)
    assert Spool(folder).take_over([HERE]) == 0


def test_what_waits_is_told_without_taking_it(folder: Path) -> None:
    assert (spooled(folder).calls, spooled(folder).oldest_at, spooled(folder).dropped) == (0, None, 0)
    spool = Spool(folder, most_bytes=ROOM)
    began = datetime.now(UTC)
    keep(spool, request(1, calls=3), request(2, calls=4))
    told = spooled(folder)
    assert (told.calls, told.dropped) == (7, 0)
    assert told.oldest_at is not None
    assert began <= told.oldest_at <= datetime.now(UTC)
    assert drain(spool) == ["<1><2>"]


KILLED_IN_THE_MIDDLE = """
import gzip, sys
from pathlib import Path
from claude_telemetry.spool import Outgoing, Spool
spool = Spool(Path(sys.argv[1]), most_bytes=1 << 30)
for number in range(1, 1_000_000):
    body = gzip.compress(b"<%d>" % number)
    spool.keep(Outgoing(signal="traces", calls=1, number=number, target=sys.argv[2], body=body))
    print(number, flush=True)
"""


def test_what_was_kept_when_a_process_is_killed_is_there_whole_and_once(folder: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED_IN_THE_MIDDLE, str(folder), HERE], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process:
        for _ in range(30):
            process.stdout.readline()
        process.kill()
        told = 30 + sum(line.endswith("\n") for line in process.stdout)
    heir = Spool(folder)
    heir.take_over([HERE])
    found = "".join(drain(heir))
    complete = "".join(f"<{number}>" for number in range(1, told + 1))
    assert found in (complete, f"{complete}<{told + 1}>")


def test_a_user_without_a_home_has_no_spool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def homeless(path: str) -> str:
        return path

    monkeypatch.setattr("os.path.expanduser", homeless)
    monkeypatch.chdir(tmp_path)
    spool = Spool(Path("~/spool"), most_bytes=ROOM)
    with pytest.raises(OSError, match="no home"):
        spool.keep(request(1))
    assert list(tmp_path.iterdir()) == []
    assert settle("instrument", {}, {})["spool"] == Path("~/.local/share/claude-telemetry/spool")  # and is recorded


def test_what_is_kept_and_for_how_long_is_a_setting(folder: Path) -> None:
    assert opening(folder, most_bytes=0, longest_days=30) is None
    opened = opening(folder, most_bytes=1000, longest_days=30)
    assert opened is not None
    assert opened().folder == folder
