"""How much of a window's picture covers the base (FORMAT.md, section 10)."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from imfcodec.bitstream import Window

FEATHER: Final = 8
"""A window's edge is as wide as its side over this."""

Mask = npt.NDArray[np.float32]


def mask_of(window: Window, size: tuple[int, int]) -> Mask:
    """Weight of a window's pixels, which falls towards its edges inside the picture.

    Args:
        window: The window.
        size: Display width and height in pixels.

    Returns:
        float32 [side, side, 1] in 0..1.
    """
    columns, rows = (
        _ramp(window.side, begin > 0, begin + window.side < limit)
        for begin, limit in zip((window.left, window.top), size, strict=True)
    )
    return (rows[:, None] * columns)[..., None]


def _ramp(side: int, begins: bool, ends: bool) -> Mask:
    distance = (np.arange(side, dtype=np.float32) + 0.5) * FEATHER / side
    ramp = np.ones(side, np.float32)
    if begins:
        ramp = np.minimum(ramp, distance)
    if ends:
        ramp = np.minimum(ramp, distance[::-1])
    return ramp
