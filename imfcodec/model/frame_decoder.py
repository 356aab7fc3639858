"""D_F, the frame decoder of the paper: aligned features become a picture."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from imfcodec.config import ModelConfig
from imfcodec.model.layers import ResidualBlock, activation, convolution, resize


class FrameDecoder(nn.Module):
    """x_hat = D_F(aligned features); the aligned features of every scale enter as skips.

    f^32 ─ up-block ─ ++ f^16 refined ─ up-block ─ ++ f^8 refined ─ ... ─ conv3 ─ sigmoid
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        dims = config.attention_dims
        inputs = dims[0]
        self.blocks = nn.ModuleList()
        self.skips = nn.ModuleList()
        for level, outputs in enumerate(config.decoder_channels):
            if 0 < level < len(dims):
                self.skips.append(ResidualBlock(dims[level], dims[level]))
                inputs += dims[level]
            self.blocks.append(ResidualBlock(inputs, outputs))
            inputs = outputs
        self.last = convolution(inputs, 3)

    def forward(self, aligned: list[Tensor]) -> Tensor:
        """Features coarse to fine [B, C, H / scale, W / scale] -> [B, 3, H, W] in 0..1."""
        x = aligned[0]
        for level, block in enumerate(self.blocks):
            if 0 < level < len(aligned):
                x = torch.cat([x, self.skips[level - 1](aligned[level])], 1)
            x = block(x)
            x = resize(x, 2 * x.shape[2], 2 * x.shape[3])
        return torch.sigmoid(self.last(activation(x)))
