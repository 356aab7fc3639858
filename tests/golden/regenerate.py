"""Writes golden files: `python -m tests.golden.regenerate WEIGHTS STREAM --yes-break-every-stream`.

Both are names. STREAM is new for a new format version or network, which keeps the old files beside
the new ones. WEIGHTS that are there stay unless their file was removed.
"""

from __future__ import annotations

import dataclasses
import io
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

import imfcodec
from imfcodec import weights
from imfcodec.bitstream import (
    KeyPacket,
    PredictedKeyPacket,
    StreamReader,
    TokenPacket,
    low_bits,
)
from imfcodec.codec.tokens import EntropyModel
from imfcodec.errors import WeightsMissing
from imfcodec.media import MediaWriter
from imfcodec.training.fit_tables import fit_tables
from tests.conftest import moving_picture
from tests.tiny import random_walks, tiny_model

HERE = Path(__file__).parent


def tokens_of(stream: bytes, tables: EntropyModel) -> np.ndarray:
    """Every token of a stream whose token packets all decode: int32 [frames, d_m]."""
    reader = StreamReader(io.BytesIO(stream))
    coder = tables.coder(reader.header.quantiser)
    tokens, keys, key = [], {}, None
    for packet in reader:
        if isinstance(packet, KeyPacket | PredictedKeyPacket):
            predicted = isinstance(packet, PredictedKeyPacket)
            coder.reset(keys[packet.origin] if predicted else None)
            some = coder.decode(packet.token, 1 + len(packet.lead))
            key = some[:1]
            keys[low_bits(packet.frame_number)] = key[0]
            coder.start_after(key[0])
            tokens.append(some[::-1])
        elif isinstance(packet, TokenPacket):
            if not packet.chained:
                coder.reset(key[0])
            tokens.append(coder.decode(packet.payload, len(packet.pts)))
    return np.concatenate(tokens)


def main(name: str, stream_name: str) -> None:
    """Make stream and expectation, and the weights if there are none of their name."""
    try:
        file = weights.find(name)
    except WeightsMissing:
        tables = fit_tables(np.full(16, 0.2, np.float32), random_walks(6, 60, 16))
        few = dataclasses.replace(tables, scales=tables.scales[:3], levels=tables.levels[:3])
        file = weights.write(HERE, name, tiny_model(), few)
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "a.mkv"
        with MediaWriter(
            video, width=64, height=64, time_base=Fraction(1, 25), rate=Fraction(25)
        ) as writer:
            for n in range(32):
                writer.write(n, moving_picture(n * 2))
        stream = io.BytesIO()
        imfcodec.encode(
            video,
            stream,
            weights=name,
            quantiser=2,
            key_crf=20,
            keyframe_interval_s=0.48,
            layout="whole",
        )
    (HERE / f"{stream_name}.imf").write_bytes(stream.getvalue())
    frames = [f.rgb for f in imfcodec.Decoder(io.BytesIO(stream.getvalue()))]
    save_file(
        {
            "tokens": tokens_of(stream.getvalue(), weights.load(file).tables),
            "frames": np.stack(frames[::8]),
        },
        HERE / f"{stream_name}-expected.safetensors",
    )


if __name__ == "__main__":
    if sys.argv[3:] != ["--yes-break-every-stream"]:
        sys.exit(__doc__)
    import os

    os.environ[weights.FOLDER_VARIABLE] = str(HERE)
    main(*sys.argv[1:3])
