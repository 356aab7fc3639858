"""R, restoration: restores the detail that AV1 removed from key frames and from plain video."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imfcodec.config import ModelConfig
from imfcodec.model.layers import (
    ResidualBlock,
    activation,
    convolution,
    unfold_pixels,
    zero_convolution,
)

AGAIN = "again."
"""Prefix of the names of the second pass's weights."""

RestorationPass = tuple[tuple[int, int, int], int]
"""Channels at scales 2, 4, 8, and residual blocks at each scale, on the way down and up."""


class ReferenceRestoration(nn.Module):
    """x_r = R(decoded key frame): a picture of the same size, sharp where AV1 blurred.

        x ─ unshuffle ─ s2 ─────────────────── ++ ─ s2' ─ shuffle ─ + x
                         └─ s4 ──────── ++ ─ s4' ┘
                             └─ s8 ─ s8' ┘

    A second pass, with its own weights and sizes, takes x and the output of the first pass.

    All other frames are made from x_r, so detail that is missing there is missing in every frame.
    Key frames are seconds apart, so R may be larger than the network that runs for every frame.
    The last layer starts at zero, so an untrained R returns its input.

    Height and width are multiples of 8.
    """

    def __init__(self, first: RestorationPass, *later: RestorationPass, seen: int = 1) -> None:
        """Prepare one pass and the passes after it.

        Args:
            first: Sizes of this pass.
            *later: Sizes of the passes after it.
            seen: Number of input pictures: x, and the output of each pass before.
        """
        super().__init__()
        channels, blocks = first
        self.again = ReferenceRestoration(*later, seen=seen + 1) if later else None
        self.enter = convolution(12 * seen, channels[0], 5)
        self.halve = nn.ModuleList(ResidualBlock(i, o, 2) for i, o in itertools.pairwise(channels))
        self.down = nn.ModuleList(_chain(c, blocks) for c in channels)
        self.join = nn.ModuleList(convolution(i + o, o) for o, i in itertools.pairwise(channels))
        self.up = nn.ModuleList(_chain(c, blocks) for c in channels[:-1])
        self.leave = zero_convolution(channels[0], 12)

    @property
    def trained(self) -> bool:
        """Whether R may change its input."""
        own = any(bool(parameter.any()) for parameter in self.leave.parameters())
        return own or (self.again is not None and self.again.trained)

    def completed(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Extend the weights of an R with fewer passes to the passes of this one.

        Each new pass begins with the weights of the pass before and ignores its additional input.

        Raises:
            KeyError: These are not weights of an R.
        """
        if self.again is None:
            return dict(tensors)
        own = {k: v for k, v in tensors.items() if not k.startswith(AGAIN)}
        later = {k.removeprefix(AGAIN): v for k, v in tensors.items() if k.startswith(AGAIN)}
        if not later:
            more = self.again.enter.in_channels - self.enter.in_channels
            later = {**own, "enter.weight": F.pad(own["enter.weight"], (0, 0, 0, 0, 0, more))}
        return own | {AGAIN + k: v for k, v in self.again.completed(later).items()}

    def forward(self, *pictures: Tensor) -> Tensor:
        """Restore a batch.

        Args:
            *pictures: x [B, 3, H, W] in 0..1, and the output of each pass before.

        Returns:
            The restored pictures [B, 3, H, W].
        """
        restored = self.once(*pictures)
        if self.again is not None:
            restored = self.again(*pictures, restored)
        return restored

    def once(self, *pictures: Tensor) -> Tensor:
        """Like `forward`, without the passes after this one."""
        x = self.enter(F.pixel_unshuffle(torch.cat(pictures, 1) * 2 - 1, 2))
        skips = []
        for level, blocks in enumerate(self.down):
            if level:
                x = self.halve[level - 1](x)
            x = blocks(x)
            skips.append(x)
        for level in reversed(range(len(self.up))):
            wide = F.interpolate(x, scale_factor=2.0, mode="nearest")
            x = self.join[level](activation(torch.cat([wide, skips[level]], 1)))
            x = self.up[level](x)
        change = unfold_pixels(self.leave(activation(x)))
        restored: Tensor = (pictures[0] + change.float()).clamp(0, 1)
        return restored


def restoration_of(config: ModelConfig) -> ReferenceRestoration | None:
    """The untrained R of a network; None if it has none."""
    if not config.restoration_channels:
        return None
    passes = [(config.restoration_channels, config.restoration_blocks)] * config.restoration_passes
    if config.restoration_first:
        passes[0] = config.restoration_first[:3], config.restoration_first[3]
    return ReferenceRestoration(*passes)


def _chain(channels: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(channels, channels) for _ in range(blocks)))
