"""From which of two key frames each frame between them is rebuilt.

    the earlier one ─ 1 ─ 2 ─ ... ─ s │ s + 1 ─ ... ─ n ─ the later one

The less a frame differs from its reference after motion compensation, the better it is rebuilt.
Optical flow compensates motion nearly as well as the network and costs a tenth as much.
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
def unexplained(
    pictures: Tensor, reference: Tensor, flow: Tensor, weights: Tensor | None = None
) -> Errors:
    """Mean absolute difference of frames from their reference moved by optical flow.

    Args:
        pictures: x [N, 3, H, W] in 0..1, or one picture for all.
        reference: x_r [N, 3, H, W], or one picture for all.
        flow: `optical_flow.observed` from each x to x_r [N, 3, h, w].
        weights: Of each pixel of x [N, 1, H, W], or for all x; None weighs all alike.

    Returns:
        float64 [N].
    """
    pictures = reduce_short_side(pictures, SIDE, MULTIPLE)
    reference = reduce_short_side(reference, SIDE, MULTIPLE).expand(len(flow), -1, -1, -1)
    moved = sample(reference, flow[:, :2])
    difference = (pictures - moved).abs().mean(1, keepdim=True)
    if weights is not None:
        weights = reduce_short_side(weights, SIDE, MULTIPLE)
        difference = difference * weights / weights.mean((1, 2, 3), keepdim=True)
    return np.asarray(difference.mean((1, 2, 3)).double().numpy())


def change_over(earlier: Errors, later: Errors) -> int:
    """How many of N frames use the earlier key frame so that the sum of errors is smallest.

    Args:
        earlier: Error of each frame rebuilt from the earlier key frame [N].
        later: Error of each frame rebuilt from the later key frame [N].

    Returns:
        0 to N; the largest if several are equal.
    """
    total = np.concatenate([[0.0], np.cumsum(earlier - later)])
    return len(total) - 1 - int(np.argmin(total[::-1]))
