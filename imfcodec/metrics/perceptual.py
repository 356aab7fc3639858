"""LPIPS v0.1 through the lpips package (Zhang 2018)."""

from __future__ import annotations

import importlib.util
import warnings
from typing import Any

import torch
from torch import nn

from imfcodec.errors import OptionError

_kept_libraries: list[Any] = []


def _mend_torchvision() -> None:
    """Define the two operators whose absence keeps torchvision from importing on CPU torch.

    A torchvision wheel built for CUDA registers shape functions for operators that live in a
    library which does not load beside a CPU torch. Nothing here calls them.
    """
    try:
        torch.ops.torchvision.nms  # noqa: B018 - the lookup itself is the question
    except (AttributeError, RuntimeError):
        library = torch.library.Library("torchvision", "FRAGMENT")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _kept_libraries.append(library)  # dropping the handle would undefine them


def import_torchvision() -> Any:
    """The torchvision module, mended where that is needed.

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
    with warnings.catch_warnings():
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
