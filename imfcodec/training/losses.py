"""The terms of the training loss, each a scalar."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


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
