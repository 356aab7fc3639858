"""A network without values, for weights to fill."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from imfcodec.config import ModelConfig
from imfcodec.model.imf import IMF


def blank(config: ModelConfig) -> IMF:
    """The network on torch's device "meta": sizes only, no memory and no random numbers."""
    with torch.device("meta"), _Unfilled():
        return IMF(config)


class _Unfilled(TorchFunctionMode):
    """Skips what would fill new parameters.

    On "meta" it computes nothing, but its first call imports torch's compiler, for over a second.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        fills = func in (Tensor.normal_, Tensor.uniform_, Tensor.div)
        if fills or getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return (torch.empty if func is torch.randn else func)(*args, **kwargs)
