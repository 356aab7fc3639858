"""Keeps tokens at mean 0 and variance 1."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn


class TokenNormalisation(nn.Module):
    """Per-dimension normalisation by batch statistics, and by running ones after training.

    This is batch normalisation without affine part, with two additions. If several processes share
    a batch, ``mean_over_processes`` joins their statistics, including gradients. With
    ``renormalise``, tokens are normalised by the running statistics, as after training, while the
    gradients stay those of batch normalisation (batch renormalisation, Ioffe 2017). Otherwise the
    statistics of a small batch would shift and scale all of its tokens at random.
    """

    MOMENTUM = 0.02
    EPSILON = 1e-5
    AGREEMENT = 3.0
    """Largest ratio of standard deviations, and largest distance of means in standard deviations,
    at which running statistics are used; early in training they differ more from the batch."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.mean_over_processes: Callable[[Tensor], Tensor] | None = None
        self.renormalise = False
        self.running_mean: Tensor
        self.running_var: Tensor
        self.register_buffer("running_mean", torch.zeros(size))
        self.register_buffer("running_var", torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        """[B, d_m] -> [B, d_m]."""
        if not self.training:
            return (x - self.running_mean) * torch.rsqrt(self.running_var + self.EPSILON)
        moments = torch.stack([x.float().mean(0), x.float().square().mean(0)])
        if self.mean_over_processes is not None:
            moments = self.mean_over_processes(moments)
        mean = moments[0]
        variance = (moments[1] - mean.square()).clamp_min(0)
        token = (x - mean) * torch.rsqrt(variance + self.EPSILON)
        if self.renormalise:
            scale, shift = self._correction(mean.detach(), variance.detach())
            token = token * scale + shift
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.MOMENTUM)
            self.running_var.lerp_(variance, self.MOMENTUM)
        return token

    def _correction(self, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
        """Scale and shift [d_m] that turn the batch's statistics into the running statistics."""
        deviation = (self.running_var + self.EPSILON).sqrt()
        scale = (variance + self.EPSILON).sqrt() / deviation
        shift = (mean - self.running_mean) / deviation
        agree = (scale.log().abs() < math.log(self.AGREEMENT)) & (shift.abs() < self.AGREEMENT)
        return torch.where(agree, scale, 1.0), torch.where(agree, shift, 0.0)
