"""IMF_A, implicit motion alignment: cross-attention moves the references' features."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imfcodec.model.layers import TransformerBlock, coordinates

VECTOR = 8
"""Head sizes are multiples of this."""


class Alignment(NamedTuple):
    """Result of one cross-attention.

    Attributes:
        features: Aligned features [B, dim, h, w].
        mass: Share of each head's attention on each reference [B, R, heads, h, w]; sums to 1
            over R.
        position: Expected position in each reference under the attention, x and y in units of
            the picture [B, R, heads, 2, h, w].
    """

    features: Tensor
    mass: Tensor
    position: Tensor


class PositionalEmbedding(nn.Module):
    """P: Fourier features of the position relative to the picture, linearly mixed.

    It works on any grid. The inner product of two embeddings decreases with their distance, so an
    untrained attention attends to its own neighbourhood.
    """

    BANDS = 8

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.mix = nn.Linear(4 * self.BANDS, dim, bias=False)
        nn.init.orthogonal_(self.mix.weight, gain=math.sqrt(dim / (4 * self.BANDS)))

    def forward(self, height: int, width: int, like: Tensor) -> Tensor:
        """Grid size -> [height * width, dim]."""
        octaves = math.pi * 2 ** torch.linspace(0, 4, self.BANDS, device=like.device)
        phase = coordinates(height, width, like)[:, :, None] * octaves.to(like.dtype)
        waves = torch.cat([phase.sin(), phase.cos()], -1).flatten(1)
        return self.mix(waves)


class ImplicitMotionAlignment(nn.Module):
    """Q = m_c + P_q, K = m_r + P_k, V = f_r, then transformer blocks (paper, section 3.3).

        m_c + P ─ q ─┐
        m_r + P ─ k ─┼─ attention ─┬─ out ─ blocks ─ aligned features
        f_r ───── v ─┘             └─ expected position in each reference

    The references are concatenated as keys and values, so no weight depends on their number.
    An indicator and the coordinates of each reference are additional values, so that the one
    fused attention also yields the position of every query.
    """

    def __init__(self, dim: int, feature_channels: int, heads: int, blocks: int) -> None:
        super().__init__()
        self.heads = heads
        self.position = PositionalEmbedding(dim)
        self.query = nn.Linear(dim, dim, bias=False)
        self.key = nn.Linear(dim, dim, bias=False)
        self.value = nn.Linear(feature_channels, dim)
        self.out = nn.Linear(dim, dim)
        self.blocks = nn.ModuleList(TransformerBlock(dim, heads) for _ in range(blocks))
        nn.init.orthogonal_(self.query.weight)
        with torch.no_grad():
            self.key.weight.copy_(self.query.weight)

    def keys_and_values(self, motion: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of a reference: [B, dim, h, w], [B, C, h, w] -> 2 x [B, h * w, dim]."""
        height, width = motion.shape[-2:]
        key = motion.flatten(2).transpose(1, 2) + self.position(height, width, motion)
        return self.key(key), self.value(features.flatten(2).transpose(1, 2))

    def forward(self, motion: Tensor, references: list[tuple[Tensor, Tensor]]) -> Alignment:
        """Align to one frame's motion.

        Args:
            motion: m_c [B, dim, h, w].
            references: `keys_and_values` of each reference.
        """
        b, dim, height, width = motion.shape
        n, count = height * width, len(references)
        head_dim = dim // self.heads
        query = self.query(motion.flatten(2).transpose(1, 2) + self.position(height, width, motion))
        key = torch.cat([k for k, _ in references], 1)
        value = torch.cat([v for _, v in references], 1)

        def split(x: Tensor) -> Tensor:
            return x.view(b, -1, self.heads, head_dim).transpose(1, 2)

        # One indicator and two coordinates per reference, zero in the rows of other references.
        where = F.pad(coordinates(height, width, motion), (1, 0), value=1.0)
        # All head sizes are equal, as the fused kernels require.
        padding = -(-(head_dim + 3 * count) // VECTOR) * VECTOR - head_dim
        tracers = F.pad(torch.block_diag(*[where] * count), (0, padding - 3 * count))
        mixed = F.scaled_dot_product_attention(
            F.pad(split(query), (0, padding)),
            F.pad(split(key), (0, padding)),
            torch.cat([split(value), tracers.expand(b, self.heads, -1, -1)], -1),
            scale=1 / math.sqrt(head_dim),
        )
        found = mixed[..., head_dim : head_dim + 3 * count].unflatten(-1, (count, 3))
        found = found.permute(0, 3, 1, 4, 2).reshape(b, count, self.heads, 3, height, width)
        mass = found[:, :, :, 0]
        position = found[:, :, :, 1:] / mass.unsqueeze(3).clamp_min(1e-4)

        x = self.out(mixed[..., :head_dim].transpose(1, 2).reshape(b, n, dim))
        for block in self.blocks:
            x = block(x)
        return Alignment(x.transpose(1, 2).reshape(b, dim, height, width), mass, position)
