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
        import cv2

        change = cv2.absdiff(_means(picture), self._mean)
        relative = cv2.transform(change, np.full((1, 3), 1 / (3 * CHANGE), np.float32))
        stays = cv2.exp(-np.square(relative))
        detail = cv2.multiply(cv2.merge((stays, stays, stays)), self._detail)
        return np.asarray(cv2.add(picture, detail, dtype=cv2.CV_8U), np.uint8)


def _means(picture: Picture) -> npt.NDArray[np.float32]:
    import cv2

    size = (MEAN_SIDE, MEAN_SIDE)
    means = cv2.boxFilter(picture, cv2.CV_32F, size, borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(means, np.float32)
