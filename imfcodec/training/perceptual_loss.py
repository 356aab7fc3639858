"""The perceptual term: LPIPS, or VGG features over scales as in the paper."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from imfcodec.errors import OptionError
from imfcodec.metrics.perceptual import import_torchvision, load_lpips
from imfcodec.model.layers import interleaved

VGG_FILE_VARIABLE = "IMFCODEC_VGG16"
STRIDE = 4  # pixels, the largest of the backbones' first layers


class PerceptualLoss(nn.Module):
    """Distance of x_hat and x as networks see them, pictures in 0..1 -> scalar."""

    def __init__(self, nets: str) -> None:
        """Load the backbones: "squeeze" or "alex" (LPIPS), "vgg" (`VggPyramid`), or a sum."""
        super().__init__()
        self.distances = nn.ModuleList(
            VggPyramid() if net == "vgg" else load_lpips(net) for net in nets.split("+")
        )

    def forward(self, picture: Tensor, target: Tensor, step: int = 0) -> Tensor:
        """[B, 3, H, W] each -> scalar.

        The backbones' first layers stride over 2 and 4 pixels: a grid that suits their phase goes
        unseen. From step to step both pictures lose other rows and columns, 3 at most.
        """
        top, left = step % STRIDE, step // STRIDE % STRIDE
        x, y = (interleaved(z[..., top:, left:] * 2 - 1) for z in (picture, target))
        return torch.stack([distance(x, y).mean() for distance in self.distances]).sum()


class VggPyramid(nn.Module):
    """sum over image scales i in 0..3 and layers j of |VGG_j(x_i) - VGG_j(x_hat_i)|.

    Layers are the first activations of VGG19's five stages, relu1_1 to relu5_1, as in the
    paper; or, where ``IMFCODEC_VGG16`` names a safetensors file with the first layers of VGG16
    (`features.0.weight`, ...), the activations of each of its convolutions.

    Raises:
        OptionError: The file is unusable; or without one, VGG19 is neither in torchvision's cache
            nor reachable.
    """

    ENDS = (2, 7, 12, 21, 30)
    SCALES = 4

    def __init__(self) -> None:
        super().__init__()
        file = os.environ.get(VGG_FILE_VARIABLE)
        self.parts = nn.ModuleList(_vgg16(Path(file)) if file else self._vgg19())
        self.requires_grad_(False).eval()
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))

    def _vgg19(self) -> list[Any]:
        models = import_torchvision().models
        try:
            features = models.vgg19(weights=models.VGG19_Weights.IMAGENET1K_V1).features
        except OSError as error:
            raise OptionError(f"VGG19 is neither cached nor reachable: {error}") from error
        begins = (0, *self.ENDS[:-1])
        return [features[a:b] for a, b in zip(begins, self.ENDS, strict=True)]

    def forward(self, picture: Tensor, target: Tensor) -> Tensor:
        """[B, 3, H, W] in -1..1 each -> scalar."""
        total = picture.new_zeros(())
        for scale in range(self.SCALES):
            if scale:
                picture, target = F.avg_pool2d(picture, 2), F.avg_pool2d(target, 2)
            x = torch.cat([picture, target]) * 0.5 + 0.5
            x = (x - self.mean) / self.std
            for part in self.parts:
                if min(x.shape[-2:]) < 2:
                    break
                x = part(x)
                ours, theirs = x.chunk(2)
                total = total + (ours - theirs.detach()).abs().mean()
        return total


def _vgg16(file: Path) -> list[nn.Module]:
    """VGG16's first convolutions, each with its activation and what pools before it."""
    try:
        tensors = load_file(file)
        numbers = sorted(
            int(name.split(".")[1])
            for name in tensors
            if name.startswith("features.") and name.endswith(".weight")
        )
        if not numbers:
            raise KeyError("features.0.weight")
        parts: list[nn.Module] = []
        for number in numbers:
            weight, bias = tensors[f"features.{number}.weight"], tensors[f"features.{number}.bias"]
            layer = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
            layer.load_state_dict({"weight": weight.float(), "bias": bias.float()})
            # In torchvision's numbering a stage's pooling stands between its last activation
            # and the next convolution: the numbers then are three apart.
            pools = number > 0 and number - 3 in numbers and number - 2 not in numbers
            parts.append(nn.Sequential(*([nn.MaxPool2d(2)] if pools else []), layer, nn.ReLU()))
    except (OSError, KeyError, ValueError, RuntimeError, SafetensorError) as error:
        raise OptionError(f"{file} holds no layers of VGG16: {error}") from error
    return parts
