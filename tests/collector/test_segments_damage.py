"""Whatever happens to a segment's bytes, every untouched frame survives and none is invented."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from claude_telemetry_collector.segments import Frame, Position, SegmentReader, SegmentWriter
from tests.support.segments import MUCH, arrival

bodies = st.lists(
    st.one_of(st.binary(max_size=60), st.sampled_from([b"", bytes(40), b"x" * 700])), min_size=1, max_size=8
)


def segment_of(folder: Path, contents: list[bytes], *, successor: bool) -> tuple[Path, list[Frame]]:
    writer = SegmentWriter(folder)
    writer.append(arrival(body) for body in contents)
    writer.close()
    (path,) = folder.glob("*.segment")
    frames = SegmentReader(folder).frames(None, MUCH)
    assert [frame.body for frame in frames] == contents
    if successor:
        writer = SegmentWriter(folder)
        writer.append([arrival(b"the next segment")])
        writer.close()
    return path, frames


def survivors(frames: list[Frame], start: int, end: int) -> list[bytes]:
    """The bodies of the frames that the bytes from `start` to `end` are no part of."""
    return [frame.body for frame in frames if frame.next_position.offset <= start or frame.position.offset >= end]


@settings(max_examples=150, deadline=None)
@given(bodies, st.data(), st.booleans(), st.integers(0, 300))
def test_a_cut_costs_what_is_behind_it_and_nothing_before(
    contents: list[bytes], data: st.DataObject, successor: bool, zeros: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, frames = segment_of(Path(folder), contents, successor=successor)
        whole = path.read_bytes()
        cut = data.draw(st.integers(48, len(whole)))
        path.write_bytes(whole[:cut] + bytes(zeros))

        read = SegmentReader(Path(folder)).frames(None, MUCH)

        kept = [frame.body for frame in frames if frame.next_position.offset <= cut]
        expected = kept + [b"the next segment"] * successor
        got = [frame.body for frame in read]
        # Zeros may stand in for bytes that were zero, so a cut frame can come out whole; then it is what was appended.
        assert got[: len(kept)] == kept
        assert got == expected or got == contents[: len(got) - successor] + [b"the next segment"] * successor


@settings(max_examples=150, deadline=None)
@given(bodies, st.data(), st.booleans(), st.integers(1, 255))
def test_a_flipped_byte_costs_one_frame_at_most(
    contents: list[bytes], data: st.DataObject, successor: bool, flipped: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, frames = segment_of(Path(folder), contents, successor=successor)
        damaged = bytearray(path.read_bytes())
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at] ^= flipped
        path.write_bytes(damaged)

        read = [frame.body for frame in SegmentReader(Path(folder)).frames(None, MUCH)]

        assert read == survivors(frames, at, at + 1) + [b"the next segment"] * successor


@settings(max_examples=150, deadline=None)
@given(bodies, st.data(), st.binary(min_size=1, max_size=400))
def test_overwritten_bytes_cost_the_frames_that_they_touch(
    contents: list[bytes], data: st.DataObject, rubbish: bytes
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, frames = segment_of(Path(folder), contents, successor=True)
        damaged = bytearray(path.read_bytes())
        at = data.draw(st.integers(48, len(damaged) - 1))
        rubbish = rubbish[: len(damaged) - at]
        touched = [at + i for i, byte in enumerate(rubbish) if damaged[at + i] != byte]
        damaged[at : at + len(rubbish)] = rubbish
        path.write_bytes(damaged)

        read = [frame.body for frame in SegmentReader(Path(folder)).frames(None, MUCH)]

        untouched = [
            frame.body
            for frame in frames
            if not any(frame.position.offset <= byte < frame.next_position.offset for byte in touched)
        ]
        assert read == [*untouched, b"the next segment"]


@settings(max_examples=100, deadline=None)
@given(bodies, st.lists(st.sampled_from([0, 1, 100, MUCH]), max_size=20))
def test_reading_in_any_steps_gives_every_frame_once(contents: list[bytes], steps: list[int]) -> None:
    """A step of 0 appends the next body; any other reads that many bytes and trims."""
    with tempfile.TemporaryDirectory() as folder:
        writer, reader = SegmentWriter(Path(folder), segment_bytes=500), SegmentReader(Path(folder))
        waiting = [arrival(body) for body in contents]
        read: list[bytes] = []
        position: Position | None = None
        for step in [*steps, *(0 for _ in contents), MUCH]:
            if step == 0:
                writer.append(waiting[:1])
                del waiting[:1]
            elif frames := reader.frames(position, step):
                read += [frame.body for frame in frames]
                position = frames[-1].next_position
                reader.trim(position)
        writer.close()

        assert read == contents
        assert len(list(Path(folder).glob("*.segment"))) == 1
