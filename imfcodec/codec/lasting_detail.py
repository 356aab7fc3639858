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
        change = np.abs(_means(picture) - self._mean).mean(2, keepdims=True)
        stays = np.exp(-np.square(change / CHANGE))
        return (picture + stays * self._detail).round().clip(0, 255).astype(np.uint8)


def _means(picture: Picture) -> npt.NDArray[np.float32]:
    reach, (height, width) = MEAN_SIDE // 2, picture.shape[:2]
    pixels = picture.astype(np.float32)
    rows = np.pad(pixels, [(reach, reach), (0, 0), (0, 0)], mode="reflect")
    pixels = np.sum([rows[n : n + height] for n in range(MEAN_SIDE)], axis=0)
    columns = np.pad(pixels, [(0, 0), (reach, reach), (0, 0)], mode="reflect")
    pixels = np.sum([columns[:, n : n + width] for n in range(MEAN_SIDE)], axis=0)
    return pixels / MEAN_SIDE**2
