"""Augmentation that all pictures of a training pair share."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

ANGLE = 0.2  # radians, largest rotation either way
ZOOM = 0.15  # largest natural logarithm of the zoom either way
SHIFT = 0.08  # of the picture, largest shift either way


@dataclass(frozen=True)
class Look:
    """How one pair is flipped, recoloured and moved.

    Attributes:
        flip: Whether left and right are exchanged.
        gain: Factor of each channel about middle grey.
        offset: Added to all channels.
        affine: Angle in radians, logarithm of the zoom, shift in x and y in units of the
            picture; None leaves the picture where it is.
    """

    flip: bool
    gain: tuple[float, float, float]
    offset: float
    affine: tuple[float, float, float, float] | None = None

    @classmethod
    def draw(cls, rng: np.random.Generator, affine_share: float) -> Look:
        """Draw one; ``affine_share`` of them move the picture."""
        overall = rng.uniform(0.85, 1.15)
        tint = rng.uniform(0.95, 1.05, 3) * overall
        flip, offset = bool(rng.random() < 0.5), float(rng.uniform(-0.06, 0.06))
        affine = None
        if affine_share > 0 and rng.random() < affine_share:
            a, z, x, y = rng.uniform(-1, 1, 4) * (ANGLE, ZOOM, SHIFT, SHIFT)
            affine = (float(a), float(z), float(x), float(y))
        return cls(flip, (float(tint[0]), float(tint[1]), float(tint[2])), offset, affine)

    @staticmethod
    def apply(looks: list[Look], x: Tensor) -> Tensor:
        """Flip, recolour and move a batch, [B, 3, S, S] in 0..1."""
        gain = torch.tensor([look.gain for look in looks], device=x.device)[:, :, None, None]
        offset = torch.tensor([look.offset for look in looks], device=x.device)
        x = _flip(looks, x)
        x = ((x - 0.5) * gain + 0.5 + offset[:, None, None, None]).clamp(0, 1)
        return _move(looks, x, "bilinear", "reflection")

    @staticmethod
    def apply_to_flow(looks: list[Look], flow: Tensor) -> Tensor:
        """The optical flow between pictures that `apply` has changed.

        The moved picture shows at p what stood at A p, so that a flow f becomes
        A^-1 f(A p), A without its shift.

        Args:
            looks: One for each pair.
            flow: [B, 3, f, f]: x and y in units of the picture, and its trust, 0 or 1, which
                becomes 0 where the moved picture is only padding.
        """
        flow, trust = flow[:, :2], flow[:, 2:]
        sign = torch.tensor([[-1.0 if look.flip else 1.0, 1.0] for look in looks])
        flow = _flip(looks, flow) * sign[:, :, None, None].to(flow)
        trust = _flip(looks, trust)
        flow = _move(looks, flow, "bilinear", "border")
        for n, look in enumerate(looks):
            if look.affine:
                back = torch.linalg.inv(_matrix(look.affine)[:, :2]).to(flow)
                flow[n] = torch.einsum("ij,jyx->iyx", back, flow[n])
        return torch.cat([flow, _move(looks, trust, "nearest", "zeros")], 1)


def _flip(looks: list[Look], x: Tensor) -> Tensor:
    flips = torch.tensor([look.flip for look in looks], device=x.device)
    return torch.where(flips[:, None, None, None], x.flip(-1), x)


def _move(looks: list[Look], x: Tensor, mode: str, padding: str) -> Tensor:
    """Move those pictures that are to be moved; the others are left bit for bit."""
    moved = [n for n, look in enumerate(looks) if look.affine]
    if not moved:
        return x
    theta = torch.stack([_matrix(look.affine) for look in looks if look.affine]).to(x)
    grid = F.affine_grid(theta, [len(moved), *x.shape[1:]], align_corners=False)
    x = x.clone()
    x[moved] = F.grid_sample(x[moved], grid, mode, padding, align_corners=False)
    return x


def _matrix(affine: tuple[float, float, float, float]) -> Tensor:
    """[2, 3] from places in the moved picture to places in the picture, both in -1..1."""
    angle, zoom, x, y = affine
    cos, sin = math.cos(angle) * math.exp(zoom), math.sin(angle) * math.exp(zoom)
    return torch.tensor([[cos, -sin, 2 * x], [sin, cos, 2 * y]])
