"""Classical optical flow, which shows an untrained network the way out of the identity."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from imfcodec.training.landmarks import Landmarks, coarse_flow

SIDE = 64  # of the flow returned, in cells; it is estimated at twice that
AGREEMENT = 1.0  # forward and backward flow must cancel to this many of those finer pixels


def optical_flow(
    current: list[npt.NDArray[np.uint8]],
    reference: list[npt.NDArray[np.uint8]],
    landmarks: list[tuple[Landmarks, Landmarks]] | None = None,
) -> tuple[Tensor, Tensor]:
    """DIS optical flow from x_c to x_r where forward and backward agree.

    Args:
        current: Pictures uint8 [S, S, 3].
        reference: As many, one for each.
        landmarks: Of each current picture and its reference, if they are known: the flow then
            starts from where the face went, and follows movements that it would else miss.

    Returns:
        Flow [B, 2, 64, 64] in units of the picture, trust [B, 1, 64, 64], 0 or 1.
    """
    import cv2

    def one(index: int) -> npt.NDArray[np.float32]:
        fine = SIDE * 2
        c, r = (
            cv2.resize(
                cv2.cvtColor(np.ascontiguousarray(p), cv2.COLOR_RGB2GRAY),
                (fine, fine),
                interpolation=cv2.INTER_AREA,
            )
            for p in (current[index], reference[index])
        )
        there = back_again = np.zeros((fine, fine, 2), np.float32)
        if landmarks:
            here, gone = landmarks[index]
            there, back_again = coarse_flow(here, gone, fine), coarse_flow(gone, here, fine)
        # One estimator per call: they are not safe to share between threads.
        dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        forward = dis.calc(c, r, there)
        backward = dis.calc(r, c, back_again)
        y, x = np.mgrid[:fine, :fine].astype(np.float32)
        back = cv2.remap(backward, x + forward[..., 0], y + forward[..., 1], cv2.INTER_LINEAR)
        trust = (np.abs(forward + back).sum(-1) < AGREEMENT).astype(np.float32)
        return np.dstack([forward / fine, trust])

    stacked = np.stack(list(_pool().map(one, range(len(current)))))
    both = F.avg_pool2d(torch.from_numpy(stacked).permute(0, 3, 1, 2).float(), 2)
    return both[:, :2].contiguous(), (both[:, 2:] > 0.99).float()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_name_prefix="optical-flow")
