"""The mask of a window (FORMAT.md, section 10.1)."""

from __future__ import annotations

import numpy as np
import pytest

from imfcodec.bitstream import Window
from imfcodec.codec.window_mask import mask_of

SIZE = (160, 96)


def slow_mask(window: Window, size: tuple[int, int] = SIZE) -> np.ndarray:
    """The document's formula, pixel by pixel."""

    def weight(i: int, begin: int, limit: int) -> float:
        ends = []
        if begin > 0:
            ends.append(i)
        if begin + window.side < limit:
            ends.append(window.side - 1 - i)
        return min([1.0, *((d + 0.5) / (window.side / 8) for d in ends)])

    return np.array(
        [
            [
                weight(x, window.left, size[0]) * weight(y, window.top, size[1])
                for x in range(window.side)
            ]
            for y in range(window.side)
        ]
    )[..., None]


@pytest.mark.parametrize(
    "window",
    [
        Window(40, 20, 50, 64),
        Window(0, 0, 64, 64),
        Window(96, 32, 64, 64),
        Window(30, 0, 96, 128),
        Window(3, 5, 8, 64),
        Window(7, 9, 33, 64),
    ],
)
def test_formula_of_the_document(window: Window) -> None:
    mask = mask_of(window, SIZE)
    assert mask.shape == (window.side, window.side, 1)
    assert np.abs(mask - slow_mask(window)).max() < 1e-6


def test_no_edge_at_the_border_of_the_picture() -> None:
    corner = mask_of(Window(0, 0, 64, 64), SIZE)[..., 0]
    assert corner[0, 0] == 1
    assert corner[-1, 0] == corner[0, -1] == pytest.approx(1 / 16)
    assert (mask_of(Window(0, 0, 96, 64), (96, 96)) == 1).all()
