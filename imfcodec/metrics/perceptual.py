"""LPIPS v0.1 through the lpips package (Zhang 2018)."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import sys
import warnings
from collections import OrderedDict
from contextlib import redirect_stdout
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from imfcodec.errors import OptionError

_PART_PIXELS: Final = 4 * 256 * 256
"""Source pixels in one pass of the network: four pairs of 256x256. A larger pass of AlexNet is
no faster on a CPU, and one of SqueezeNet may be slower."""

_REMEMBERED_BYTES: Final = 768 << 20
"""Source features that one network keeps: for AlexNet, those of about 300 pictures of 256x256."""

_EPSILON: Final = 1e-10
"""As in the package: avoids a division by 0 if all features are 0."""

_kept_libraries: list[Any] = []


def _mend_torchvision() -> None:
    """Define the two operators whose absence keeps torchvision from importing on CPU torch.

    A torchvision wheel built for CUDA registers shape functions for operators of a library that
    does not load with a CPU torch. Nothing here calls them.
    """
    try:
        torch.ops.torchvision.nms  # noqa: B018 - the lookup itself is the question
    except (AttributeError, RuntimeError):
        library = torch.library.Library("torchvision", "FRAGMENT")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _kept_libraries.append(library)  # dropping the handle would undefine them


def import_torchvision() -> Any:
    """The torchvision module, repaired if necessary.

    Raises:
        OptionError: It is not installed.
    """
    try:
        import torchvision
    except RuntimeError:
        _mend_torchvision()
        import torchvision
    except ImportError as error:
        raise OptionError("torchvision is missing: pip install 'imfcodec[train]'") from error
    return torchvision


def load_lpips(net: str) -> nn.Module:
    """The LPIPS distance on pictures [B, 3, H, W] in -1..1 -> [B, 1, 1, 1].

    Backbones come from torchvision's cache (``TORCH_HOME``) or are downloaded by it.

    Args:
        net: "alex", "squeeze" or "vgg".

    Raises:
        OptionError: The lpips package is not installed, or the backbone cannot be had.
    """
    if importlib.util.find_spec("lpips") is None:
        raise OptionError("LPIPS needs the lpips package: pip install 'imfcodec[bench]'")
    import_torchvision()
    # torch.hub reports a download on stdout, which is reserved for results.
    with warnings.catch_warnings(), redirect_stdout(sys.stderr or io.StringIO()):
        warnings.simplefilter("ignore")
        import lpips

        try:
            model: nn.Module = lpips.LPIPS(net=net, verbose=False)
        except OSError as error:
            raise OptionError(
                f"the LPIPS backbone {net!r} is neither cached under TORCH_HOME nor reachable: "
                f"{error}"
            ) from error
    return model.eval().requires_grad_(False)


class Lpips:
    """LPIPS of batches of 8-bit pictures: the network of the package, arranged for speed.

    Pictures pass the backbone with channels innermost, and a layer's distance is one weighted sum
    over channels. Features of sources are kept, as a benchmark compares many codecs with the same
    source. The values equal those of the package's own forward pass up to the order of additions.
    """

    def __init__(self, net: str) -> None:
        """Load the network.

        Args:
            net: "alex", "squeeze" or "vgg".

        Raises:
            OptionError: The lpips package is not installed, or the backbone cannot be had.
        """
        model: Any = load_lpips(net)
        self._scale: nn.Module = model.scaling_layer
        self._backbone: nn.Module = model.net.to(memory_format=torch.channels_last)
        self._weights: list[Tensor] = [layer.model[-1].weight.flatten() for layer in model.lins]
        self._remembered: OrderedDict[bytes, list[Tensor]] = OrderedDict()
        self._remembered_bytes = 0

    @torch.inference_mode()
    def __call__(
        self, source: npt.NDArray[np.uint8], coded: npt.NDArray[np.uint8]
    ) -> npt.NDArray[np.float64]:
        """Distances of pictures.

        Args:
            source: uint8 RGB [N, H, W, 3], at least 32 pixels on each side.
            coded: The same.

        Returns:
            float64 [N], 0 for equal pictures.

        Raises:
            ValueError: The batches differ in shape or are not uint8 RGB.
        """
        for batch in (source, coded):
            if batch.dtype != np.uint8 or batch.ndim != 4 or batch.shape[3] != 3:
                raise ValueError(f"expected uint8 [N, H, W, 3], got {batch.dtype} {batch.shape}")
        if source.shape != coded.shape:
            raise ValueError(f"pictures of {source.shape} and {coded.shape} cannot be compared")
        count = max(1, _PART_PIXELS // (source.shape[1] * source.shape[2]))
        parts = [
            self._distances(source[i : i + count], coded[i : i + count])
            for i in range(0, len(source), count)
        ]
        return torch.cat(parts).double().numpy() if parts else np.empty(0)

    def _distances(self, source: npt.NDArray[np.uint8], coded: npt.NDArray[np.uint8]) -> Tensor:
        pairs = zip(self._source_features(source), self._features(coded), strict=True)
        total = torch.zeros(len(source))
        for weights, (x, y) in zip(self._weights, pairs, strict=True):
            total += ((x - y).square_() @ weights).mean((1, 2))
        return total

    def _source_features(self, source: npt.NDArray[np.uint8]) -> list[Tensor]:
        """`_features` of a source, cached; the oldest are dropped first."""
        key = hashlib.sha256(f"{source.shape}".encode() + source.tobytes()).digest()
        if key in self._remembered:
            self._remembered.move_to_end(key)
            return self._remembered[key]
        features = self._remembered[key] = self._features(source)
        self._remembered_bytes += _size_bytes(features)
        while self._remembered_bytes > _REMEMBERED_BYTES:
            _, oldest = self._remembered.popitem(last=False)
            self._remembered_bytes -= _size_bytes(oldest)
        return features

    def _features(self, pictures: npt.NDArray[np.uint8]) -> list[Tensor]:
        """Of each layer, float32 [N, h, w, C], of length 1 at every place."""
        # [N, H, W, 3] seen as [N, 3, H, W] already is torch's channels_last.
        levels = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2)
        layers = self._backbone(self._scale(levels.float() / 127.5 - 1))
        places = (layer.permute(0, 2, 3, 1) for layer in layers)
        return [
            place / (torch.linalg.vector_norm(place, dim=-1, keepdim=True) + _EPSILON)
            for place in places
        ]


def _size_bytes(tensors: list[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
