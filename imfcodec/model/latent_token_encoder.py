"""E_T, the latent token encoder: a frame becomes d_m values that describe motion."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imfcodec.config import ModelConfig
from imfcodec.model.correspondence import sample
from imfcodec.model.layers import ResidualBlock, activation, reduce_short_side, resize
from imfcodec.model.token_normalisation import TokenNormalisation

MULTIPLE = 16  # the stages halve the picture four times


class LatentTokenEncoder(nn.Module):
    """t = E_T(x), or relative to the reference: t = E_T(x, x_r).

        x ─ reduce ─ (++ x_r ++ x - x_r (++ x - sample(x_r, flow) ++ flow)) ─ conv7/2
              ─ residual down-blocks ─ pool ─ linear ─ linear ─ normalise ─ t

    The paper's token describes where a face is. Motion is the difference of two tokens, and each
    is slightly wrong for people who are not in the training data. A token relative to a reference
    can measure the motion itself, as the sender has both pictures. Classical optical flow finds
    the motion of pixels well; the encoder only learns to express it in d_m values.

    The last layer gives every dimension mean 0 and variance 1 over the training data. The outputs
    of an untrained encoder differ between people by thousandths. Without this layer, quantisation
    noise of any reasonable size would hide them, and nothing would be learned.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.side = config.token_encoder_side
        channels = config.token_encoder_channels
        self.relative = config.relative_tokens
        self.grid = config.token_encoder_grid
        self.sees_flow = config.relative_tokens and config.token_encoder_flow
        inputs = 3 + 6 * self.relative + 6 * self.sees_flow
        self.stem = nn.Conv2d(inputs, channels[0], 7, 2, 3)
        self.stages = nn.ModuleList(ResidualBlock(i, o, 2) for i, o in pairwise(channels))
        self.hidden = nn.Linear(channels[-1] * self.grid**2, config.token_encoder_hidden)
        self.head = nn.Linear(config.token_encoder_hidden, config.token_size)
        self.normalise = TokenNormalisation(config.token_size)

    def forward(self, picture: Tensor, reference: Tensor, flow: Tensor | None = None) -> Tensor:
        """Pictures [B, 3, H, W] in 0..1, any size -> tokens [B, d_m], about unit variance.

        Args:
            picture: x.
            reference: Decoded x_r for each picture, or one for all [1, 3, H, W]; only a relative
                token depends on it.
            flow: Optical flow from each x to x_r, x and y in units of the picture, and a trust of
                1 or 0: [B, 3, h, w]. None means no motion.
        """
        x = self._inputs(self._reduce(picture), self._reduce(reference), flow)
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        x = F.adaptive_avg_pool2d(activation(x), self.grid).flatten(1)
        token: Tensor = self.normalise(self.head(activation(self.hidden(x))))
        return token

    def _inputs(self, picture: Tensor, reference: Tensor, flow: Tensor | None) -> Tensor:
        """Input of the first layer, about -1..1."""
        if not self.relative:
            return picture * 2 - 1
        reference = reference.expand_as(picture)
        parts = [picture * 2 - 1, reference * 2 - 1, (picture - reference) * 2]
        if self.sees_flow:
            if flow is None:
                flow = at_rest(picture.new_empty(len(picture), 3, 1, 1))
            flow = resize(flow, *picture.shape[-2:])
            parts += [(picture - sample(reference, flow[:, :2])) * 2, flow[:, :2] * 8, flow[:, 2:]]
        return torch.cat(parts, 1)

    def _reduce(self, picture: Tensor) -> Tensor:
        # Every stage has whole cells, whatever the aspect.
        return picture if self.side is None else reduce_short_side(picture, self.side, MULTIPLE)


def at_rest(flow: Tensor) -> Tensor:
    """Optical flow and trust between equal pictures, of a given shape [B, 3, h, w]."""
    rest = torch.zeros_like(flow)
    rest[:, 2] = 1
    return rest
