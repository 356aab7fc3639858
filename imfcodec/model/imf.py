"""The implicit motion function: the blocks of the paper as one network."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from imfcodec.config import ModelConfig
from imfcodec.model.correspondence import Warp
from imfcodec.model.dense_feature_encoder import DenseFeatureEncoder
from imfcodec.model.displacement_frame_decoder import DisplacementFrameDecoder
from imfcodec.model.frame_decoder import FrameDecoder
from imfcodec.model.implicit_motion_alignment import ImplicitMotionAlignment
from imfcodec.model.latent_token_decoder import LatentTokenDecoder
from imfcodec.model.latent_token_encoder import LatentTokenEncoder
from imfcodec.model.layers import resize
from imfcodec.model.reference_restoration import restoration_of


class Reference(NamedTuple):
    """Everything that a receiver keeps of one key frame; computed once.

    Attributes:
        keys_and_values: Input of the attention at each scale, coarse to fine.
        motion: m_r at the finest attention scale [B, dim, h, w], as the decoder takes it.
        fine: f^8 [B, C8, H / 8, W / 8], f^4 [B, C4, H / 4, W / 4] and f^2 [B, C2, H / 2, W / 2],
            likewise.
        picture: The restored key frame x_r [B, 3, H, W] in 0..1.
    """

    keys_and_values: tuple[tuple[Tensor, Tensor], ...]
    motion: Tensor
    fine: tuple[Tensor, Tensor, Tensor]
    picture: Tensor

    def expand(self, batch: int) -> Reference:
        """The same reference for every frame of a batch, without copying."""

        def grow(x: Tensor) -> Tensor:
            return x.expand(batch, *x.shape[1:])

        return Reference(
            tuple((grow(k), grow(v)) for k, v in self.keys_and_values),
            grow(self.motion),
            (grow(self.fine[0]), grow(self.fine[1]), grow(self.fine[2])),
            grow(self.picture),
        )


class Reconstruction(NamedTuple):
    """A rebuilt batch of frames.

    Attributes:
        picture: x_hat [B, 3, H, W]; unclipped, nominally 0..1.
        warp: How the reference was sampled (preset `fast`); otherwise None.
    """

    picture: Tensor
    warp: Warp | None


class IMF(nn.Module):
    """x_hat_c = D_F(IMF_A(IMF_D(t_c), IMF_D(t_r), E_F(x_r))), t = E_T(x) (paper, eq. 1).

    Preset `fast` has t = E_T(x, x_r), see `LatentTokenEncoder`, and x_r = R(decoded key frame), see
    `ReferenceRestoration`. In the paper, x_r is the decoded key frame itself.

    key ─ R ─ x_r ─ E_F ─ f_r ──────┐
        t_r ─ IMF_D ─ m_r ─── IMF_A ─ D_F ─ x_hat_c
        t_c ─ IMF_D ─ m_c ─────┘

    Height and width are any multiples of 32.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.dense_feature_encoder = DenseFeatureEncoder(config)
        self.latent_token_encoder = LatentTokenEncoder(config)
        self.latent_token_decoder = LatentTokenDecoder(config)
        channels = dict(zip((2, 4, 8, 16, 32), config.feature_channels, strict=True))
        self.alignments = nn.ModuleList(
            ImplicitMotionAlignment(
                dim,
                channels[scale],
                config.attention_heads,
                blocks,
                config.attention_pooling if scale == config.attention_scales[-1] else 1,
            )
            for scale, dim, blocks in zip(
                config.attention_scales,
                config.attention_dims,
                config.attention_blocks,
                strict=True,
            )
        )
        self.guided = config.fine == "displacement"
        self.frame_decoder = (
            DisplacementFrameDecoder(config) if self.guided else FrameDecoder(config)
        )
        self.restoration = restoration_of(config)

    def restore(self, picture: Tensor, share: float = 1.0, *, once: bool = False) -> Tensor:
        """x_r = x + share (R(x) - x) of decoded key frames x, [B, 3, H, W] in 0..1.

        Without R, and at share 0, x as it is. With ``once``, R is its first pass alone.
        """
        if self.restoration is None or not share:
            return picture
        restored: Tensor = self.restoration.once(picture) if once else self.restoration(picture)
        return torch.lerp(picture, restored, share)

    def encode_token(
        self, picture: Tensor, reference: Tensor, flow: Tensor | None = None
    ) -> Tensor:
        """T = E_T(x) or E_T(x, x_r): [B, 3, H, W] in 0..1 each, or one x_r -> [B, d_m].

        ``flow`` [B, 3, h, w] is described in `LatentTokenEncoder`; None means no motion.
        """
        return self.latent_token_encoder(picture, reference, flow)

    def key_token(self, picture: Tensor) -> Tensor:
        """T_r = E_T(x_r) or E_T(x_r, x_r) of restored key frames: [B, 3, H, W] -> [B, d_m]."""
        return self.encode_token(picture, picture)

    def motions(self, token: Tensor, height: int, width: int) -> list[Tensor]:
        """M = IMF_D(t) on the attention grids of a height x width picture, coarse to fine."""
        maps = self.latent_token_decoder(token)
        return [
            resize(m, height // s, width // s)
            for m, s in zip(maps, self.config.attention_scales, strict=True)
        ]

    def reference(self, picture: Tensor, token: Tensor) -> Reference:
        """Prepare a restored key frame: x_r [B, 3, H, W] in 0..1 and its token t_r [B, d_m]."""
        features = self.dense_feature_encoder(picture)
        motions = self.motions(token, *picture.shape[-2:])
        keys_and_values = tuple(
            a.keys_and_values(m, features[s])  # type: ignore[operator]
            for a, m, s in zip(self.alignments, motions, self.config.attention_scales, strict=True)
        )
        motion, fine = motions[-1], (features[8], features[4], features[2])
        if isinstance(self.frame_decoder, DisplacementFrameDecoder):
            motion, fine = self.frame_decoder.narrowed(motion, fine)
        return Reference(keys_and_values, motion, fine, picture)

    def reconstruct(self, token: Tensor, reference: Reference) -> Reconstruction:
        """Rebuild frames from their tokens t_c [B, d_m] and a reference of batch B."""
        motions = self.motions(token, *reference.picture.shape[-2:])
        levels = zip(self.alignments, motions, reference.keys_and_values, strict=True)
        aligned = [alignment(motion, entry) for alignment, motion, entry in levels]
        if not self.guided:
            return Reconstruction(self.frame_decoder([a.features for a in aligned]), None)
        return Reconstruction(
            *self.frame_decoder(
                aligned, motions[-1], reference.motion, reference.fine, reference.picture
            )
        )

    def forward(self, token: Tensor, picture: Tensor, reference_token: Tensor) -> Reconstruction:
        """The receiver after R: t_c, x_r and its t_r -> x_hat_c."""
        return self.reconstruct(token, self.reference(picture, reference_token))
