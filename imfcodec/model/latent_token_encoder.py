"""E_T, the latent token encoder: a frame becomes d_m values that say how the face moves."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imfcodec.config import ModelConfig
from imfcodec.model.correspondence import sample
from imfcodec.model.layers import ResidualBlock, activation, reduce_short_side, resize
from imfcodec.model.token_normalisation import TokenNormalisation

MULTIPLE = 16  # the stages halve four times


class LatentTokenEncoder(nn.Module):
    """t = E_T(x), or relative to the reference: t = E_T(x, x_r).

        x ─ reduce ─ (++ x_r ++ x - x_r (++ x - sample(x_r, flow) ++ flow)) ─ conv7/2
              ─ residual down-blocks ─ pool ─ linear ─ linear ─ normalise ─ t

    The paper's token says where a face is; two of them, each a little wrong about a person it
    has never seen, then tell how it moved. A token relative to a reference may also measure the
    movement itself, between two pictures that the sender has both. How pixels moved a classical
    method finds out well; what is left to learn is how to say it in d_m values.

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
            reference: x_r, decoded, for each picture or one for all [1, 3, H, W]; only a relative
                token depends on it.
            flow: From each x to x_r, x and y in units of the picture, and 1 where it is to be
                trusted, else 0: [B, 3, h, w]. None: nothing has moved.
        """
        x = self._inputs(self._reduce(picture), self._reduce(reference), flow)
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        x = F.adaptive_avg_pool2d(activation(x), self.grid).flatten(1)
        token: Tensor = self.normalise(self.head(activation(self.hidden(x))))
        return token

    def _inputs(self, picture: Tensor, reference: Tensor, flow: Tensor | None) -> Tensor:
        """What the first layer sees, about -1..1."""
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
        # Whole cells at every stage, whatever the aspect.
        return picture if self.side is None else reduce_short_side(picture, self.side, MULTIPLE)


def at_rest(flow: Tensor) -> Tensor:
    """Optical flow and trust between equal pictures, of the shape given [B, 3, h, w]."""
    rest = torch.zeros_like(flow)
    rest[:, 2] = 1
    return rest
