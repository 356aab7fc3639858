"""The two-scale patch discriminator (paper, supplement)."""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

CHANNELS = (64, 128, 256, 512)


class PatchDiscriminator(nn.Module):
    """4x4 convolutions of stride 2 with spectral norm; every position judges its patch."""

    def __init__(self) -> None:
        super().__init__()
        channels = (3, *CHANNELS)
        self.layers = nn.ModuleList(
            spectral_norm(nn.Conv2d(i, o, 4, 2, 1)) for i, o in pairwise(channels)
        )
        self.judge = spectral_norm(nn.Conv2d(channels[-1], 1, 3, 1, 1))

    def forward(self, picture: Tensor) -> tuple[Tensor, list[Tensor]]:
        """[B, 3, H, W] in 0..1 -> logits [B, 1, H / 16, W / 16], features of every layer."""
        x = picture * 2 - 1
        features = []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
            features.append(x)
        return self.judge(x), features


class TwoScaleDiscriminator(nn.Module):
    """The same judge built twice, for the picture and for its half."""

    def __init__(self) -> None:
        super().__init__()
        self.scales = nn.ModuleList(PatchDiscriminator() for _ in range(2))

    def forward(self, picture: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """[B, 3, H, W] in 0..1 -> logits of each scale, features of all scales and layers."""
        logits, features = [], []
        for scale in self.scales:
            logit, layers = scale(picture)
            logits.append(logit)
            features += layers
            picture = F.avg_pool2d(picture, 2)
        return logits, features
