"""Two pictures as one YUV frame, source above coded, for filters that compare videos.

One frame holds the pair, so the two stay in step and need only one pipe. The luma is BT.709,
limited range; the format is 4:4:4, so that odd sizes need no padding.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from av import VideoFrame

from imfcodec.arrays import Picture
from imfcodec.media.colour import Matrix
from imfcodec.media.convert import YuvConverter
from imfcodec.metrics.pictures import check_pictures

PIXEL_FORMAT = "yuv444p"


class StackedPairs:
    """Makes the frames of one video pair."""

    def __init__(self, width: int, height: int, rate: Fraction) -> None:
        """Build the converter.

        Args:
            width: Of each picture, pixels.
            height: The same.
            rate: Frames per second.
        """
        self._converter = YuvConverter(width, 2 * height, PIXEL_FORMAT, Matrix.BT709)
        self._shape = (height, width, 3)
        self._time_base = 1 / rate
        self._count = 0

    def frame(self, source: Picture, coded: Picture) -> VideoFrame:
        """The next pair as a frame of twice the height.

        Args:
            source: uint8 RGB [H, W, 3] of the size given at the start.
            coded: The same.

        Raises:
            ValueError: The pictures are no such pictures.
        """
        check_pictures(source, coded)
        if source.shape != self._shape:
            raise ValueError(f"expected pictures of {self._shape}, got {source.shape}")
        pair = np.concatenate([source, coded])
        frame = self._converter.convert(pair, self._count, self._time_base)
        self._count += 1
        return frame
