"""The decoded references of a shard as R restores them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from imfcodec.codec.network import STRENGTHS, to_pictures, to_tensor
from imfcodec.codec.restoration_strength import restoration_field
from imfcodec.model.reference_restoration import ReferenceRestoration
from imfcodec.training.data import Shard
from imfcodec.training.precision import autocast

REFERENCES_FILE = "references.u8"
BATCH = 8  # references that are restored together


@torch.inference_mode()
def restore_references(
    restoration: ReferenceRestoration,
    shard: Shard,
    path: Path,
    device: str,
    precision: str,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Let a shard show its decoded references as a receiver restores them, kept in a file.

    R runs once for each instead of in every step that draws it. Those in the file already, of a
    run that is resumed, stay. ``advance`` is called with how many are done, of how many.
    """
    size = shard.refs[:1].nbytes
    shares = torch.ones(len(shard.refs), 1, 1, 1)
    for ref in (ref for clip in shard.clips for ref in clip.refs):
        shares[ref.place] = STRENGTHS[restoration_field(ref.crf, predicted=ref.predicted)]
    done = path.stat().st_size // size if size and path.exists() else 0
    with path.open("r+b" if path.exists() else "wb") as file:
        file.truncate(done * size)
        file.seek(done * size)
        for begin in range(done, len(shard.refs), BATCH):
            advance(begin, len(shard.refs))
            decoded = to_tensor(shard.refs[begin : begin + BATCH].copy(), device)
            with autocast(device, precision):
                restored = restoration(decoded)
            share = shares[begin : begin + BATCH].to(device)
            file.write(to_pictures(torch.lerp(decoded, restored.float(), share)).tobytes())
    shard.show_references(path)
