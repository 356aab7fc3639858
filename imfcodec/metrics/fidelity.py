"""How close one picture is to another: PSNR and SSIM, on uint8 RGB [H, W, 3].

Equal pictures have an infinite PSNR, and one such frame would make the mean of a video infinite.
Means therefore use `capped_db`: a frame without any error counts as 100 dB.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from imfcodec.arrays import Picture
from imfcodec.metrics.pictures import check_pictures

__all__ = ["EQUAL_DB", "capped_db", "check_pictures", "psnr_rgb_db", "psnr_y_db"]

EQUAL_DB: Final = 100.0
"""PSNR of equal frames in a mean: higher than that of any error in 8 bits."""

PEAK: Final = 255.0
_BT709: Final = np.array((0.2126, 0.7152, 0.0722))


def psnr_rgb_db(source: Picture, coded: Picture) -> float:
    """PSNR over the three channels together, in dB; infinite for equal pictures.

    Args:
        source: uint8 RGB [H, W, 3].
        coded: The same.

    Raises:
        ValueError: The pictures differ in shape or are not uint8 RGB.
    """
    check_pictures(source, coded)
    # Integers keep the squared differences of bytes exact, whatever the size of the picture.
    difference = source.astype(np.int64) - coded
    return _psnr_db(float(np.mean(difference * difference)))


def psnr_y_db(source: Picture, coded: Picture) -> float:
    """PSNR of the BT.709 luma, in dB; infinite for equal lumas.

    The luma is Y' = 0.2126 R' + 0.7152 G' + 0.0722 B' on 0..255 (full range, not rounded), its
    peak 255. On the limited range 16..235 the same error gives 1.3 dB more.

    Args:
        source: uint8 RGB [H, W, 3].
        coded: The same.

    Raises:
        ValueError: The pictures differ in shape or are not uint8 RGB.
    """
    check_pictures(source, coded)
    difference = (source.astype(np.int64) - coded) @ _BT709
    return _psnr_db(float(np.mean(difference * difference)))


def capped_db(value_db: float) -> float:
    """A frame's PSNR as it enters a mean, at most `EQUAL_DB`."""
    return min(value_db, EQUAL_DB)


def _psnr_db(mean_square: float) -> float:
    return math.inf if mean_square == 0 else 10 * math.log10(PEAK * PEAK / mean_square)
