"""Input of every metric: pictures uint8 RGB [H, W, 3] of one size."""

from __future__ import annotations

import numpy as np

from imfcodec.arrays import Picture

"""uint8 RGB [H, W, 3]."""


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
