"""SSIM (Wang 2004) and MS-SSIM (Wang 2003) of RGB pictures, as kept libraries compute them.

Gaussian window of 11x11 with sigma 1.5, K1 = 0.01, K2 = 0.03, population covariance, mean over
the windows that lie inside the picture and over the three channels. SSIM is scikit-image's,
MS-SSIM pytorch-msssim's.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from imfcodec.arrays import Picture
from imfcodec.metrics.pictures import check_pictures

WINDOW: Final = 11
"""Pixels on each side of the window; a smaller picture has no SSIM."""

MS_SSIM_SIDE: Final = ((WINDOW - 1) << 4) + 1
"""Pixels on each side below which the window does not fit into the fifth scale: 161."""


def ssim(source: Picture, coded: Picture) -> float:
    """SSIM, -1..1.

    Args:
        source: uint8 RGB [H, W, 3], at least 11 pixels on each side.
        coded: The same.

    Raises:
        ValueError: The pictures differ in shape, are not uint8 RGB or are too small.
    """
    from skimage.metrics import structural_similarity

    _check(source, coded, WINDOW, "SSIM")
    score = structural_similarity(
        source,
        coded,
        channel_axis=2,
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    return float(score)


def ms_ssim(source: Picture, coded: Picture) -> float:
    """MS-SSIM, 0..1, of five scales; a negative mean of a scale counts as 0.

    The library pads odd sides with black when it halves them, in both pictures.

    Args:
        source: uint8 RGB [H, W, 3], at least 161 pixels on each side.
        coded: The same.

    Raises:
        ValueError: The pictures differ in shape, are not uint8 RGB or are too small.
    """
    import pytorch_msssim
    import torch

    _check(source, coded, MS_SSIM_SIDE, "MS-SSIM")
    x, y = (
        # float64: in float32, rounding errors exceed the variances of flat pictures.
        torch.from_numpy(np.ascontiguousarray(p.transpose(2, 0, 1)))[None].double()
        for p in (source, coded)
    )
    return float(pytorch_msssim.ms_ssim(x, y, data_range=255))


def _check(source: Picture, coded: Picture, least: int, name: str) -> None:
    check_pictures(source, coded)
    if min(source.shape[:2]) < least:
        raise ValueError(f"{name} needs {least} pixels on each side, not {source.shape[:2]}")
