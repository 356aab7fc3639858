"""IMF_D, the latent token decoder: a token becomes motion features at several scales."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from imfcodec.config import ModelConfig
from imfcodec.model.layers import StyledConvolution, activation, resize

CONSTANT_SIDE = 4


class LatentTokenDecoder(nn.Module):
    """m = IMF_D(t).

        learned 4x4 ─ styled convs ─ up ─ styled convs ─ up ─ styled convs ─ ...
            t ─ linear ─ style ─┘   └ m at 4x4             └ m at 8x8

    The maps have canonical grids of 4, 8, 16, ... cells a side, whatever the picture's size. Motion
    is a function of the relative position, and `IMF` samples it on the grid of each attention. The
    finest ``len(attention_dims)`` grids have a head.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        channels = config.motion_channels
        self.constant = nn.Parameter(torch.randn(1, channels[0], CONSTANT_SIDE, CONSTANT_SIDE))
        self.style = nn.Linear(config.token_size, channels[0])
        self.stages = nn.ModuleList(
            nn.ModuleList(
                StyledConvolution(i if n == 0 else o, o, channels[0])
                for n in range(config.motion_convolutions)
            )
            for i, o in zip((channels[0], *channels[:-1]), channels, strict=True)
        )
        headed = channels[-len(config.attention_dims) :]
        self.heads = nn.ModuleList(
            nn.Conv2d(c, d, 1) for c, d in zip(headed, config.attention_dims, strict=True)
        )

    def forward(self, token: Tensor) -> list[Tensor]:
        """[B, d_m] -> motion features, coarse to fine: [B, attention_dim, s, s] each."""
        style = activation(self.style(token))
        x = self.constant.expand(token.shape[0], -1, -1, -1)
        maps = []
        for grid, stage in enumerate(self.stages):
            if grid:
                x = resize(x, 2 * x.shape[2], 2 * x.shape[3])
            for layer in stage:  # type: ignore[attr-defined]
                x = layer(x, style)
            maps.append(x)
        headed = maps[-len(self.heads) :]
        return [head(m) for head, m in zip(self.heads, headed, strict=True)]
