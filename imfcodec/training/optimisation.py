"""What every training loop does to its weights: rate, precision, average."""

from __future__ import annotations

import contextlib
import copy
import math
from typing import Any, TypeVar

import torch
from torch import nn

M = TypeVar("M", bound=nn.Module)


def warm_cosine(step: int, warmup_steps: int, progress: float) -> float:
    """Share of the peak rate: linear warm-up, then cosine to a twentieth at ``progress`` 1."""
    warm = min(1.0, (step + 1) / max(1, warmup_steps))
    return warm * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))


def warm_in(step: int, start: int, length: int) -> float:
    """0 before ``start``, then linearly to 1 over ``length`` steps."""
    return min(1.0, max(0.0, (step - start) / max(length, 1)))


def autocast(device: str, precision: str) -> Any:
    """The context of "fp32", "bf16" or "fp16" arithmetic on a torch device."""
    if precision == "fp32":
        return contextlib.nullcontext()
    dtype = torch.bfloat16 if precision == "bf16" else torch.float16
    return torch.autocast(device.split(":")[0], dtype)


def average_of(model: M) -> M:
    """A copy of a network for `follow`; averaged weights are the ones exported."""
    return copy.deepcopy(model).eval().requires_grad_(False)


@torch.no_grad()
def follow(ema: nn.Module, model: nn.Module, step: int, decay: float) -> None:
    """Draw the average after the weights of step ``step`` (from 0), faster in the first ones."""
    decay = min(decay, (step + 1) / (step + 10))
    for slow, fast in zip(ema.state_dict().values(), model.state_dict().values(), strict=True):
        slow.lerp_(fast, 1 - decay)
