"""Small layers that several blocks of the network share."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FEW = 4
"""Up to so many channels are resampled plane by plane; interleaved, it takes far longer."""


def activation(x: Tensor) -> Tensor:
    """Leaky ReLU with slope 0.2, the only non-linearity of the convolutional parts."""
    return F.leaky_relu(x, 0.2)


def activated(x: Tensor) -> Tensor:
    """`activation` in place: of a layer's output that nothing else needs."""
    return F.leaky_relu_(x, 0.2)


def convolution(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Conv2d:
    """Padded convolution, He-initialised for `activation`."""
    layer = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)
    nn.init.kaiming_normal_(layer.weight, a=0.2)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def zero_convolution(inputs: int, outputs: int) -> nn.Conv2d:
    """Padded 3x3 convolution that returns 0 until it is trained."""
    layer = nn.Conv2d(inputs, outputs, 3, padding=1)
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class Projection(nn.Linear):
    """Linear map of each cell: [B, inputs, H, W] -> [B, outputs, H, W]."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] -> [B, outputs, H, W], interleaved if x is."""
        return per_cell(x, self.weight)


def per_cell(x: Tensor, weight: Tensor) -> Tensor:
    """Linear map [outputs, inputs] of each cell of [B, inputs, H, W], in x's memory format."""
    return F.linear(x.permute(0, 2, 3, 1), weight).permute(0, 3, 1, 2)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut; stride 2 halves the map.

        x ─┬─ act ─ conv3(stride) ─ act ─ conv3 · gain ─┬─ y
           └─ (mean 2x2) ─ (conv1) ─────────────────────┘

    There is no normalisation layer, so a pixel never depends on the rest of the batch or on distant
    parts of the picture. The gain, small at first, keeps a deep network from amplifying.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride
        self.first = convolution(inputs, outputs, 3, stride)
        self.second = convolution(outputs, outputs)
        self.gain = nn.Parameter(torch.full((1, outputs, 1, 1), 0.25))
        self.shortcut = None if inputs == outputs else convolution(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] -> [B, outputs, H / stride, W / stride]."""
        y = activated(self.first(activation(x)))
        # As a part of the weights, the gain costs no pass over the map.
        gain, bias = self.gain.reshape(-1), self.second.bias
        assert bias is not None
        y = F.conv2d(y, self.second.weight * gain[:, None, None, None], bias * gain, padding=1)
        if self.stride == 2:
            x = F.avg_pool2d(x, 2)
        if self.shortcut is not None:
            x = self.shortcut(x)
        return x + y


class StyledConvolution(nn.Module):
    """StyleGAN2 convolution: weights modulated by a style, then demodulated (Karras 2020, eq. 1-3).

    With style scale s_i per input channel, w'_oij = s_i w_oij and
    w''_oij = w'_oij / sqrt(sum_ij w'_oij^2 + eps). Scaling the input by s and the output by the
    demodulation factor is equivalent and allows many styles in one batch.
    """

    def __init__(self, inputs: int, outputs: int, style: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3) / math.sqrt(inputs * 9))
        self.bias = nn.Parameter(torch.zeros(1, outputs, 1, 1))
        self.affine = nn.Linear(style, inputs)
        nn.init.normal_(self.affine.weight, std=1 / math.sqrt(style))
        nn.init.ones_(self.affine.bias)
        self._known: tuple[tuple[int, int], Tensor] | None = None

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """[B, inputs, H, W], [B, style] -> [B, outputs, H, W]."""
        scale = self.affine(style)
        demodulation = torch.rsqrt(scale.square() @ self._energy().t() + 1e-8)
        x = F.conv2d(x * scale[:, :, None, None].to(x.dtype), self.weight, padding=1)
        gain = (demodulation * math.sqrt(2))[:, :, None, None].to(x.dtype)
        return activated(x * gain + self.bias.to(x.dtype) * math.sqrt(2))

    def _energy(self) -> Tensor:
        """sum_j w_oij^2 [outputs, inputs]; without gradients, computed once for each weights."""
        if torch.is_grad_enabled() or self.weight.is_inference():
            return self.weight.square().sum((2, 3))
        state = self.weight.data_ptr(), self.weight._version
        if self._known is None or self._known[0] != state:
            self._known = state, self.weight.square().sum((2, 3))
        return self._known[1]


class FeedForward(nn.Module):
    """Linear, GELU, linear on the channel axis of a sequence."""

    def __init__(self, dim: int, expansion: int = 4) -> None:
        super().__init__()
        self.inner = nn.Linear(dim, dim * expansion)
        self.outer = nn.Linear(dim * expansion, dim)

    def forward(self, x: Tensor) -> Tensor:
        """[B, N, dim] -> [B, N, dim]."""
        return self.outer(F.gelu(self.inner(x), approximate="tanh"))


class TransformerBlock(nn.Module):
    """Pre-norm multi-head self-attention and feed-forward, both residual."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.norm_feed = nn.LayerNorm(dim)
        self.feed = FeedForward(dim, 2)

    def forward(self, x: Tensor) -> Tensor:
        """[B, N, dim] -> [B, N, dim]."""
        b, n, c = x.shape
        qkv = self.qkv(self.norm_attention(x)).view(b, n, 3, self.heads, c // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, c)
        x = x + self.out(mixed)
        return x + self.feed(self.norm_feed(x))


def coordinates(height: int, width: int, like: Tensor) -> Tensor:
    """Centres of a grid's cells, x then y in units of the picture: [height * width, 2]."""
    y = (torch.arange(height, device=like.device, dtype=like.dtype) + 0.5) / height
    x = (torch.arange(width, device=like.device, dtype=like.dtype) + 0.5) / width
    return torch.stack([x.repeat(height), y.repeat_interleave(width)], -1)


def resize(x: Tensor, height: int, width: int) -> Tensor:
    """Bilinear resampling of [B, C, H, W] to (height, width); the map itself if it fits."""
    if x.shape[-2:] == (height, width):
        return x
    if x.shape[1] <= FEW:
        x = x.contiguous()
    return F.interpolate(x, (height, width), mode="bilinear", align_corners=False).to(x.dtype)


def unfold_pixels(folded: Tensor) -> Tensor:
    """Unfold channels into pixels, [B, 4 C, H, W] -> [B, C, 2 H, 2 W], without a grid pattern.

    Losses with strided backbones do not see a pattern with the period of the fold, so networks
    fill areas with it. Therefore the mean over 5x5 folds is made equal for the four pixels of a
    fold.
    """
    rows = F.avg_pool2d(folded, (5, 1), 1, (2, 0), count_include_pad=False)
    mean = F.avg_pool2d(rows, (1, 5), 1, (0, 2), count_include_pad=False)
    fold = torch.arange(folded.shape[1], device=folded.device) // 4
    # Each channel less the mean of its fold, as one product.
    uneven = torch.eye(len(fold), device=fold.device) - (fold[:, None] == fold) / 4
    return F.pixel_shuffle(folded - per_cell(mean, uneven.to(mean.dtype)), 2)


def interleaved(x: Tensor) -> Tensor:
    """The same map in the memory format that convolutions need, torch's channels_last.

    A concatenation with a map in another format would be copied at each convolution.
    """
    return x.contiguous(memory_format=torch.channels_last)


def reduce_short_side(picture: Tensor, side: int, multiple: int) -> Tensor:
    """Area reduction of [B, C, H, W] to about this short side; both sides become multiples.

    A picture whose short side is at most ``side`` stays unchanged.
    """
    height, width = picture.shape[-2:]
    short = min(height, width)
    if short <= side:
        return picture
    size = [multiple * round(x * side / short / multiple) for x in (height, width)]
    return F.interpolate(picture, size, mode="area")
