"""The perceptual term: LPIPS, or VGG features over scales as in the paper."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imfcodec.errors import OptionError
from imfcodec.metrics.perceptual import import_torchvision, load_lpips


class PerceptualLoss(nn.Module):
    """Distance of x_hat and x as a network sees them, pictures in 0..1 -> scalar."""

    def __init__(self, net: str) -> None:
        """Load the backbone: "squeeze" or "alex" (LPIPS), or "vgg" (paper, supplement)."""
        super().__init__()
        self.distance = VggPyramid() if net == "vgg" else load_lpips(net)

    def forward(self, picture: Tensor, target: Tensor) -> Tensor:
        """[B, 3, H, W] each -> scalar."""
        value: Tensor = self.distance(picture * 2 - 1, target * 2 - 1).mean()
        return value


class VggPyramid(nn.Module):
    """sum over image scales i in 0..3 and layers j in 0..4 of |VGG_j(x_i) - VGG_j(x_hat_i)|.

    Layers are VGG19's first activations of its five stages, relu1_1 to relu5_1.
    """

    ENDS = (2, 7, 12, 21, 30)
    SCALES = 4

    def __init__(self) -> None:
        """Load VGG19 from torchvision's cache, or let it download.

        Raises:
            OptionError: Neither is possible.
        """
        super().__init__()
        models = import_torchvision().models
        try:
            features = models.vgg19(weights=models.VGG19_Weights.IMAGENET1K_V1).features
        except OSError as error:
            raise OptionError(f"VGG19 is neither cached nor reachable: {error}") from error
        begins = (0, *self.ENDS[:-1])
        self.parts = nn.ModuleList(features[a:b] for a, b in zip(begins, self.ENDS, strict=True))
        self.requires_grad_(False).eval()
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))

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
