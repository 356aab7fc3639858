"""D_F of the preset `fast`: fine detail is sampled from the references, not rebuilt."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imfcodec.config import ModelConfig
from imfcodec.model.correspondence import Correspondence, Refinement, Warp, sample, visibility_of
from imfcodec.model.implicit_motion_alignment import Alignment
from imfcodec.model.layers import activation, convolution, resize, unfold_pixels, zero_convolution


class DisplacementFrameDecoder(nn.Module):
    """x_hat = v sum_r w_r sample(x_r, d_r) + painting.

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
        reference_motions: list[Tensor],
        fine: list[tuple[Tensor, Tensor, Tensor, Tensor]],
    ) -> tuple[Tensor, list[Warp]]:
        """Rebuild a batch of frames.

        Args:
            aligned: Alignments at scales 32, 16, 8.
            motion: m_c at scale 8 [B, dim, H / 8, W / 8].
            reference_motions: m_r of each reference at scale 8.
            fine: Of each reference: f^8, f^4, f^2 and the picture x_r itself.

        Returns:
            Pictures [B, 3, H, W], in 0..1 except for overshoot, which the caller clips, and the
            warp of each reference at scale 4.
        """
        h32, h16, h8 = (a.features for a in aligned)
        h16 = activation(self.fuse16(torch.cat([resize(h32, *h16.shape[-2:]), h16], 1)))
        h8 = activation(self.fuse8(torch.cat([resize(h16, *h8.shape[-2:]), h8], 1)))
        warps = self.correspondence(h8, motion, reference_motions, aligned[-1])
        masses = [aligned[-1].mass[:, r].mean(1, keepdim=True) for r in range(len(fine))]
        f8, f4, f2, pictures = (list(of_each) for of_each in zip(*fine, strict=True))

        warps = _refine(self.refine8, h8, f8, warps)
        sampled8 = _gather(f8, warps, masses)
        h8 = h8 + activation(self.conv8(torch.cat([h8, sampled8], 1)))

        sampled4 = _gather(f4, warps, masses)
        h4 = activation(self.enter4(torch.cat([resize(h8, *sampled4.shape[-2:]), sampled4], 1)))
        warps = [warp.steadied() for warp in _refine(self.refine4, h4, f4, warps)]
        sampled4 = _gather(f4, warps, masses)
        h4 = h4 + activation(self.conv4(torch.cat([h4, sampled4], 1)))

        sampled2 = _gather(f2, warps, masses)
        size2 = sampled2.shape[-2:]
        picture = _blend(pictures, warps, masses)
        folded = F.pixel_unshuffle(picture, 2)
        h2 = activation(self.enter2(torch.cat([resize(h4, *size2), sampled2, folded], 1)))
        h2 = h2 + activation(self.conv2(h2))
        painting = unfold_pixels(self.painting(h2))
        return visibility_of(painting[:, 3:]) * picture + painting[:, :3], warps


def _refine(
    refinement: Refinement, state: Tensor, features: list[Tensor], warps: list[Warp]
) -> list[Warp]:
    """The warp of every reference at the scale of the decoder state."""
    return [
        refinement(state, sample(feature, warp.displacement), warp)
        for feature, warp in zip(features, warps, strict=True)
    ]


def _gather(features: list[Tensor], warps: list[Warp], masses: list[Tensor]) -> Tensor:
    """Sum over references of mass * visibility * sampled features."""
    size = features[0].shape[-2:]
    terms = [
        resize(mass, *size) * resize(warp.visibility, *size) * sample(feature, warp.displacement)
        for feature, warp, mass in zip(features, warps, masses, strict=True)
    ]
    return terms[0] if len(terms) == 1 else torch.stack(terms).sum(0)


def _blend(pictures: list[Tensor], warps: list[Warp], masses: list[Tensor]) -> Tensor:
    """Sampled pictures, weighted by mass * visibility; with one reference, its whole picture."""
    if len(pictures) == 1:
        return sample(pictures[0], warps[0].displacement)
    size = pictures[0].shape[-2:]
    weights = [
        resize(m, *size) * resize(w.visibility, *size) + 1e-4
        for m, w in zip(masses, warps, strict=True)
    ]
    total = torch.stack(weights).sum(0)
    return torch.stack(
        [
            weight / total * sample(picture, warp.displacement)
            for picture, warp, weight in zip(pictures, warps, weights, strict=True)
        ]
    ).sum(0)
