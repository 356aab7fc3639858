"""Safetensors files, whole or not there."""

from __future__ import annotations

import os
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from imfcodec.errors import OutputFailed


def write_tensors(
    path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None
) -> None:
    """Write a safetensors file wholly or not at all.

    Raises:
        OutputFailed: The disk is full or the folder cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        save_file({k: v.contiguous() for k, v in tensors.items()}, part, metadata)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except Exception as error:  # safetensors reports a full disk with an error of its own
        part.unlink(missing_ok=True)
        raise OutputFailed(f"cannot write {path}: {error}") from error
