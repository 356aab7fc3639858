"""One process or many: what torchrun started, if anything."""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.nn.functional as dist_functional
from torch import Tensor, nn

from imfcodec.errors import OptionError


@dataclass(frozen=True)
class Processes:
    """This process among those that train together.

    Attributes:
        index: From 0; process 0 writes and speaks.
        count: How many there are.
        device: Torch device of this one.
    """

    index: int
    count: int
    device: str

    @property
    def first(self) -> bool:
        """Whether this process writes and speaks."""
        return self.index == 0

    def mean(self, x: Tensor) -> Tensor:
        """Mean of a tensor over all processes, gradients included."""
        if self.count == 1:
            return x
        total: Tensor = dist_functional.all_reduce(x)  # type: ignore[no-untyped-call]
        return total / self.count

    def largest(self, number: float) -> float:
        """The largest of all processes' numbers."""
        if self.count == 1:
            return number
        largest = torch.tensor(number, device=self.device)
        dist.all_reduce(largest, dist.ReduceOp.MAX)
        return float(largest)

    def parallel(self, module: nn.Module) -> Any:
        """The module, whose gradients are those of all processes."""
        if self.count == 1:
            return module
        return nn.parallel.DistributedDataParallel(module, find_unused_parameters=True)

    def synchronised(self, module: Any, now: bool) -> Any:
        """The context of one pass of a `parallel` module: gradients are exchanged if ``now``."""
        return nullcontext() if now or self.count == 1 else module.no_sync()


def join(device: str) -> Processes:
    """Join the processes that torchrun started; without it there is one.

    The device "auto" is a GPU where there is one.

    Raises:
        OptionError: "cuda" is asked for and there is no GPU.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise OptionError("there is no GPU: --device cuda needs one that torch can use")
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        return Processes(0, 1, device)
    if not dist.is_initialized():
        dist.init_process_group("nccl" if device == "cuda" else "gloo")
    if device == "cuda":
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        torch.cuda.set_device(device)
    return Processes(dist.get_rank(), count, device)
