"""Augmentation that all pictures of a training pair share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from imfcodec.training.losses import LUMA

ANGLE = 0.2  # radians, largest rotation either way
ZOOM = 0.2  # largest natural logarithm of the zoom either way
SHIFT = 0.08  # of the picture, largest shift either way
ASPECT = 0.08  # largest natural logarithm by which x is zoomed more, and y less, either way
SHEAR = 0.08  # largest shift of a row per row, either way


class Affine(NamedTuple):
    """A movement of a whole picture: other framings, and faces of other proportions.

    Attributes:
        angle: In radians.
        zoom: Its natural logarithm.
        x, y: Shift in units of the picture.
        aspect: Natural logarithm of the zoom that x has beyond that, and y short of it.
        shear: Shift of x per y.
    """

    angle: float
    zoom: float
    x: float
    y: float
    aspect: float = 0.0
    shear: float = 0.0

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Affine:
        """Draw one."""
        largest = (ANGLE, ZOOM, SHIFT, SHIFT, ASPECT, SHEAR)
        return cls(*(rng.uniform(-1, 1, len(largest)) * largest).tolist())

    def matrix(self) -> Tensor:
        """[2, 3] from places in the moved picture to places in the picture, both in -1..1."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        turn = torch.tensor([[cos, -sin], [sin, cos]]) * math.exp(self.zoom)
        form = torch.tensor([[math.exp(self.aspect), self.shear], [0.0, math.exp(-self.aspect)]])
        return torch.cat([turn @ form, torch.tensor([[2 * self.x], [2 * self.y]])], 1)


@dataclass(frozen=True)
class Look:
    """How one pair is flipped, recoloured and moved.

    Attributes:
        flip: Whether left and right are exchanged.
        gain: Factor of each channel about middle grey.
        offset: Added to all channels.
        affine: How it is moved; None leaves the picture where it is.
        saturation: Factor of each channel's distance from luma.
    """

    flip: bool
    gain: tuple[float, float, float]
    offset: float
    affine: Affine | None = None
    saturation: float = 1.0

    def numbers(self) -> list[float]:
        """All of it, for `of_numbers`; no movement is one by nothing."""
        moved = self.affine or Affine(0.0, 0.0, 0.0, 0.0)
        return [float(self.flip), *self.gain, self.offset, self.saturation, *moved]

    @classmethod
    def of_numbers(cls, numbers: Sequence[float]) -> Look:
        """What `numbers` was called on."""
        flip, red, green, blue, offset, saturation, *moved = map(float, numbers)
        affine = Affine(*moved) if any(moved) else None
        return cls(bool(flip), (red, green, blue), offset, affine, saturation)

    @classmethod
    def draw(cls, rng: np.random.Generator, affine_share: float, recolour: float = 1.0) -> Look:
        """Draw one; ``affine_share`` of them move the picture, ``recolour`` scales the colours."""
        moves = affine_share > 0 and rng.random() < affine_share
        look = replace(
            AS_IT_IS, flip=bool(rng.random() < 0.5), affine=Affine.draw(rng) if moves else None
        )
        return look.in_other_colours(rng, recolour)

    def in_other_colours(self, rng: np.random.Generator, recolour: float) -> Look:
        """Flipped and moved as it is, in colours drawn anew; ``recolour`` scales them."""
        overall = 1 + recolour * rng.uniform(-0.15, 0.15)
        tint = (1 + recolour * rng.uniform(-0.05, 0.05, 3)) * overall
        return replace(
            self,
            gain=(float(tint[0]), float(tint[1]), float(tint[2])),
            offset=float(recolour * rng.uniform(-0.06, 0.06)),
            saturation=float(1 + recolour * rng.uniform(-0.4, 0.3)),
        )

    @staticmethod
    def apply(looks: list[Look], x: Tensor) -> Tensor:
        """Flip, recolour and move a batch, [B, 3, S, S] in 0..1."""
        gain = torch.tensor([look.gain for look in looks], device=x.device)[:, :, None, None]
        plain = torch.tensor([[look.offset, look.saturation] for look in looks], device=x.device)
        offset, saturation = plain.view(-1, 2, 1, 1, 1).unbind(1)
        x = _flip(looks, x)
        luma = (x * x.new_tensor(LUMA).view(3, 1, 1)).sum(1, keepdim=True)
        x = torch.lerp(luma.expand_as(x), x, saturation)
        x = ((x - 0.5) * gain + 0.5 + offset).clamp(0, 1)
        # What is moved is to stay sharp.
        return _move(looks, x, "bicubic", "reflection").clamp(0, 1)

    @staticmethod
    def apply_to_weights(looks: list[Look], weights: Tensor) -> Tensor:
        """Weights of pixels [B, 1, S, S], moved as `apply` moves the pictures."""
        return _move(looks, _flip(looks, weights), "nearest", "reflection")

    @staticmethod
    def apply_to_flow(looks: list[Look], flow: Tensor) -> Tensor:
        """The optical flow [B, 3, f, f] between pictures that `apply` has changed.

        The flow is x and y in units of the picture, and its trust, 0 or 1, which becomes 0 where
        the moved picture is only padding. The moved picture shows at p what stood at A p, so that
        a flow f becomes A^-1 f(A p), A without its shift.
        """
        flow, trust = flow[:, :2], flow[:, 2:]
        sign = torch.tensor([[-1.0 if look.flip else 1.0, 1.0] for look in looks])
        flow = _flip(looks, flow) * sign[:, :, None, None].to(flow)
        trust = _flip(looks, trust)
        flow = _move(looks, flow, "bilinear", "border")
        for n, look in enumerate(looks):
            if look.affine:
                back = torch.linalg.inv(look.affine.matrix()[:, :2]).to(flow)
                flow[n] = torch.einsum("ij,jyx->iyx", back, flow[n])
        return torch.cat([flow, _move(looks, trust, "nearest", "zeros")], 1)


AS_IT_IS = Look(flip=False, gain=(1.0, 1.0, 1.0), offset=0.0)


def _flip(looks: list[Look], x: Tensor) -> Tensor:
    flips = torch.tensor([look.flip for look in looks], device=x.device)
    return torch.where(flips[:, None, None, None], x.flip(-1), x)


def _move(looks: list[Look], x: Tensor, mode: str, padding: str) -> Tensor:
    """Move those pictures that are to be moved; the others are left bit for bit."""
    moved = [n for n, look in enumerate(looks) if look.affine]
    if not moved:
        return x
    theta = torch.stack([look.affine.matrix() for look in looks if look.affine]).to(x)
    grid = F.affine_grid(theta, [len(moved), *x.shape[1:]], align_corners=False)
    x = x.clone()
    x[moved] = F.grid_sample(x[moved], grid, mode, padding, align_corners=False)
    return x
