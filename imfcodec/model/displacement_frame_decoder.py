"""D_F of the preset `fast`: fine detail is sampled from the reference, not rebuilt."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imfcodec.config import ModelConfig
from imfcodec.model.correspondence import Correspondence, Refinement, Warp, sample, visibility_of
from imfcodec.model.implicit_motion_alignment import Alignment
from imfcodec.model.layers import (
    Projection,
    activated,
    convolution,
    resize,
    unfold_pixels,
    zero_convolution,
)


class DisplacementFrameDecoder(nn.Module):
    """x_hat = v sample(x_r, d) + painting.

        aligned f^32, f^16, f^8 ─ fuse ─ h8 ─┬─ correspondence ─ d ─┬─ ++ sampled f^8 ─ h8
                                             └────── refine d ──────┘
        h8 ─ up ─ ++ sampled f^4 ─ h4 ─ refine, steady d ─ up ─ ++ sampled f^2, x_r ─ h2
        h2 ─ v, painting

    Where the reference does not show a pixel, v replaces the sampled picture by the painting.
    Convolutions run at half the picture's size and below; the sampled picture enters them, and
    the painting leaves them, with 2x2 pixels folded into channels. Painting and displacement start
    at zero, so an untrained network returns its reference.

    Where the configuration says so, linear maps narrow what enters a convolution: what comes from
    the coarser scale (up), the aligned features, the decoder's own map and the motion (inner), and
    the reference.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        coarse, middle, fine = config.attention_dims
        wide, half, quarter = config.decoder_channels
        f2, f4, f8 = config.feature_channels[:3]
        ups = (coarse, middle, wide, half)
        self.up32, self.up16, self.up8, self.up4 = _projections(ups, config.narrow_up)
        self.aligned16, self.aligned8 = _projections((middle, fine), config.narrow_aligned)
        self.inner8, self.inner4 = _projections((wide, half), config.narrow_inner)
        self.motion, self.reference_motion = _projections(
            (fine, fine), config.narrow_inner and config.narrow_inner[:1] * 2
        )
        self.features = _projections((f8, f4, f2), config.narrow_features)
        up32, up16, up8, up4 = config.narrow_up or ups
        aligned16, aligned8 = config.narrow_aligned or (middle, fine)
        inner8, inner4 = config.narrow_inner or (wide, half)
        motion = config.narrow_inner[0] if config.narrow_inner else fine
        f8, f4, f2 = config.narrow_features or (f8, f4, f2)
        self.fuse16 = convolution(up32 + aligned16, middle)
        self.fuse8 = convolution(up16 + aligned8, wide)
        self.correspondence = Correspondence(inner8 + 2 * motion, config.attention_heads)
        self.refine8 = Refinement(inner8, f8, 48)
        self.conv8 = convolution(inner8 + f8, wide)
        self.enter4 = convolution(up8 + f4, half)
        self.refine4 = Refinement(inner4, f4)
        self.conv4 = convolution(inner4 + f4, half)
        self.enter2 = convolution(up4 + f2 + 12, quarter)
        self.conv2 = convolution(quarter, quarter)
        self.painting = zero_convolution(quarter, 16)

    def narrowed(
        self, motion: Tensor, fine: tuple[Tensor, Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
        """Prepare m_r at scale 8 and f^8, f^4, f^2 of a key frame for `forward`."""
        f8, f4, f2 = (narrow(f) for narrow, f in zip(self.features, fine, strict=True))
        return self.reference_motion(motion), (f8, f4, f2)

    def forward(
        self,
        aligned: list[Alignment],
        motion: Tensor,
        reference_motion: Tensor,
        fine: tuple[Tensor, Tensor, Tensor],
        picture: Tensor,
    ) -> tuple[Tensor, Warp]:
        """Rebuild a batch of frames.

        Args:
            aligned: Alignments at scales 32, 16, 8.
            motion: m_c at scale 8 [B, dim, H / 8, W / 8].
            reference_motion: m_r at scale 8, from `narrowed`.
            fine: f^8, f^4, f^2, likewise.
            picture: x_r [B, 3, H, W].

        Returns:
            Pictures [B, 3, H, W], in 0..1 except for overshoot, which the caller clips, and the
            warp at scale 4.
        """
        h32, h16, h8 = (a.features for a in aligned)
        h16 = activated(self.fuse16(_joined(self.up32(h32), self.aligned16(h16))))
        h8 = activated(self.fuse8(_joined(self.up16(h16), self.aligned8(h8))))
        inner8 = self.inner8(h8)
        warp = self.correspondence(inner8, self.motion(motion), reference_motion, aligned[-1])
        mass = aligned[-1].mass.mean(1, keepdim=True)
        f8, f4, f2 = fine

        warp = self.refine8(inner8, sample(f8, warp.displacement), warp)
        sampled8 = _visible(sample(f8, warp.displacement), warp, mass)
        h8 = h8 + activated(self.conv8(_joined(inner8, sampled8)))

        sampled4 = sample(f4, warp.displacement)
        h4 = activated(self.enter4(_joined(self.up8(h8), _visible(sampled4, warp, mass))))
        inner4 = self.inner4(h4)
        warp = self.refine4(inner4, sampled4, warp).steadied()
        sampled4 = _visible(sample(f4, warp.displacement), warp, mass)
        h4 = h4 + activated(self.conv4(_joined(inner4, sampled4)))

        sampled2 = _visible(sample(f2, warp.displacement), warp, mass)
        sampled = sample(picture, warp.displacement)
        folded = F.pixel_unshuffle(sampled, 2)
        h2 = activated(self.enter2(_joined(self.up4(h4), sampled2, folded)))
        h2 = h2 + activated(self.conv2(h2))
        painting = unfold_pixels(self.painting(h2))
        visibility = visibility_of(painting[:, 3:])
        return torch.addcmul(painting[:, :3], visibility, sampled), warp


def _projections(channels: Sequence[int], narrow: Sequence[int] | None) -> nn.ModuleList:
    """One for each number of channels; without numbers to narrow them to, the maps themselves."""
    if narrow is None:
        return nn.ModuleList(nn.Identity() for _ in channels)
    return nn.ModuleList(Projection(i, o) for i, o in zip(channels, narrow, strict=True))


def _joined(coarse: Tensor, *others: Tensor) -> Tensor:
    """Concatenation of a map, resized, with others of one size."""
    return torch.cat([resize(coarse, *others[0].shape[-2:]), *others], 1)


def _visible(sampled: Tensor, warp: Warp, mass: Tensor) -> Tensor:
    """Mass * visibility * sampled features."""
    # The mass is 1 up to rounding; without it, pictures would differ in their last bits.
    size = sampled.shape[-2:]
    return resize(mass, *size) * resize(warp.visibility, *size) * sampled
