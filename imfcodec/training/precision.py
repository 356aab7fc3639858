"""Mixed precision of a training step."""

from __future__ import annotations

import contextlib
from typing import Any

import torch


def autocast(device: str, precision: str) -> Any:
    """The context of "fp32", "bf16" or "fp16" arithmetic on a torch device."""
    if precision == "fp32":
        return contextlib.nullcontext()
    dtype = torch.bfloat16 if precision == "bf16" else torch.float16
    return torch.autocast(device.split(":")[0], dtype)
