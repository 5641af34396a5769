"""The colours are told apart, also by those who see fewer of them."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest

from claude_telemetry_dashboard.look import PALETTE

Colour = npt.NDArray[np.float64]

SIGHTS = {
    "all colours": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "no red": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no green": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "no blue": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
"""What reaches the eye, of linear red, green and blue: Machado, Oliveira and Fernandes (2009), severity 1."""

TO_XYZ = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
WHITE = [0.95047, 1.0, 1.08883]


def linear(colour: str) -> Colour:
    parts = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def lab(colour: str, sight: str) -> Colour:
    xyz = np.array(TO_XYZ) @ np.clip(np.array(SIGHTS[sight]) @ linear(colour), 0, 1) / np.array(WHITE)
    root = np.where(xyz > 216 / 24389, np.cbrt(xyz), 841 / 108 * xyz + 4 / 29)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])


@pytest.mark.parametrize("sight", SIGHTS)
def test_every_two_colours_are_told_apart(sight: str) -> None:
    """A difference of 2.3 is just seen, side by side and in full size."""
    distances = [np.linalg.norm(lab(a, sight) - lab(b, sight)) for a, b in itertools.combinations(PALETTE, 2)]

    assert min(distances) > 9
