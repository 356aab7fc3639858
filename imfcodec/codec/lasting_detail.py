"""Detail that the restoration of a run's first picture adds to the pictures after it.

    k ─ R ─ D = R(k) - k ─┐
    p ────────────────────┴─ p + m D

The weight m is 1 where p still looks like k, and 0 where it has changed.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from imfcodec.arrays import Picture

MEAN_SIDE: Final = 5
"""Pictures are compared as means over squares of this side, in pixels, with mirrored borders."""

CHANGE: Final = 6.0
"""A change of this many 8-bit levels leaves 1/e of the detail."""


class LastingDetail:
    """The detail D of a picture k, for the pictures that follow (FORMAT.md, section 10)."""

    def __init__(self, picture: Picture, restored: Picture) -> None:
        """Take k and R(k), both RGB uint8 [H, W, 3]."""
        self._mean = _means(picture)
        self._detail = np.subtract(restored, picture, dtype=np.float32)

    def add(self, picture: Picture) -> Picture:
        """A later picture p, RGB uint8 [H, W, 3], with the detail where it has not changed."""
        change = np.abs(_means(picture) - self._mean)
        mean_change = (change[..., 0] + change[..., 1] + change[..., 2]) / 3
        stays = np.exp(-np.square(mean_change / CHANGE))[..., None]
        pixels = stays * self._detail
        pixels += picture
        return pixels.round().clip(0, 255).astype(np.uint8)


def _means(picture: Picture) -> npt.NDArray[np.float32]:
    reach, (height, width) = MEAN_SIDE // 2, picture.shape[:2]
    padding = [(reach, reach), (reach, reach), (0, 0)]
    pixels = np.pad(picture, padding, mode="reflect").astype(np.uint16)  # sums stay below 2**16
    rows = pixels[:height].copy()
    for n in range(1, MEAN_SIDE):
        rows += pixels[n : n + height]
    sums = rows[:, :width].copy()
    for n in range(1, MEAN_SIDE):
        sums += rows[:, n : n + width]
    return sums.astype(np.float32) / np.float32(MEAN_SIDE**2)
