"""The decoded references of a shard as R restores them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from imfcodec.codec.network import STRENGTHS, to_pictures, to_tensor
from imfcodec.codec.restoration_strength import restoration_field
from imfcodec.model.reference_restoration import ReferenceRestoration
from imfcodec.training.optimisation import autocast
from imfcodec.training.run_log import paced
from imfcodec.training.shards import Shard

REFERENCES_FILE = "references.u8"
BATCH = 8  # references that are restored together


@torch.inference_mode()
def restored_shard(
    folder: Path,
    path: Path,
    restoration: ReferenceRestoration | None,
    device: str,
    precision: str,
    say: Callable[[str], None] = lambda line: None,
) -> Shard:
    """A shard that shows its decoded references as a receiver restores them.

    R runs once for each instead of in every step that draws it.

    Args:
        folder: Of the shard.
        path: File that keeps the restored references. Those in it already, of a run that is
            resumed, stay.
        restoration: R; None, and one that is untrained, leaves the references as they are.
        device: Torch device.
        precision: "fp32", "bf16" or "fp16".
        say: Called with lines of progress.

    Raises:
        InputUnreadable: The folder is no shard.
    """
    shard = Shard(folder)
    if restoration is None or not restoration.trained:
        return shard
    size = shard.refs[:1].nbytes
    shares = torch.ones(len(shard.refs), 1, 1, 1)
    for ref in (ref for clip in shard.clips for ref in clip.refs):
        shares[ref.place] = STRENGTHS[restoration_field(ref.crf, predicted=ref.predicted)]
    done = path.stat().st_size // size if size and path.exists() else 0
    advance = paced("restoring key frames", say)
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
    return shard
