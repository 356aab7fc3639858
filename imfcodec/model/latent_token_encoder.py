"""E_T, the latent token encoder: a frame becomes d_m values that say how the face moves."""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from imfcodec.config import ModelConfig
from imfcodec.model.layers import ResidualBlock, activation
from imfcodec.model.token_normalisation import TokenNormalisation

POOLED_SIDE = 4
MULTIPLE = 16  # the stages halve four times


class LatentTokenEncoder(nn.Module):
    """t = E_T(x).

        x ─ reduce ─ conv7/2 ─ residual down-blocks ─ pool 4x4 ─ linear ─ linear ─ normalise ─ t

    The last layer gives every dimension mean 0 and variance 1 over the training data. An
    untrained encoder's outputs differ between people by thousandths; without it quantisation
    noise of any sensible size buries them and nothing is ever learned.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.side = config.token_encoder_side
        channels = config.token_encoder_channels
        self.stem = nn.Conv2d(3, channels[0], 7, 2, 3)
        self.stages = nn.ModuleList(ResidualBlock(i, o, 2) for i, o in pairwise(channels))
        self.hidden = nn.Linear(channels[-1] * POOLED_SIDE**2, config.token_encoder_hidden)
        self.head = nn.Linear(config.token_encoder_hidden, config.token_size)
        self.normalise = TokenNormalisation(config.token_size)

    def forward(self, picture: Tensor) -> Tensor:
        """[B, 3, H, W] in 0..1, any size -> tokens [B, d_m], about unit variance."""
        if self.side is not None:
            picture = self._reduce(picture, self.side)
        x = self.stem(picture * 2 - 1)
        for stage in self.stages:
            x = stage(x)
        x = F.adaptive_avg_pool2d(activation(x), POOLED_SIDE).flatten(1)
        token: Tensor = self.normalise(self.head(activation(self.hidden(x))))
        return token

    @staticmethod
    def _reduce(picture: Tensor, side: int) -> Tensor:
        height, width = picture.shape[-2:]
        short = min(height, width)
        if short <= side:
            return picture
        # Whole cells at every stage, whatever the aspect.
        size = [MULTIPLE * round(x * side / short / MULTIPLE) for x in (height, width)]
        return F.interpolate(picture, size, mode="area")
