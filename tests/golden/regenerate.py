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
from unittest import mock

import numpy as np
from safetensors.numpy import save_file

import imfcodec
from imfcodec import weights
from imfcodec.bitstream import (
    KeyPacket,
    LayerPacket,
    PredictedKeyPacket,
    StreamReader,
    TokenPacket,
    low_bits,
)
from imfcodec.codec.tokens import EntropyModel, TokenCoder
from imfcodec.errors import WeightsMissing
from imfcodec.media import MediaWriter
from imfcodec.sender.layout import heads
from imfcodec.training.fit_tables import fit_tables
from tests.conftest import moving_picture
from tests.heads import OPTIONS, FakeFinder, Place, coded
from tests.tiny import random_walks, tiny_model

HERE = Path(__file__).parent

WINDOWS = "windows"
"""Name of the stream with windows and runs."""


def tokens_of(stream: bytes, tables: EntropyModel) -> np.ndarray:
    """Every token of a stream whose token packets all decode, layer by layer: int32 [n, d_m]."""
    reader = StreamReader(io.BytesIO(stream))
    header = reader.header
    layers = [_Tokens(tables.coder(header.quantiser, holds=header.holds)) for _ in range(5)]
    for packet in reader:
        if isinstance(packet, LayerPacket):
            layers[packet.layer].take(packet.packet)
        else:
            layers[0].take(packet)
    return np.concatenate([some for layer in layers for some in layer.tokens])


class _Tokens:
    """The tokens of one layer, or of the base."""

    def __init__(self, coder: TokenCoder) -> None:
        self.tokens: list[np.ndarray] = []
        self._coder, self._keys, self._key = coder, {}, None

    def take(self, packet: object) -> None:
        coder = self._coder
        if isinstance(packet, KeyPacket | PredictedKeyPacket):
            predicted = isinstance(packet, PredictedKeyPacket)
            coder.reset(self._keys[packet.origin] if predicted else None)
            some = coder.decode(packet.token, 1 + len(packet.lead))
            self._key = some[0]
            self._keys[low_bits(packet.frame_number)] = some[0]
            coder.start_after(some[0])
            self.tokens.append(some[::-1])
        elif isinstance(packet, TokenPacket):
            if not packet.chained:
                coder.reset(self._key)
            self.tokens.append(coder.decode(packet.payload, len(packet.pts)))


def two_heads(n: int) -> list[Place]:
    """One sits still, and the other one moves once."""
    return [(20, 32, 26), (44 + 2 * min(max(0, n - 10), 19), 30, 24)]


def encoded(name: str) -> bytes:
    """A disc that circles, in one piece."""
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
            mode="imf",
        )
        return stream.getvalue()


def encoded_in_windows(name: str) -> bytes:
    """Two heads in windows over AV1 runs."""
    options = dataclasses.replace(
        OPTIONS, weights=name, quantiser=2, key_crf=20, keyframe_interval_s=0.48, max_windows=2
    )
    with mock.patch.object(heads, "FaceFinder", return_value=FakeFinder(two_heads)):
        return coded(None, two_heads, 32, options, (100, 64))


def main(name: str, stream_name: str) -> None:
    """Make stream and expectation, and the weights if there are none of their name."""
    try:
        file = weights.find(name)
    except WeightsMissing:
        tables = fit_tables(np.full(16, 0.2, np.float32), random_walks(6, 60, 16))
        few = dataclasses.replace(tables, scales=tables.scales[:3], levels=tables.levels[:3])
        file = weights.write(HERE, name, tiny_model(), few)
    stream = encoded_in_windows(name) if stream_name == WINDOWS else encoded(name)
    (HERE / f"{stream_name}.imf").write_bytes(stream)
    frames = [f.rgb for f in imfcodec.Decoder(io.BytesIO(stream))]
    save_file(
        {
            "tokens": tokens_of(stream, weights.load(file).tables),
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
