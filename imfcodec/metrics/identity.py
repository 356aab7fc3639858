"""Identity: cosine between embeddings of a face recogniser.

The recogniser is MobileFaceNet (Chen 2018) trained as ArcFace (Deng 2019), batch normalisation
folded into the convolutions:

    112x112 ─ 3x3 /2 ─ depthwise ─ ┌ /2, bottlenecks ┐ x3 ─ 1x1 ─ depthwise 7x7 ─ linear ─ 128

The landmarks of the source frame align both frames, so that a misplaced face lowers the score.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from imfcodec.arrays import Picture
from imfcodec.errors import OptionError
from imfcodec.media.faces import Landmarks

SIDE: Final = 112
"""Side of an aligned face in pixels."""

_TEMPLATE: Final = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ]
)
"""Positions of the five landmarks in ArcFace's training."""

_BLOCKS: Final = r"dconv_\d+|res_\d+_block\d+"


class Recogniser:
    """MobileFaceNet from a safetensors file."""

    def __init__(self, file: Path) -> None:
        """Load the network.

        Args:
            file: Tensors float32, named as convolution and `weight`, `bias` or `prelu`.

        Raises:
            OptionError: OpenCV is not installed, or the file is not such a network.
        """
        try:
            import cv2
        except ImportError as error:
            raise OptionError(
                "identity needs OpenCV: pip install opencv-python-headless"
            ) from error
        self._warp = cv2.warpAffine
        try:
            self._tensors: dict[str, Tensor] = load_file(file)
        except (OSError, SafetensorError) as error:
            raise OptionError(f"face recogniser {file}: {error}") from error
        found = (re.match(rf"({_BLOCKS})_conv_sep\.weight", name) for name in self._tensors)
        # Stages are numbered in order: dconv_23 leads from stage 2 to stage 3, then comes res_3.
        self._blocks = sorted((match[1] for match in found if match), key=_depth)
        try:
            with torch.inference_mode():
                self._network(torch.zeros(1, 3, SIDE, SIDE))
        except (KeyError, RuntimeError) as error:
            raise OptionError(f"{file} holds no MobileFaceNet: {error}") from error

    @torch.inference_mode()
    def embed(self, picture: Picture, landmarks: Landmarks) -> npt.NDArray[np.float32]:
        """The face in a picture.

        Args:
            picture: uint8 RGB [H, W, 3].
            landmarks: float64 [5, 2], pixels.

        Returns:
            float32 [128], of length 1: the dot product of two is their cosine.
        """
        aligned = self._warp(picture, alignment(landmarks), (SIDE, SIDE))
        x = torch.from_numpy(aligned).permute(2, 0, 1)[None].float()
        return F.normalize(self._network((x - 127.5) / 128))[0].numpy()

    def _network(self, x: Tensor) -> Tensor:
        x = self._convolve("conv_1", x, stride=2)
        x = self._convolve("conv_2_dw", x)
        for block in self._blocks:
            inner = self._convolve(f"{block}_conv_sep", x)
            inner = self._convolve(f"{block}_conv_dw", inner, stride=2 if "dconv" in block else 1)
            inner = self._convolve(f"{block}_conv_proj", inner)
            x = inner if "dconv" in block else x + inner
        x = self._convolve("conv_6sep", x)
        x = self._convolve("conv_6dw7_7", x, padding=0)
        return F.linear(x.flatten(1), self._tensors["fc.weight"], self._tensors["fc.bias"])

    def _convolve(
        self, name: str, x: Tensor, *, stride: int = 1, padding: int | None = None
    ) -> Tensor:
        weight, bias = self._tensors[f"{name}.weight"], self._tensors[f"{name}.bias"]
        around = weight.shape[2] // 2 if padding is None else padding
        groups = x.shape[1] // weight.shape[1]
        x = F.conv2d(x, weight, bias, stride=stride, padding=around, groups=groups)
        slopes = self._tensors.get(f"{name}.prelu")
        return x if slopes is None else F.prelu(x, slopes)


def alignment(landmarks: Landmarks) -> npt.NDArray[np.float64]:
    """The rotation, scale and shift that bring landmarks nearest to ArcFace's template.

    Args:
        landmarks: float64 [5, 2], pixels.

    Returns:
        float64 [2, 3]: applied to (x, y, 1) it gives the place in the aligned picture.
    """
    # (a, b, c, d) of x' = a x - b y + c, y' = b x + a y + d, by least squares.
    x, y = landmarks.T
    one, zero = np.ones_like(x), np.zeros_like(x)
    rows = np.concatenate([np.stack([x, -y, one, zero], 1), np.stack([y, x, zero, one], 1)])
    a, b, c, d = np.linalg.lstsq(rows, _TEMPLATE.T.ravel(), rcond=None)[0]
    return np.array([[a, -b, c], [b, a, d]])


def _depth(block: str) -> tuple[int, int]:
    """Sort key of a block: its stage, and within a stage the block that leads into it first."""
    numbers = [int(n) for n in re.findall(r"\d+", block)]
    return (numbers[0] % 10, -1) if "dconv" in block else (numbers[0], numbers[1])
