"""imfcodec: a neural video codec for talking heads.

cli -> bench, training -> sender -> receiver -> codec -> model, bitstream, media
-> config -> quality, errors

    encode(src, dst, **options) -> EncodeReport      fields of `EncodeOptions`
    decode(src, dst, **options) -> DecodeReport      fields of `DecodeOptions`
    inspect(src) -> StreamSummary
    load_weights(choice) -> Weights                  for several calls of `encode` and `decode`
    Encoder(file, width=, height=, fps=)             takes frames as arrays
    Decoder(file)                                    iterates over frames with pts

Nothing heavy is imported before it is used.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imfcodec.api import decode, encode
    from imfcodec.receiver.decoder import Decoder
    from imfcodec.receiver.inspection import inspect
    from imfcodec.sender.encoder import Encoder
    from imfcodec.weights import load_weights

# By default torch's threads spin while they wait. If another process is busy, that makes the
# network several times slower; on an idle machine it gains nothing (benchmarks/LOG.md). torch
# reads the variable once, at its first import.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"
__all__ = ["Decoder", "Encoder", "__version__", "decode", "encode", "inspect", "load_weights"]

_HOMES = {
    "encode": "imfcodec.api",
    "decode": "imfcodec.api",
    "Decoder": "imfcodec.receiver.decoder",
    "Encoder": "imfcodec.sender.encoder",
    "inspect": "imfcodec.receiver.inspection",
    "load_weights": "imfcodec.weights",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'imfcodec' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
