"""From attention to displacement: where the reference shows the fine detail of a pixel."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imfcodec.model.implicit_motion_alignment import Alignment
from imfcodec.model.layers import (
    activated,
    convolution,
    coordinates,
    interleaved,
    resize,
    zero_convolution,
)

STILL = 0.25 / 256
"""Displacement that is about halved, in units of the picture: 0.25 pixels at 256x256."""

LEAK = 0.1  # share of the smallest displacements that remains, where training begins

OPEN = 4.0  # logit offset: visibility starts near its upper end


class Warp(NamedTuple):
    """How the reference is sampled.

    Attributes:
        displacement: Offset from a pixel to its place in the reference, x and y in units of
            the picture [B, 2, h, w]; 0 means "the same place".
        visibility: 1 where the reference shows the pixel, 0 where the decoder must paint it
            [B, 1, h, w].
    """

    displacement: Tensor
    visibility: Tensor

    def steadied(self) -> Warp:
        """The same warp with small displacements suppressed: d (|d|^4 + LEAK) / (|d|^4 + 1).

        The displacement from a token varies by a tenth of a pixel between frames, which would
        make textured background jitter. |d| is in units of STILL.
        """
        length = (self.displacement / STILL).square().sum(1, keepdim=True).square()
        return Warp(self.displacement * ((length + LEAK) / (length + 1)), self.visibility)


def visibility_of(logit: Tensor) -> Tensor:
    """Logit -> visibility, exactly 1 at logit 0 and at most slightly above 1."""
    return torch.sigmoid(logit + OPEN) / torch.sigmoid(torch.tensor(OPEN))


def sample(features: Tensor, displacement: Tensor) -> Tensor:
    """Features [B, C, H, W] sampled by a displacement [B, 2, h, w], resized to their size.

    At displacement 0 the result equals the features up to float rounding.
    """
    height, width = features.shape[-2:]
    offset = resize(displacement, height, width)
    grid = coordinates(height, width, features).view(1, height, width, 2)
    grid = (grid + offset.permute(0, 2, 3, 1)) * 2 - 1
    return interleaved(F.grid_sample(features, grid, padding_mode="border", align_corners=False))


class Correspondence(nn.Module):
    """Displacement and visibility at the finest attention scale.

        expected positions of every head - own position ─┐
        aligned features, m_c, m_r ──────────────────────┴─ conv3 ─ conv3 ─ conv3 (0) ─ d, v

    The layer marked (0) starts at zero, so that an untrained network returns its reference.
    """

    def __init__(self, channels: int, heads: int, hidden: int = 64) -> None:
        """``channels`` are those of features and motions together."""
        super().__init__()
        self.first = convolution(channels + 3 * heads, hidden)
        self.second = convolution(hidden, hidden)
        self.last = zero_convolution(hidden, 3)

    def forward(
        self,
        features: Tensor,
        motion: Tensor,
        reference_motion: Tensor,
        alignment: Alignment,
    ) -> Warp:
        """The `Warp` of the reference.

        Args:
            features: Aligned features [B, C, h, w].
            motion: m_c [B, dim, h, w].
            reference_motion: m_r [B, dim, h, w].
            alignment: Result of the attention at this scale.
        """
        height, width = features.shape[-2:]
        own = coordinates(height, width, features).t().view(1, 1, 2, height, width)
        offsets = (alignment.position - own).flatten(1, 2)
        found = interleaved(torch.cat([offsets, alignment.mass], 1))
        inputs = torch.cat([features, motion, reference_motion, found], 1)
        hidden = activated(self.second(activated(self.first(inputs))))
        out = self.last(hidden)
        return Warp(out[:, :2] * 0.2, visibility_of(out[:, 2:]))


class Refinement(nn.Module):
    """Resizes a warp to a scale and corrects it there; the correction starts at zero."""

    def __init__(self, state_channels: int, feature_channels: int, hidden: int = 24) -> None:
        super().__init__()
        self.first = convolution(state_channels + feature_channels + 3, hidden, 3)
        self.last = zero_convolution(hidden, 3)

    def forward(self, state: Tensor, sampled: Tensor, warp: Warp) -> Warp:
        """Decoder state and the reference's sampled features, both at that scale."""
        height, width = state.shape[-2:]
        displacement = resize(warp.displacement, height, width)
        visibility = resize(warp.visibility, height, width)
        where = interleaved(torch.cat([displacement * 8, visibility], 1))
        hidden = activated(self.first(torch.cat([state, sampled, where], 1)))
        out = self.last(hidden)
        return Warp(
            displacement + out[:, :2] * 0.1,
            visibility * visibility_of(out[:, 2:]),
        )
