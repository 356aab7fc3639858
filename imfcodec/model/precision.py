"""The number format in which a machine is fastest."""

from __future__ import annotations

import torch


def natural_precision(device: str) -> str:
    """Choose "bf16" if the hardware supports it, else "fp16" on a GPU and "fp32" on a CPU.

    A CPU without bfloat16 instructions emulates it, ten times slower than float32.

    Args:
        device: "cpu", "cuda" or "auto".

    Returns:
        "bf16", "fp16" or "fp32".
    """
    if device != "cpu" and torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    find = getattr(torch.cpu, "get_capabilities", dict)  # older versions of torch have none
    capabilities: dict[str, bool] = find()
    has_bf16 = capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
    return "bf16" if has_bf16 else "fp32"
