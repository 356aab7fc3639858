"""Which of two key frames the frames between them are rebuilt from.

    the earlier one ─ 1 ─ 2 ─ ... ─ s │ s + 1 ─ ... ─ n ─ the later one

A frame is rebuilt the better the less it differs from its reference once that has been moved.
Optical flow moves nearly as well as the network does, and costs a tenth.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from imfcodec.model.correspondence import sample
from imfcodec.model.layers import reduce_short_side

SIDE, MULTIPLE = 128, 2  # pictures are compared at this short side in pixels, both sides even

Errors = npt.NDArray[np.float64]


@torch.inference_mode()
def unexplained(pictures: Tensor, reference: Tensor, flow: Tensor) -> Errors:
    """Mean absolute difference of frames from their reference moved by optical flow.

    Args:
        pictures: x [N, 3, H, W] in 0..1, or one for all.
        reference: x_r [N, 3, H, W], or one for all.
        flow: From each x to x_r, `optical_flow.observed` [N, 3, h, w].

    Returns:
        float64 [N].
    """
    pictures = reduce_short_side(pictures, SIDE, MULTIPLE)
    reference = reduce_short_side(reference, SIDE, MULTIPLE).expand(len(flow), -1, -1, -1)
    moved = sample(reference, flow[:, :2])
    return np.asarray((pictures - moved).abs().mean((1, 2, 3)).double().numpy())


def change_over(earlier: Errors, later: Errors) -> int:
    """How many of N frames belong to the earlier key frame so that all errors sum to the least.

    Args:
        earlier: Error of each frame with the earlier key frame as its reference [N].
        later: With the later one [N].

    Returns:
        0 to N; the most of equals.
    """
    total = np.concatenate([[0.0], np.cumsum(earlier - later)])
    return len(total) - 1 - int(np.argmin(total[::-1]))
