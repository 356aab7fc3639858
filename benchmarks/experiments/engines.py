"""How far the pixels of engines, threads and precisions are apart.

    python benchmarks/experiments/engines.py CLIPS...

Encodes two seconds of each clip (preset fast) and decodes them in several ways. Prints for each way
how far its pixels are from those of torch in float32 with one thread, in 8-bit levels: the RMS of
the worst frame, and the largest difference. FORMAT.md allows 0.25 and 2. Needs the extra onnx.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from beginnings import beginning_of

import imfcodec
from imfcodec.arrays import Pictures
from imfcodec.codec.network import ENGINES, ONNX, TORCH, Network
from imfcodec.codec.network.in_torch import TorchNetwork
from imfcodec.codec.network.onnx_export import export
from imfcodec.config import DecodeOptions
from imfcodec.weights import load_weights

SECONDS = 2


class NarrowNetwork(TorchNetwork):
    """The network in torch, under autocast to another type."""

    kind = torch.bfloat16

    def restore(self, *args: Any) -> Any:
        """See `Network.restore`."""
        with torch.autocast("cpu", self.kind):
            return super().restore(*args)

    def reference(self, *args: Any) -> Any:
        """See `Network.reference`."""
        with torch.autocast("cpu", self.kind):
            return super().reference(*args)

    def _rebuild(self, *args: Any) -> Any:
        with torch.autocast("cpu", self.kind):
            return super()._rebuild(*args)


class HalfNetwork(NarrowNetwork):
    """In float16."""

    kind = torch.float16


def narrow(kind: type[TorchNetwork]) -> Callable[..., Network]:
    """An engine."""
    return lambda weights, quantiser, options: kind(
        weights.model,
        weights.tables.quantiser(quantiser),
        options.device,
        options.batch,
        options.threads,
    )


def decoded(stream: bytes, **options: Any) -> Pictures:
    """All pictures of a stream."""
    frames = imfcodec.Decoder(io.BytesIO(stream), DecodeOptions(**options))
    return np.stack([frame.rgb for frame in frames])


def main() -> None:
    """One line a clip and a way."""
    engines = {**ENGINES, "bfloat16": narrow(NarrowNetwork), "float16": narrow(HalfNetwork)}
    with TemporaryDirectory() as folder:
        exported = str(export(load_weights(), Path(folder)).path)
        ways: dict[str, tuple[str, dict[str, Any]]] = {
            "torch, 2 threads": (TORCH, {"threads": 2}),
            "torch, batches of 5": (TORCH, {"threads": 1, "batch": 5}),
            "onnxruntime, 1 thread": (ONNX, {"threads": 1, "weights": exported}),
            "onnxruntime, 2 threads": (ONNX, {"threads": 2, "weights": exported}),
            "torch, bfloat16": ("bfloat16", {"threads": 2}),
            "torch, float16": ("float16", {"threads": 2}),
        }
        for clip in map(Path, sys.argv[1:]):
            stream = io.BytesIO()
            imfcodec.encode(beginning_of(clip, SECONDS, folder), stream, preset="fast")
            wanted = decoded(stream.getvalue(), threads=1, engine=TORCH).astype(np.float32)
            for way, (engine, options) in ways.items():
                ENGINES[engine] = engines[engine]
                error = np.abs(decoded(stream.getvalue(), engine=engine, **options) - wanted)
                rms = float(np.sqrt(np.square(error).mean((1, 2, 3)).max()))
                print(f"{clip.stem:18} {way:24} {rms:.3f} {error.max():.0f}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
