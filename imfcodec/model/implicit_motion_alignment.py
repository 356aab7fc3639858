"""IMF_A, implicit motion alignment: cross-attention moves a reference's features."""

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
        mass: Sum of each head's attention [B, heads, h, w]; 1 up to rounding.
        position: Expected position in the reference under the attention, x and y in units of
            the picture [B, heads, 2, h, w].
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
        f_r ───── v ─┘             └─ expected position in the reference

    A constant 1 and the coordinates of the reference are additional values, so that the one fused
    attention also yields its sum and the position of every query.
    """

    def __init__(
        self, dim: int, feature_channels: int, heads: int, blocks: int, pooling: int = 1
    ) -> None:
        """Keys and values are means over squares of ``pooling`` x ``pooling`` cells."""
        super().__init__()
        self.heads = heads
        self.pooling = pooling
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
        """Keys and values of a reference: [B, dim, h, w], [B, C, h, w] -> 2 x [B, N, dim].

        N is the number of cells after pooling.
        """
        height, width = motion.shape[-2:]
        place = self.position(height, width, motion).t().unflatten(1, (height, width))
        key, value = (
            F.avg_pool2d(x, self.pooling).flatten(2).transpose(1, 2)
            for x in (motion + place, features)
        )
        return self.key(key), self.value(value)

    def forward(self, motion: Tensor, keys_and_values: tuple[Tensor, Tensor]) -> Alignment:
        """Align a reference, given by its `keys_and_values`, to m_c [B, dim, h, w]."""
        b, _, height, width = motion.shape
        dim = self.query.out_features  # a number also where shapes are traced
        head_dim = dim // self.heads
        query = self.query(motion.flatten(2).transpose(1, 2) + self.position(height, width, motion))
        key, value = keys_and_values

        def split(x: Tensor) -> Tensor:
            return x.view(b, -1, self.heads, head_dim).transpose(1, 2)

        cells = (height // self.pooling, width // self.pooling)
        where = F.pad(coordinates(*cells, motion), (1, 0), value=1.0)
        # All head sizes are equal, as the fused kernels require.
        padding = -(-(head_dim + 3) // VECTOR) * VECTOR - head_dim
        tracers = F.pad(where, (0, padding - 3))
        mixed = F.scaled_dot_product_attention(
            F.pad(split(query), (0, padding)),
            F.pad(split(key), (0, padding)),
            torch.cat([split(value), tracers.expand(b, self.heads, -1, -1)], -1),
            scale=1 / math.sqrt(head_dim),
        )
        found = mixed[..., head_dim : head_dim + 3].transpose(2, 3).unflatten(3, (height, width))
        mass = found[:, :, 0]
        position = found[:, :, 1:] / mass.unsqueeze(2).clamp_min(1e-4)

        x = self.out(mixed[..., :head_dim].transpose(1, 2).flatten(2))
        for block in self.blocks:
            x = block(x)
        return Alignment(x.transpose(1, 2).reshape(b, dim, height, width), mass, position)
