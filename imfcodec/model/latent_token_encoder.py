"""E_T, the latent token encoder: a frame becomes d_m values that say how the face moves."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imfcodec.config import ModelConfig
from imfcodec.model.layers import ResidualBlock, activation
from imfcodec.model.token_normalisation import TokenNormalisation

MULTIPLE = 16  # the stages halve four times


class LatentTokenEncoder(nn.Module):
    """t = E_T(x), or relative to the reference: t = E_T(x, x_r).

        x ─ (++ x_r ++ x - x_r) ─ reduce ─ conv7/2 ─ residual down-blocks ─ pool
                                                     ─ linear ─ linear ─ normalise ─ t

    The paper's token says where a face is; two of them, each a little wrong about a person it
    has never seen, then tell how it moved. A token relative to a reference may also measure the
    movement itself, between two pictures that the sender has both.

    The last layer gives every dimension mean 0 and variance 1 over the training data. An
    untrained encoder's outputs differ between people by thousandths; without it quantisation
    noise of any sensible size buries them and nothing is ever learned.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.side = config.token_encoder_side
        channels = config.token_encoder_channels
        self.relative = config.relative_tokens
        self.grid = config.token_encoder_grid
        self.stem = nn.Conv2d(9 if self.relative else 3, channels[0], 7, 2, 3)
        self.stages = nn.ModuleList(ResidualBlock(i, o, 2) for i, o in pairwise(channels))
        self.hidden = nn.Linear(channels[-1] * self.grid**2, config.token_encoder_hidden)
        self.head = nn.Linear(config.token_encoder_hidden, config.token_size)
        self.normalise = TokenNormalisation(config.token_size)

    def forward(self, picture: Tensor, reference: Tensor) -> Tensor:
        """Pictures [B, 3, H, W] in 0..1, any size -> tokens [B, d_m], about unit variance.

        Args:
            picture: x.
            reference: x_r, decoded, for each picture or one for all [1, 3, H, W]; only a relative
                token depends on it.
        """
        x = picture * 2 - 1
        if self.relative:
            reference = reference.expand_as(picture)
            x = torch.cat([x, reference * 2 - 1, (picture - reference) * 2], 1)
        if self.side is not None:
            x = self._reduce(x, self.side)
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        x = F.adaptive_avg_pool2d(activation(x), self.grid).flatten(1)
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
