"""The terms of the training loss, each a scalar."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from imfcodec.errors import OptionError
from imfcodec.model.layers import resize

LUMA = (0.299, 0.587, 0.114)
"""Shares of red, green and blue."""


def pyramid_l1(picture: Tensor, target: Tensor, levels: int = 3) -> Tensor:
    """Mean absolute difference over ``levels`` octaves of [B, 3, H, W]."""
    total = picture.new_zeros(())
    for level in range(levels):
        if level:
            picture, target = F.avg_pool2d(picture, 2), F.avg_pool2d(target, 2)
        total = total + (picture - target).abs().mean()
    return total / levels


def structure_distance(picture: Tensor, target: Tensor) -> Tensor:
    """1 - SSIM of the luma of [B, 3, H, W], window and constants as the metric's.

    Raises:
        OptionError: pytorch-msssim is not installed.
    """
    try:
        from pytorch_msssim import ssim
    except ImportError as error:
        raise OptionError("SSIM needs pytorch-msssim: pip install 'imfcodec[train]'") from error
    # Variances are differences of squares: bfloat16 would lose them.
    with torch.autocast(picture.device.type, enabled=False):
        weights = picture.new_tensor(LUMA, dtype=torch.float32).view(1, 3, 1, 1)
        x, y = ((z.float() * weights).sum(1, keepdim=True) for z in (picture, target))
        similarity: Tensor = ssim(x, y, data_range=1.0)
        return 1 - similarity


def motion_distance(
    picture: Tensor, beside: Tensor, target: Tensor, target_beside: Tensor
) -> Tensor:
    """Mean |(x_hat_c - x_hat_n) - (x_c - x_n)|, as the motion error has it; all [B, 3, H, W]."""
    return ((picture - beside) - (target - target_beside)).abs().mean()


def flow_distance(displacement: Tensor, flow: Tensor) -> Tensor:
    """Mean distance of the displacement from optical flow where that is trusted.

    Besides showing the first way out of the identity it holds still what does not move: on a
    static background the trusted flow is 0. In units of 1/64 of the picture.

    The displacement is [B, 2, h, w]. The flow [B, 3, f, f] is x and y in units of the picture, and
    its trust, 0 or 1.
    """
    flow, trust = flow[:, :2], flow[:, 2:]
    displacement = resize(displacement, *flow.shape[-2:])
    error = (displacement - flow).square().sum(1, keepdim=True).add(1e-6).sqrt()
    # The area of the picture, not of the trusted part: the same for every share of a batch.
    return 64 * (error * trust).mean()


def hinge_discriminator(real: list[Tensor], fake: list[Tensor]) -> Tensor:
    """Hinge loss of D over its scales: mean of max(0, 1 - D(x)) + max(0, 1 + D(x_hat))."""
    terms = [F.relu(1 - r).mean() + F.relu(1 + f).mean() for r, f in zip(real, fake, strict=True)]
    return torch.stack(terms).mean()


def hinge_generator(fake: list[Tensor]) -> Tensor:
    """Hinge loss of the generator over D's scales: -mean D(x_hat)."""
    return -torch.stack([f.mean() for f in fake]).mean()


def feature_matching(real: list[Tensor], fake: list[Tensor]) -> Tensor:
    """Mean L1 distance of D's features of x and x_hat, layer by layer."""
    terms = [(f - r.detach()).abs().mean() for r, f in zip(real, fake, strict=True)]
    return torch.stack(terms).mean()


def r1_penalty(logits: list[Tensor], picture: Tensor) -> Tensor:
    """Half the squared norm of the gradient of D(x) with respect to x (Mescheder 2018)."""
    total = torch.stack([x.sum() for x in logits]).sum()
    (gradient,) = torch.autograd.grad(total, picture, create_graph=True)
    return 0.5 * gradient.square().sum((1, 2, 3)).mean()


def psnr_db(picture: Tensor, target: Tensor) -> float:
    """PSNR-RGB of clipped pictures in dB, mean over the batch."""
    error = (picture.clamp(0, 1) - target).square().mean((1, 2, 3)).clamp_min(1e-8)
    return float((-10 * torch.log10(error)).mean())
