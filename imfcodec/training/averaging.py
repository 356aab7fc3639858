"""Averaged weights, which are the ones exported."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def follow(ema: nn.Module, model: nn.Module, step: int, decay: float) -> None:
    """Draw the average after the weights of step ``step`` (from 0), faster in the first ones."""
    decay = min(decay, (step + 1) / (step + 10))
    for slow, fast in zip(ema.state_dict().values(), model.state_dict().values(), strict=True):
        slow.lerp_(fast, 1 - decay)
