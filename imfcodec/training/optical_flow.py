"""Optical flow of training pairs: E_T sees it, and it leads the network out of the identity."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from imfcodec.codec.optical_flow import Movement, grey, movement, observed
from imfcodec.training.landmarks import Landmarks, coarse_flow


def optical_flow(
    current: list[npt.NDArray[np.uint8]],
    reference: list[npt.NDArray[np.uint8]],
    landmarks: list[tuple[Landmarks, Landmarks]] | None = None,
) -> Tensor:
    """DIS optical flow from each x_c to its x_r, square pictures uint8 [S, S, 3].

    Args:
        current: Pictures x_c.
        reference: As many pictures x_r.
        landmarks: Of each x_c and its x_r, if they are known: the flow then starts from where the
            face went, and follows movements that it would else miss.

    Returns:
        [B, 3, 64, 64]: x and y in units of the picture, trust 0 or 1.
    """

    def one(index: int) -> Tensor:
        c, r = grey(current[index]), grey(reference[index])
        start = None
        if landmarks:
            here, gone = landmarks[index]
            start = Movement(*(coarse_flow(*way, len(c)) for way in ((here, gone), (gone, here))))
        return observed(movement(c, r, start))

    return torch.stack(list(_pool().map(one, range(len(current)))))


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(torch.get_num_threads(), thread_name_prefix="optical-flow")
