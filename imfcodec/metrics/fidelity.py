"""How close one picture is to another: PSNR and SSIM, on uint8 RGB [H, W, 3]."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from imfcodec.errors import OptionError

Picture = npt.NDArray[np.uint8]

PEAK: Final = 255.0
_BT709: Final = np.array((0.2126, 0.7152, 0.0722))
_SSIM_WINDOW: Final = 11


def psnr_rgb_db(source: Picture, coded: Picture) -> float:
    """PSNR over the three channels together, in dB; infinite for equal pictures.

    Args:
        source: uint8 RGB [H, W, 3].
        coded: The same.

    Raises:
        ValueError: The pictures differ in shape or are not uint8 RGB.
    """
    check_pictures(source, coded)
    # Squares of differences of bytes are exact in integers, whatever the size of the picture.
    difference = source.astype(np.int64) - coded
    return _psnr_db(float(np.mean(difference * difference)))


def psnr_y_db(source: Picture, coded: Picture) -> float:
    """PSNR of the BT.709 luma, in dB; infinite for equal lumas.

    The luma is Y' = 0.2126 R' + 0.7152 G' + 0.0722 B' on 0..255 (full range, not rounded), its
    peak 255. On the limited range 16..235 the same error reads 1.3 dB more.

    Args:
        source: uint8 RGB [H, W, 3].
        coded: The same.

    Raises:
        ValueError: The pictures differ in shape or are not uint8 RGB.
    """
    check_pictures(source, coded)
    difference = (source.astype(np.int64) - coded) @ _BT709
    return _psnr_db(float(np.mean(difference * difference)))


def ssim(source: Picture, coded: Picture) -> float:
    """SSIM as Wang 2004 defines it, -1..1, mean over pixels and the three channels.

    Gaussian window of 11x11 with sigma 1.5, K1 = 0.01, K2 = 0.03, population covariance.

    Args:
        source: uint8 RGB [H, W, 3], at least 11 pixels on each side.
        coded: The same.

    Raises:
        OptionError: scikit-image is not installed.
        ValueError: The pictures differ in shape, are not uint8 RGB or are too small.
    """
    check_pictures(source, coded)
    if min(source.shape[:2]) < _SSIM_WINDOW:
        raise ValueError(f"SSIM needs {_SSIM_WINDOW} pixels on each side, not {source.shape[:2]}")
    try:
        from skimage.metrics import structural_similarity
    except ImportError as error:
        raise OptionError("SSIM needs scikit-image: pip install 'imfcodec[bench]'") from error
    return float(
        structural_similarity(
            source,
            coded,
            channel_axis=2,
            data_range=PEAK,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )


def check_pictures(*pictures: Picture) -> None:
    """Make sure that pictures can be compared.

    Raises:
        ValueError: They differ in shape or are not uint8 RGB [H, W, 3].
    """
    first = pictures[0]
    for picture in pictures:
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
            raise ValueError(f"expected uint8 [H, W, 3], got {picture.dtype} {picture.shape}")
        if picture.shape != first.shape:
            raise ValueError(f"pictures of {first.shape} and {picture.shape} cannot be compared")


def _psnr_db(mean_square: float) -> float:
    return math.inf if mean_square == 0 else 10 * math.log10(PEAK * PEAK / mean_square)
