"""Bodies cut into chunks, as a network may cut them."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import strategies as st


def cut(whole: bytes, places: list[int]) -> list[bytes]:
    """`whole` cut at these places, each counted round and round."""
    edges = [0, *sorted(place % (len(whole) + 1) for place in places), len(whole)]
    return [whole[start:end] for start, end in pairwise(edges)]


def pieces(whole: bytes, length: int) -> list[bytes]:
    """`whole` in pieces of a length."""
    return [whole[at : at + length] for at in range(0, len(whole), length)]


def chunks_of(whole: bytes) -> st.SearchStrategy[list[bytes]]:
    """Every way to cut `whole`: here and there, empty chunks too, or into pieces of a few bytes."""
    here_and_there = st.lists(st.integers(0, len(whole)), max_size=12).map(lambda places: cut(whole, places))
    return here_and_there | st.integers(1, 9).map(lambda length: pieces(whole, length))
