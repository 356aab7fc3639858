"""D_F of the preset `fast`: fine detail is sampled from the reference, not rebuilt."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imfcodec.config import ModelConfig
from imfcodec.model.correspondence import Correspondence, Refinement, Warp, sample, visibility_of
from imfcodec.model.implicit_motion_alignment import Alignment
from imfcodec.model.layers import activation, convolution, resize, unfold_pixels, zero_convolution


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
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        coarse, middle, fine = config.attention_dims
        wide, half, quarter = config.decoder_channels
        f2, f4, f8 = config.feature_channels[:3]
        self.fuse16 = convolution(coarse + middle, middle)
        self.fuse8 = convolution(middle + fine, wide)
        self.correspondence = Correspondence(wide, fine, config.attention_heads)
        self.refine8 = Refinement(wide, f8, 48)
        self.conv8 = convolution(wide + f8, wide)
        self.enter4 = convolution(wide + f4, half)
        self.refine4 = Refinement(half, f4)
        self.conv4 = convolution(half + f4, half)
        self.enter2 = convolution(half + f2 + 12, quarter)
        self.conv2 = convolution(quarter, quarter)
        self.painting = zero_convolution(quarter, 16)

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
            reference_motion: m_r at scale 8, likewise.
            fine: f^8, f^4, f^2.
            picture: x_r [B, 3, H, W].

        Returns:
            Pictures [B, 3, H, W], in 0..1 except for overshoot, which the caller clips, and the
            warp at scale 4.
        """
        h32, h16, h8 = (a.features for a in aligned)
        h16 = activation(self.fuse16(torch.cat([resize(h32, *h16.shape[-2:]), h16], 1)))
        h8 = activation(self.fuse8(torch.cat([resize(h16, *h8.shape[-2:]), h8], 1)))
        warp = self.correspondence(h8, motion, reference_motion, aligned[-1])
        mass = aligned[-1].mass.mean(1, keepdim=True)
        f8, f4, f2 = fine

        warp = self.refine8(h8, sample(f8, warp.displacement), warp)
        sampled8 = _sample_visible(f8, warp, mass)
        h8 = h8 + activation(self.conv8(torch.cat([h8, sampled8], 1)))

        sampled4 = _sample_visible(f4, warp, mass)
        h4 = activation(self.enter4(torch.cat([resize(h8, *sampled4.shape[-2:]), sampled4], 1)))
        warp = self.refine4(h4, sample(f4, warp.displacement), warp).steadied()
        sampled4 = _sample_visible(f4, warp, mass)
        h4 = h4 + activation(self.conv4(torch.cat([h4, sampled4], 1)))

        sampled2 = _sample_visible(f2, warp, mass)
        size2 = sampled2.shape[-2:]
        sampled = sample(picture, warp.displacement)
        folded = F.pixel_unshuffle(sampled, 2)
        h2 = activation(self.enter2(torch.cat([resize(h4, *size2), sampled2, folded], 1)))
        h2 = h2 + activation(self.conv2(h2))
        painting = unfold_pixels(self.painting(h2))
        return visibility_of(painting[:, 3:]) * sampled + painting[:, :3], warp


def _sample_visible(features: Tensor, warp: Warp, mass: Tensor) -> Tensor:
    """Mass * visibility * sampled features."""
    # The mass is 1 up to rounding; without it, pictures would differ in their last bits.
    size = features.shape[-2:]
    weight = resize(mass, *size) * resize(warp.visibility, *size)
    return weight * sample(features, warp.displacement)
