"""E_T, the latent token encoder: a frame becomes d_m values that say how the face moves."""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from imfcodec.config import ModelConfig
from imfcodec.model.layers import ResidualBlock, activation, coordinates

POOLED_SIDE = 4
KEYPOINT_STAGE = 1  # keypoints are found on the map behind this down-block


class Keypoints(nn.Module):
    """Where learned features lie: the expected position under a softmax over the map.

    A position moves with what it marks, for every face alike; linear layers on pooled features
    would have to learn that anew for each place and person.
    """

    def __init__(self, channels: int, count: int) -> None:
        super().__init__()
        self.heat = nn.Conv2d(channels, count, 1)

    def forward(self, features: Tensor) -> Tensor:
        """[B, C, h, w] -> [B, 2 count], x and y from -1 to 1."""
        height, width = features.shape[-2:]
        share = self.heat(activation(features)).flatten(2).softmax(-1)
        return (share @ coordinates(height, width, features)).flatten(1) * 2 - 1


class LatentTokenEncoder(nn.Module):
    """t = E_T(x).

        x ─ reduce ─ conv7/2 ─ down ─ down ─┬─ down ... ─ pool 4x4 ─ linear ─ linear ─ + ─ norm ─ t
                                            └─ keypoints ─ linear ─────────────────────┘

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
        count = config.token_encoder_keypoints
        self.keypoints = Keypoints(channels[KEYPOINT_STAGE + 1], count) if count else None
        self.place = nn.Linear(2 * count, config.token_size, bias=False) if count else None
        self.normalise = nn.BatchNorm1d(config.token_size, affine=False, momentum=0.02)

    def forward(self, picture: Tensor) -> Tensor:
        """[B, 3, H, W] in 0..1, any size -> tokens [B, d_m], about unit variance."""
        if self.side is not None:
            picture = self._reduce(picture, self.side)
        x = self.stem(picture * 2 - 1)
        places = None
        for number, stage in enumerate(self.stages):
            x = stage(x)
            if number == KEYPOINT_STAGE and self.keypoints and self.place:
                places = self.place(self.keypoints(x))
        x = F.adaptive_avg_pool2d(activation(x), POOLED_SIDE).flatten(1)
        token = self.head(activation(self.hidden(x)))
        return self.normalise(token if places is None else token + places)

    @staticmethod
    def _reduce(picture: Tensor, side: int) -> Tensor:
        height, width = picture.shape[-2:]
        short = min(height, width)
        if short <= side:
            return picture
        size = (round(height * side / short), round(width * side / short))
        return F.interpolate(picture, size, mode="area")
