"""Motion error: how well the coded video reproduces the motion of the source."""

from __future__ import annotations

import numpy as np

from imfcodec.arrays import Picture
from imfcodec.metrics.pictures import check_pictures

Region = tuple[slice, slice]
"""Rows and columns."""

WHOLE: Region = (slice(None), slice(None))
"""The whole picture."""


class MotionError:
    """Motion error of a video, frame by frame, in the memory of one pair of frames.

        sum over t > 0 of |(x_t - x_{t-1}) - (y_t - y_{t-1})|  /  sum of |x_t - x_{t-1}|

    x is the source, y the coded video, |.| the sum over pixels and channels. A still picture has a
    motion error of exactly 1. Below 1, the coded video reproduces motion; above 1, it is worse than
    a still picture. Constant errors cancel: a constant brightness offset has a motion error of 0.

    A moving part of the picture, such as a mouth, is scored by giving its region in each frame.
    Both frames of a step are read there, so that a still picture still has an error of 1.
    """

    def __init__(self) -> None:
        self._last: tuple[Picture, Picture] | None = None
        self._error = 0
        self._motion = 0

    def add(self, source: Picture, coded: Picture, region: Region = WHOLE) -> None:
        """Take the next frame.

        Args:
            source: uint8 RGB [H, W, 3].
            coded: The same.
            region: Part of the picture that counts; by default the whole picture.

        Raises:
            ValueError: The pictures differ in shape, from each other or from the frame before,
                or are not uint8 RGB.
        """
        if self._last is None:
            check_pictures(source, coded)
        else:
            check_pictures(self._last[0], source, coded)
            # Differences of differences of bytes lie within +-510.
            source_step, coded_step = (
                np.subtract(new[region], old[region], dtype=np.int16)
                for new, old in zip((source, coded), self._last, strict=True)
            )
            # Integers: a still picture has exactly 1, however long the video is.
            self._error += int(np.abs(source_step - coded_step).sum(dtype=np.int64))
            self._motion += int(np.abs(source_step).sum(dtype=np.int64))
        # Readers may reuse their buffer for the next frame.
        self._last = (source.copy(), coded.copy())

    def value(self) -> float | None:
        """The motion error so far; None while the source has not moved."""
        return self._error / self._motion if self._motion else None
