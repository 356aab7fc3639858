"""R, reference restoration: what AV1 took from a key frame is put back, once per key frame."""

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
"""What the names of the second pass's weights begin with."""


class ReferenceRestoration(nn.Module):
    """x_r = R(decoded key frame): a picture of the same size, sharp where AV1 blurred.

        x ─ unshuffle ─ s2 ─────────────────── ++ ─ s2' ─ shuffle ─ + x
                         └─ s4 ──────── ++ ─ s4' ┘
                             └─ s8 ─ s8' ┘

    A second pass, with weights of its own, looks at x again and at what the first made of it.

    Everything later is moved out of x_r: sharpness missing there is missing in every frame. A key
    frame comes once in seconds, so R may be larger than what runs for every frame. The last
    layer starts at zero: untrained, R returns its input.

    Height and width are multiples of 8.
    """

    def __init__(
        self, channels: tuple[int, int, int], blocks: int, passes: int = 1, seen: int = 1
    ) -> None:
        """Prepare one pass and those behind it.

        Args:
            channels: At scales 2, 4, 8.
            blocks: Residual blocks at each, on the way down and up.
            passes: This one and those behind it, at least 1.
            seen: Pictures that this one sees: x, and one of each pass before.
        """
        super().__init__()
        self.again = (
            ReferenceRestoration(channels, blocks, passes - 1, seen + 1) if passes > 1 else None
        )
        self.enter = convolution(12 * seen, channels[0], 5)
        self.halve = nn.ModuleList(ResidualBlock(i, o, 2) for i, o in itertools.pairwise(channels))
        self.down = nn.ModuleList(_chain(c, blocks) for c in channels)
        self.join = nn.ModuleList(convolution(i + o, o) for o, i in itertools.pairwise(channels))
        self.up = nn.ModuleList(_chain(c, blocks) for c in channels[:-1])
        self.leave = zero_convolution(channels[0], 12)

    @property
    def trained(self) -> bool:
        """Whether it may change anything."""
        own = any(bool(parameter.any()) for parameter in self.leave.parameters())
        return own or (self.again is not None and self.again.trained)

    def completed(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Weights of an R of fewer passes, with those of the further ones that this one has.

        Each begins as the one before: it does the same, whatever it sees more.

        Raises:
            KeyError: These are no weights of an R.
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
            *pictures: x [B, 3, H, W] in 0..1, and what each pass before has made of it.

        Returns:
            The same, restored.
        """
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
        if self.again is not None:
            restored = self.again(*pictures, restored)
        return restored


def restoration_of(config: ModelConfig) -> ReferenceRestoration | None:
    """R of a network, untrained; None if that restores no references."""
    if not config.restoration_channels:
        return None
    return ReferenceRestoration(
        config.restoration_channels, config.restoration_blocks, config.restoration_passes
    )


def _chain(channels: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(channels, channels) for _ in range(blocks)))
