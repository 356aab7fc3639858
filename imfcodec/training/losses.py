"""The terms of the training loss, each a scalar."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from imfcodec.model.correspondence import Warp
from imfcodec.model.layers import resize


def flow_loss(warps: list[Warp], flow: Tensor, trust: Tensor) -> Tensor:
    """Mean distance of the displacement from optical flow where that is trusted.

    Besides showing the first way out of the identity it holds still what does not move: on a
    static background the trusted flow is 0. In units of 1/64 of the picture.
    """
    displacement = resize(warps[0].displacement, *flow.shape[-2:])
    error = (displacement - flow).square().sum(1, keepdim=True).add(1e-6).sqrt()
    return 64 * (error * trust).sum() / trust.sum().clamp_min(1.0)


def pyramid_l1(picture: Tensor, target: Tensor, levels: int = 3) -> Tensor:
    """Mean absolute difference over ``levels`` octaves of [B, 3, H, W]."""
    total = picture.new_zeros(())
    for level in range(levels):
        if level:
            picture, target = F.avg_pool2d(picture, 2), F.avg_pool2d(target, 2)
        total = total + (picture - target).abs().mean()
    return total / levels


def psnr_db(picture: Tensor, target: Tensor) -> float:
    """PSNR-RGB of clipped pictures in dB, mean over the batch."""
    error = (picture.clamp(0, 1) - target).square().mean((1, 2, 3)).clamp_min(1e-8)
    return float((-10 * torch.log10(error)).mean())
