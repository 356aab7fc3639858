"""E_F, the dense feature encoder: a reference picture becomes features at several scales."""

from __future__ import annotations

from torch import Tensor, nn

from imfcodec.config import ModelConfig
from imfcodec.model.layers import ResidualBlock


class DenseFeatureEncoder(nn.Module):
    """f_r = E_F(x_r): one map per scale, run once per key frame.

    x_r ─ conv ─ down ─ f^2 ─ down ─ f^4 ─ down ─ f^8 ─ down ─ f^16 ─ down ─ f^32
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.stem = nn.Conv2d(
            3,
            config.stem_channels,
            config.stem_kernel,
            config.stem_stride,
            config.stem_kernel // 2,
        )
        channels = (config.stem_channels, *config.feature_channels)
        strides = [2 // config.stem_stride, 2, 2, 2, 2]
        self.stages = nn.ModuleList(
            ResidualBlock(i, o, s)
            for i, o, s in zip(channels[:-1], channels[1:], strides, strict=True)
        )

    def forward(self, picture: Tensor) -> dict[int, Tensor]:
        """[B, 3, H, W] in 0..1 -> {scale: [B, C_scale, H / scale, W / scale]} for 2 .. 32."""
        x = self.stem(picture * 2 - 1)
        features = {}
        for scale, stage in zip((2, 4, 8, 16, 32), self.stages, strict=True):
            x = stage(x)
            features[scale] = x
        return features
