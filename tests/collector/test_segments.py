"""What is appended and synced is read back, once, in order, and nothing else is."""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path
from zlib import crc32

import pytest

from claude_telemetry_collector.segments import Arrival, Position, SegmentReader, SegmentWriter
from claude_telemetry_collector.segments.frame import frame_crc
from tests.support.segments import MUCH, NOON, arrival, bodies, flip, written


def test_a_frame_is_read_back_as_it_was_appended(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path)
    writer.append([Arrival(signal="logs", encoding="json", received_at=NOON, body=b"{}")])
    writer.sync()

    (frame,) = SegmentReader(tmp_path).frames(None, MUCH)

    assert (frame.signal, frame.encoding, frame.received_at, frame.body) == ("logs", "json", NOON, b"{}")
    # 48 bytes of header; 28 of head, 2 of body, 4 of crc
    assert frame.position.offset == 48
    assert frame.next_position == Position(frame.position.segment, 48 + 34)


def test_reading_goes_on_where_it_stopped(tmp_path: Path) -> None:
    writer, reader = SegmentWriter(tmp_path), SegmentReader(tmp_path)
    writer.append([arrival(b"one"), arrival(b"two")])
    first = reader.frames(None, MUCH)
    writer.append([arrival(b"three")])

    assert bodies(first) == [b"one", b"two"]
    assert bodies(reader.frames(first[-1].next_position, MUCH)) == [b"three"]
    assert bodies(SegmentReader(tmp_path).frames(first[0].next_position, MUCH)) == [b"two", b"three"]


def test_a_batch_ends_when_it_is_big_enough(tmp_path: Path) -> None:
    written(tmp_path, b"a" * 10, b"b" * 10, b"c" * 10)
    reader = SegmentReader(tmp_path)

    assert bodies(reader.frames(None, 11)) == [b"a" * 10, b"b" * 10]
    assert bodies(reader.frames(None, 1)) == [b"a" * 10]


def test_nothing_is_read_from_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert SegmentReader(tmp_path / "nowhere").frames(None, MUCH) == []


def test_every_writer_begins_a_segment_of_its_own(tmp_path: Path) -> None:
    first, second = written(tmp_path, b"one"), written(tmp_path, b"two")

    assert first.name < second.name
    assert bodies(SegmentReader(tmp_path).frames(None, MUCH)) == [b"one", b"two"]


def test_a_full_segment_is_followed_by_another_and_gives_its_unused_room_back(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, segment_bytes=200)
    writer.append(arrival(bytes([i]) * 50) for i in range(4))  # 82 bytes each, so one in a segment of 200 - 48

    sizes = [path.stat().st_size for path in sorted(tmp_path.glob("*.segment"))]
    assert sizes == [48 + 82, 48 + 82, 48 + 82, 200]
    assert bodies(SegmentReader(tmp_path).frames(None, MUCH)) == [bytes([i]) * 50 for i in range(4)]


def test_a_body_larger_than_a_segment_gets_a_segment_that_fits(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, segment_bytes=200)
    writer.append([arrival(b"small"), arrival(b"x" * 1000), arrival(b"small again")])

    assert bodies(SegmentReader(tmp_path).frames(None, MUCH)) == [b"small", b"x" * 1000, b"small again"]


def test_only_segments_that_are_landed_whole_are_trimmed(tmp_path: Path) -> None:
    first, second, third = (written(tmp_path, name) for name in (b"one", b"two", b"three"))
    reader = SegmentReader(tmp_path)
    frames = reader.frames(None, MUCH)

    reader.trim(frames[1].next_position)

    assert not first.exists()
    assert second.exists()
    assert third.exists()
    assert bodies(reader.frames(frames[1].next_position, MUCH)) == [b"three"]


def test_the_backlog_is_what_is_not_landed(tmp_path: Path) -> None:
    writer, reader = SegmentWriter(tmp_path, segment_bytes=200), SegmentReader(tmp_path)
    assert writer.backlog_bytes() == 0

    writer.append(arrival(bytes([i]) * 50) for i in range(3))
    frames = reader.frames(None, MUCH)
    assert writer.backlog_bytes() == 3 * 82

    reader.trim(frames[0].next_position)
    assert writer.backlog_bytes() == 2 * 82
    reader.trim(frames[2].next_position)
    assert writer.backlog_bytes() == 0


def test_a_damaged_note_of_what_is_landed_counts_everything_as_waiting(tmp_path: Path) -> None:
    writer, reader = SegmentWriter(tmp_path), SegmentReader(tmp_path)
    writer.append([arrival(b"x" * 50)])
    reader.trim(reader.frames(None, MUCH)[-1].next_position)
    assert writer.backlog_bytes() == 0

    flip(tmp_path / "landed", 9)
    assert writer.backlog_bytes() == 82


def test_numbers_grow_although_the_segments_were_wiped(tmp_path: Path) -> None:
    path = written(tmp_path, b"one")
    landed = SegmentReader(tmp_path).frames(None, MUCH)
    path.unlink()
    written(tmp_path, b"two")

    assert bodies(SegmentReader(tmp_path).frames(landed[-1].next_position, MUCH)) == [b"two"]


def test_a_frame_that_is_still_being_written_is_not_read_yet(tmp_path: Path) -> None:
    path = written(tmp_path, b"one", b"two")
    whole = path.read_bytes()
    reader = SegmentReader(tmp_path)
    second_at = 48 + 35
    for cut in range(second_at, len(whole)):
        path.write_bytes(whole[:cut] + bytes(len(whole) - cut))  # as a reader may meet a growing, preallocated file
        assert bodies(reader.frames(None, MUCH)) == [b"one"]
    path.write_bytes(whole)

    assert bodies(reader.frames(None, MUCH)) == [b"one", b"two"]
    assert (reader.torn, reader.damaged) == (0, 0)


def test_a_torn_tail_ends_a_segment_once_there_is_a_next_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = written(tmp_path, b"one", b"a body that its writer was killed over")
    whole = path.read_bytes()
    path.write_bytes(whole[:-20] + bytes(5000))
    written(tmp_path, b"after the restart")
    reader = SegmentReader(tmp_path)

    with caplog.at_level(logging.WARNING):
        assert bodies(reader.frames(None, MUCH)) == [b"one", b"after the restart"]
        assert bodies(reader.frames(None, MUCH)) == [b"one", b"after the restart"]

    assert (reader.torn, reader.damaged) == (1, 0)
    assert caplog.records == []


def test_damage_costs_the_damaged_frame_only_and_its_bytes_are_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = written(tmp_path, b"one", b"secret body", b"three")
    damaged_at = 48 + 35
    flip(path, damaged_at + 28 + 3)
    reader = SegmentReader(tmp_path)

    with caplog.at_level(logging.WARNING):
        frames = reader.frames(None, MUCH)
        reader.frames(frames[0].next_position, MUCH)

    assert bodies(frames) == [b"one", b"three"]
    assert reader.damaged == 1
    (kept,) = (tmp_path / "quarantine").iterdir()
    assert kept.read_bytes() == path.read_bytes()[damaged_at : damaged_at + 28 + 11 + 4]
    (message,) = caplog.messages
    assert "43 bytes at 83 are set aside in quarantine" in message
    assert "body" not in message


def test_damage_in_the_segment_being_written_does_not_hold_up_what_comes_after(tmp_path: Path) -> None:
    writer, reader = SegmentWriter(tmp_path), SegmentReader(tmp_path)
    writer.append([arrival(b"one"), arrival(b"two"), arrival(b"three")])
    (path,) = tmp_path.glob("*.segment")
    with path.open("r+b") as file:
        file.seek(48 + 35)
        file.write(b"?")

    assert bodies(reader.frames(None, MUCH)) == [b"one", b"three"]


def test_a_damaged_last_frame_is_kept_as_damage_not_dropped_as_torn(tmp_path: Path) -> None:
    path = written(tmp_path, b"one", b"two")
    flip(path, 48 + 35 + 28)
    written(tmp_path, b"three")
    reader = SegmentReader(tmp_path)

    assert bodies(reader.frames(None, MUCH)) == [b"one", b"three"]
    assert (reader.torn, reader.damaged) == (0, 1)
    assert len(list((tmp_path / "quarantine").iterdir())) == 1


def test_a_segment_without_a_readable_header_goes_to_quarantine_whole(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = written(tmp_path, b"one")
    flip(path, 0)
    flip(path, 24)
    written(tmp_path, b"two")

    with caplog.at_level(logging.WARNING):
        assert bodies(SegmentReader(tmp_path).frames(None, MUCH)) == [b"two"]

    assert "its header is damaged" in caplog.text
    assert (tmp_path / "quarantine" / path.name).exists()
    assert not path.exists()


def test_a_body_that_looks_like_a_frame_is_not_mistaken_for_one(tmp_path: Path) -> None:
    """Another segment's frame, whole and valid there, inside a body whose own frame is damaged."""
    elsewhere = tmp_path / "elsewhere"
    planted = written(elsewhere, b"never sent").read_bytes()[48:]
    path = written(tmp_path / "here", planted, b"two")
    flip(path, 48)

    assert bodies(SegmentReader(tmp_path / "here").frames(None, MUCH)) == [b"two"]


def test_the_crc_of_a_whole_frame_is_never_that_of_one_that_is_not_complete() -> None:
    head = b"any head"
    # For every state of a CRC-32 there are four bytes that bring it to zero; from the state of nothing, these.
    body = (crc32(head) ^ int.from_bytes(b"\x9d\x0a\xd9\x6d", "little")).to_bytes(4, "little")
    assert crc32(head + body) == 0

    assert frame_crc(head, body) == b"\x01\0\0\0"


def test_a_full_disk_is_told_and_leaves_nothing_half_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, offset: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    writer = SegmentWriter(tmp_path)
    with monkeypatch.context() as disk:
        disk.setattr(os, "posix_fallocate", full)
        with pytest.raises(OSError, match="No space left"):
            writer.append([arrival(b"one")])
        assert list(tmp_path.iterdir()) == []
    writer.append([arrival(b"two")])

    assert bodies(SegmentReader(tmp_path).frames(None, MUCH)) == [b"two"]


def test_a_disk_that_fills_up_in_the_middle_of_a_frame_loses_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pwrite = os.pwrite
    room = 100

    def fills_up(descriptor: int, data: memoryview, offset: int) -> int:
        if offset < 48:
            return pwrite(descriptor, data, offset)
        if offset >= 48 + room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return pwrite(descriptor, data[: 48 + room - offset], offset)

    writer = SegmentWriter(tmp_path)
    with monkeypatch.context() as disk:
        disk.setattr(os, "pwrite", fills_up)
        with pytest.raises(OSError, match="No space left"):
            writer.append([arrival(b"a" * 50), arrival(b"b" * 50)])
    writer.append([arrival(b"c" * 50)])
    reader = SegmentReader(tmp_path)

    assert bodies(reader.frames(None, MUCH)) == [b"a" * 50, b"c" * 50]
    assert reader.torn == 1


def test_after_a_failed_sync_the_same_file_is_never_synced_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linux drops pages that it could not write; a second fdatasync would succeed without them."""

    def fails(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    writer = SegmentWriter(tmp_path)
    writer.append([arrival(b"one")])
    with monkeypatch.context() as disk:
        disk.setattr(os, "fdatasync", fails)
        with pytest.raises(OSError, match="Input/output"):
            writer.sync()
    writer.append([arrival(b"two")])
    writer.sync()

    assert len(list(tmp_path.glob("*.segment"))) == 2


def test_segments_are_written_without_fallocate_where_the_file_system_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(descriptor: int, offset: int, size: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", unsupported)
    writer = SegmentWriter(tmp_path, segment_bytes=4096)
    writer.append([arrival(b"one")])

    assert bodies(SegmentReader(tmp_path).frames(None, MUCH)) == [b"one"]
    assert [path.stat().st_size for path in tmp_path.glob("*.segment")] == [4096]
