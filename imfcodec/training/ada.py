"""Adaptive discriminator augmentation (Karras 2020): keeps D from memorising few data."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

HORIZON = 50_000  # pictures in which the probability can go from 0 to 1


class AdaptiveAugmentation:
    """Differentiable augmentations, each applied with a probability that follows overfitting.

    The sign of the real logits tells how sure D is of the training pictures; the probability
    rises while its mean is above the target and falls while it is below.

    Attributes:
        probability: From 0 to 1.
    """

    def __init__(self, target: float) -> None:
        self.target = target
        self.probability = 0.0

    def observe(self, sureness: float, pictures: int) -> None:
        """Adjust the probability to a batch.

        Args:
            sureness: Mean sign of D's logits of its real pictures.
            pictures: How many they are.
        """
        change = pictures / HORIZON * (1 if sureness > self.target else -1)
        self.probability = min(1.0, max(0.0, self.probability + change))

    def apply(self, pictures: list[Tensor], generator: torch.Generator) -> list[Tensor]:
        """Augment batches of [B, 3, H, W] in 0..1 alike, so that real and fake can be compared."""
        if self.probability == 0:
            return pictures
        b = len(pictures[0])
        device = pictures[0].device
        chosen = torch.rand((4, b), generator=generator) < self.probability
        draws = torch.rand((5, b), generator=generator) * 2 - 1
        angle = draws[0] * chosen[0] * 0.35  # radians
        zoom = torch.exp(draws[1] * chosen[0] * 0.2)
        shift = draws[2:4] * chosen[1] * 0.25
        cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
        theta = torch.stack(
            [torch.stack([cos, -sin, shift[0]], 1), torch.stack([sin, cos, shift[1]], 1)], 1
        ).to(device)
        gain = torch.exp(draws[4] * chosen[2] * 0.3).to(device)[:, None, None, None]
        flip = (chosen[3] & (draws[0] > 0)).to(device)[:, None, None, None]

        def one(x: Tensor) -> Tensor:
            grid = F.affine_grid(theta.to(x.dtype), list(x.shape), align_corners=False)
            x = F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)
            return (torch.where(flip, x.flip(-1), x) - 0.5) * gain + 0.5

        return [one(x) for x in pictures]
