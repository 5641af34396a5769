"""Content encodings are undone, whatever way the packed bytes are cut into chunks.

`br` and `zstd` are tested with each of the packages that can undo them and is there.
"""

from __future__ import annotations

import gzip
import importlib
import random
import sys
import types
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_telemetry.capture.wire import decoder_for
from claude_telemetry.capture.wire.encoding import Decoder
from tests.support.chunks import chunks_of, pieces

TEXTS = st.binary(max_size=300) | st.just(b'event: ping\ndata: {"type": "ping"}\n\n' * 300)


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACKERS: dict[str, tuple[str, Callable[[bytes], bytes] | None]] = {
    "gzip": ("gzip", gzip.compress),
    "zlib": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate),
    "brotli": ("br", None),
    "brotlicffi": ("br", None),
    "backports.zstd": ("zstd", None),
    "zstandard": ("zstd", None),
}
SEVERAL_MEMBERS = [name for name, (encoding, _) in PACKERS.items() if encoding in ("gzip", "zstd")]


def packer(by: str) -> Callable[[bytes], bytes]:
    """What packs; the test is skipped where its package is not there."""
    pack = PACKERS[by][1]
    if pack is None:
        pytest.importorskip(by)
        pack = importlib.import_module(by).compress
    return pack


def decoder(by: str) -> Decoder:
    """What unpacks, by that very package."""
    with pytest.MonkeyPatch.context() as patch:
        for other in {"compression.zstd", *PACKERS} - {by}:
            patch.setitem(sys.modules, other, None)
        return decoder_for(PACKERS[by][0])


def undone(decode: Decoder, chunks: list[bytes]) -> bytes:
    return b"".join([decode(chunk) for chunk in chunks])


@pytest.mark.parametrize("by", list(PACKERS))
@settings(max_examples=150)
@given(data=st.data(), text=TEXTS)
def test_a_body_is_the_same_however_it_is_cut(by: str, data: st.DataObject, text: bytes) -> None:
    chunks = data.draw(chunks_of(packer(by)(text)))
    assert undone(decoder(by), chunks) == text


@pytest.mark.parametrize("by", SEVERAL_MEMBERS)
@settings(max_examples=100)
@given(
    data=st.data(), texts=st.lists(TEXTS, max_size=4), after=st.sampled_from([b"", b"\0\0\0", b"\x1f", b"no member"])
)
def test_a_body_of_several_members_is_all_of_them(
    by: str, data: st.DataObject, texts: list[bytes], after: bytes
) -> None:
    packed = b"".join([packer(by)(text) for text in [b"first", *texts]]) + after
    assert undone(decoder(by), data.draw(chunks_of(packed))) == b"first" + b"".join(texts)


@settings(max_examples=100)
@given(st.data(), st.permutations(["gzip", "deflate", "x-gzip", "identity"]))
def test_encodings_on_top_of_each_other_are_undone_from_the_last(data: st.DataObject, names: list[str]) -> None:
    packed = b"the text"
    for name in names:
        if name != "identity":
            packed = zlib.compress(packed) if name == "deflate" else gzip.compress(packed)
    assert undone(decoder_for(", ".join(names)), data.draw(chunks_of(packed))) == b"the text"


@pytest.mark.parametrize("header", ["", "identity", " Identity , "])
def test_a_body_that_is_not_encoded_is_handed_on_as_it_is(header: str) -> None:
    chunk = b"a chunk"
    assert decoder_for(header)(chunk) is chunk


@pytest.mark.parametrize("by", list(PACKERS))
@settings(max_examples=100)
@given(chunks=st.lists(st.binary(min_size=1, max_size=100), max_size=10))
def test_garbage_is_told_or_becomes_little(by: str, chunks: list[bytes]) -> None:
    packer(by)
    decode = decoder(by)
    try:
        unpacked = undone(decode, chunks)
    except ValueError:
        return
    assert len(unpacked) < 2**20


@pytest.mark.parametrize("by", list(PACKERS))
def test_a_small_chunk_that_becomes_huge_is_not_read_along(by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = packer(by)(bytes(4 * 2**20))
    monkeypatch.setattr("claude_telemetry.capture.wire.encoding.MOST", 2**20)
    with pytest.raises(ValueError, match="too large"):
        decoder(by)(bomb)


@pytest.mark.parametrize("by", list(PACKERS))
def test_a_large_body_in_small_chunks_is_read_along(by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = random.Random(1).randbytes(2**19).hex().encode()
    chunks = pieces(packer(by)(text), 200)
    monkeypatch.setattr("claude_telemetry.capture.wire.encoding.MOST", 2**19)
    assert undone(decoder(by), chunks) == text


def test_bytes_after_the_end_of_a_body_are_not_kept() -> None:
    decode: Any = decoder_for("deflate")
    decode(zlib.compress(b"text"))
    before = sys.getsizeof(decode._member.unused_data)
    for _ in range(100):
        assert decode(b"more and more") == b""
    assert sys.getsizeof(decode._member.unused_data) <= before


def test_raw_deflate_that_could_pass_for_a_header_is_still_raw() -> None:
    packed = raw_deflate(b"58")
    assert int.from_bytes(packed[:2]) % 31 == 0
    assert decoder_for("deflate")(packed) == b"58"


def test_deflate_has_one_member_and_what_follows_it_is_ignored() -> None:
    assert decoder_for("deflate")(zlib.compress(b"text") + zlib.compress(b"more")) == b"text"


@pytest.mark.parametrize("encoding", ["compress", "gzip, compress", ", ".join(["gzip"] * 6)])
def test_an_encoding_that_cannot_be_undone_is_told(encoding: str) -> None:
    with pytest.raises(ValueError, match="encod"):
        decoder_for(encoding)


@pytest.mark.parametrize(("encoding", "missing"), [("br", "brotlicffi"), ("zstd", "zstandard")])
def test_a_missing_package_is_named(encoding: str, missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("brotli", "brotlicffi", "compression.zstd", "backports.zstd", "zstandard"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ValueError, match=f"install {missing} "):
        decoder_for(encoding)


def test_a_brotli_that_knows_no_limit_is_used_without(monkeypatch: pytest.MonkeyPatch) -> None:
    class Decompressor:
        def process(self, data: bytes) -> bytes:
            return data.removeprefix(b"packed:")

    package = types.ModuleType("brotli")
    monkeypatch.setattr(package, "Decompressor", Decompressor, raising=False)
    monkeypatch.setitem(sys.modules, "brotli", package)
    assert decoder_for("br")(b"packed:text") == b"text"
