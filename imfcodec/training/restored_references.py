"""The decoded references of a shard as R restores them."""

from __future__ import annotations

from pathlib import Path

import torch

from imfcodec.model.reference_restoration import ReferenceRestoration
from imfcodec.receiver.reconstruction import to_pictures, to_tensor
from imfcodec.training.data import Shard
from imfcodec.training.precision import autocast

REFERENCES_FILE = "references.u8"
BATCH = 8  # references that are restored together


@torch.inference_mode()
def restore_references(
    restoration: ReferenceRestoration, shard: Shard, path: Path, device: str, precision: str
) -> None:
    """Let a shard show its decoded references as R restores them, kept in a file.

    R runs once for each instead of in every step that draws it. Those in the file already, of a
    run that is resumed, stay.
    """
    size = shard.refs[:1].nbytes
    done = path.stat().st_size // size if size and path.exists() else 0
    with path.open("r+b" if path.exists() else "wb") as file:
        file.truncate(done * size)
        file.seek(done * size)
        for begin in range(done, len(shard.refs), BATCH):
            decoded = shard.refs[begin : begin + BATCH].copy()
            with autocast(device, precision):
                restored = restoration(to_tensor(decoded, device))
            file.write(to_pictures(restored.float()).tobytes())
    shard.show_references(path)
