"""Keeps tokens at mean 0 and variance 1."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


class TokenNormalisation(nn.Module):
    """Per-dimension normalisation by batch statistics; running ones once training is over.

    Batch normalisation without affine part, with one addition: where several processes share a
    batch, ``mean_over_processes`` makes their statistics one, gradients included.
    """

    MOMENTUM = 0.02
    EPSILON = 1e-5

    def __init__(self, size: int) -> None:
        super().__init__()
        self.mean_over_processes: Callable[[Tensor], Tensor] | None = None
        self.running_mean: Tensor
        self.running_var: Tensor
        self.register_buffer("running_mean", torch.zeros(size))
        self.register_buffer("running_var", torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        """[B, d_m] -> [B, d_m]."""
        mean, variance = self.running_mean, self.running_var
        if self.training:
            moments = torch.stack([x.float().mean(0), x.float().square().mean(0)])
            if self.mean_over_processes is not None:
                moments = self.mean_over_processes(moments)
            mean = moments[0]
            variance = (moments[1] - mean.square()).clamp_min(0)
            with torch.no_grad():
                self.running_mean.lerp_(mean, self.MOMENTUM)
                self.running_var.lerp_(variance, self.MOMENTUM)
        return (x - mean) * torch.rsqrt(variance + self.EPSILON)
