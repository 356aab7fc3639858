"""How far the pixels of engines, threads and precisions are apart.

    python benchmarks/experiments/engines.py CLIPS...

Encodes two seconds of each clip (preset fast) and decodes them in several ways. Prints for each way
how far its pixels are from those of torch in float32 with one thread, in 8-bit levels: the RMS of
the worst frame, and the largest difference. FORMAT.md allows 0.25 and 2. Needs the extras mnn and
onnx.
"""

from __future__ import annotations

import io
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from beginnings import beginning_of

import imfcodec
from imfcodec.arrays import Pictures
from imfcodec.codec.network import ENGINES, EXPORTED, TORCH, Network
from imfcodec.codec.network.export import export
from imfcodec.codec.network.in_torch import TorchNetwork
from imfcodec.config import DecodeOptions
from imfcodec.training.optimisation import autocast
from imfcodec.weights import Weights, load_weights

SECONDS = 2


class NarrowNetwork(TorchNetwork):
    """The network in torch under autocast, which each thread enters for itself."""

    def __init__(self, precision: str, *args: Any) -> None:
        """Take "bf16" or "fp16", and what the network takes."""
        super().__init__(*args)
        self._narrow = partial(autocast, "cpu", precision)

    def restore(self, *args: Any) -> Any:
        """See `Network.restore`."""
        with self._narrow():
            return super().restore(*args)

    def restore_once(self, *args: Any) -> Any:
        """See `Network.restore_once`."""
        with self._narrow():
            return super().restore_once(*args)

    def reference(self, *args: Any) -> Any:
        """See `Network.reference`."""
        with self._narrow():
            return super().reference(*args)

    def _rebuild(self, *args: Any) -> Any:
        with self._narrow():
            return super()._rebuild(*args)


def narrow(precision: str, weights: Weights, quantiser: int, options: DecodeOptions) -> Network:
    """An engine (see `ENGINES`)."""
    step = weights.tables.quantiser(quantiser)
    chosen = options.device, options.batch, options.threads
    return NarrowNetwork(precision, weights.model, step, *chosen)


def main() -> None:
    """One line a clip and a way."""
    for precision in ("bf16", "fp16"):
        ENGINES[precision] = partial(narrow, precision)

    def decoded(**options: Any) -> Pictures:
        frames = imfcodec.Decoder(io.BytesIO(stream.getvalue()), DecodeOptions(**options))
        return np.stack([frame.rgb for frame in frames])

    with TemporaryDirectory() as folder:
        ways: dict[str, dict[str, Any]] = {
            "torch, 2 threads": {"engine": TORCH, "threads": 2},
            "torch, batches of 5": {"engine": TORCH, "threads": 1, "batch": 5},
            "torch, bfloat16": {"engine": "bf16", "threads": 2},
            "torch, float16": {"engine": "fp16", "threads": 2},
        }
        for engine in EXPORTED:
            exported = str(export(load_weights(), Path(folder), engine).path)
            for threads in (1, 2):
                way = {"engine": engine, "threads": threads, "weights": exported}
                ways[f"{engine}, {threads} threads"] = way
        for clip in map(Path, sys.argv[1:]):
            stream = io.BytesIO()
            imfcodec.encode(beginning_of(clip, SECONDS, folder), stream, preset="fast")
            wanted = decoded(engine=TORCH, threads=1).astype(np.float32)
            for way, options in ways.items():
                error = np.abs(decoded(**options) - wanted)
                rms = float(np.sqrt(np.square(error).mean((1, 2, 3)).max()))
                print(f"{clip.stem:18} {way:24} {rms:.3f} {error.max():.0f}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
