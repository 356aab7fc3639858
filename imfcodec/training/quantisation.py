"""What the codec does to tokens, differentiable: learned steps and a rate."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class TokenQuantiser(nn.Module):
    """Per-dimension quantisation steps and the density of temporal differences.

    Training replaces rounding by additive uniform noise of one step's width (Ballé 2017). The
    rate is that of coding a token given its neighbour in time: the discretised Laplace
    density of their difference, with one learned scale per dimension.
    """

    def __init__(self, token_size: int, step: float = 0.2) -> None:
        super().__init__()
        self.log_step = nn.Parameter(torch.full((token_size,), math.log(step)))
        self.log_scale = nn.Parameter(torch.full((token_size,), math.log(step)))

    @property
    def step(self) -> Tensor:
        """Quantisation steps [d_m] in the units of the normalised tokens."""
        return self.log_step.exp()

    def rate_bits(self, token: Tensor, neighbour: Tensor, noise: Tensor) -> Tensor:
        """Mean bits per token [B, d_m], coded from its neighbour in time [B, d_m]: scalar.

        The noise [B, d_m] is uniform in -1/2..1/2.
        """
        difference = (token - neighbour + noise * self.step).float().abs()
        scale, half = self.log_scale.exp(), self.step / 2

        def tail(x: Tensor) -> Tensor:
            """P(X > x) of a Laplace variable for any sign of x."""
            outer = 0.5 * torch.exp(-x.abs() / scale)
            return torch.where(x >= 0, outer, 1 - outer)

        probability = tail(difference - half) - tail(difference + half)
        far = difference / scale / math.log(2)  # keeps a slope where the probability vanishes
        bits = torch.where(probability > 1e-6, -torch.log2(probability.clamp_min(1e-6)), far)
        return bits.sum(1).mean()


def warm_in(step: int, start: int, length: int) -> float:
    """0 before ``start``, then linearly to 1 over ``length`` steps."""
    return min(1.0, max(0.0, (step - start) / max(length, 1)))
