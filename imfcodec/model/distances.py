"""Differentiable distances between what was rebuilt and what should be, each a scalar.

Training descends them to find weights, a sender to find tokens.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from imfcodec.model.layers import resize


def pyramid_l1(picture: Tensor, target: Tensor, levels: int = 3) -> Tensor:
    """Mean absolute difference over ``levels`` octaves of [B, 3, H, W]."""
    total = picture.new_zeros(())
    for level in range(levels):
        if level:
            picture, target = F.avg_pool2d(picture, 2), F.avg_pool2d(target, 2)
        total = total + (picture - target).abs().mean()
    return total / levels


def motion_distance(
    picture: Tensor, beside: Tensor, target: Tensor, target_beside: Tensor
) -> Tensor:
    """Mean |(x_hat_c - x_hat_n) - (x_c - x_n)|, as the motion error has it; all [B, 3, H, W]."""
    return ((picture - beside) - (target - target_beside)).abs().mean()


def flow_distance(displacement: Tensor, flow: Tensor) -> Tensor:
    """Mean distance of the displacement from optical flow where that is trusted.

    Besides showing the first way out of the identity it holds still what does not move: on a
    static background the trusted flow is 0. In units of 1/64 of the picture.

    Args:
        displacement: [B, 2, h, w].
        flow: [B, 3, f, f]: x and y in units of the picture, and its trust, 0 or 1.
    """
    flow, trust = flow[:, :2], flow[:, 2:]
    displacement = resize(displacement, *flow.shape[-2:])
    error = (displacement - flow).square().sum(1, keepdim=True).add(1e-6).sqrt()
    # The area of the picture, not of the trusted part: the same for every share of a batch.
    return 64 * (error * trust).mean()
