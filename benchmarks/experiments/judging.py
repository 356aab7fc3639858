"""How well the sender's judge agrees with LPIPS.

    python benchmarks/experiments/judging.py CLIPS...

The clips are square, 256 pixels. Codes two seconds of each with key frames and tokens, as plain
AV1, and as plain AV1 whose every picture is restored, each at several qualities. Prints for each
way its factor, which makes the judge's errors agree best with those of tokens, and the correlation
of its errors with LPIPS (AlexNet); then that of all errors, with these factors and with those of
the sender.
"""

from __future__ import annotations

import io
import sys
from fractions import Fraction
from itertools import islice

import av
import numpy as np

import imfcodec
from imfcodec.arrays import Picture
from imfcodec.codec.network.in_torch import TorchNetwork
from imfcodec.codec.pictures.av1_video import VideoDecoder, encode_video
from imfcodec.config import EncodeOptions
from imfcodec.metrics.perceptual import Lpips
from imfcodec.sender.judge import RESTORED_VIDEO, VIDEO, Judge
from imfcodec.sender.runs import FULL
from imfcodec.weights import load_weights

FRAMES, EVERY, PRESET = 48, 7, 8
VIDEO_CRFS = (30, 42, 54, 66)
KEYS = ((20, 0.6), (34, 2.0), (50, 3.0))
"""CRF of key frames, and seconds between them."""

WAYS = {"tokens": 1.0, "AV1": VIDEO, "AV1, restored": RESTORED_VIDEO}
"""The sender's factors."""


def as_video(source: list[Picture], rate: Fraction, crf: float) -> list[Picture]:
    """The pictures as plain AV1."""
    decoder = VideoDecoder(256, 256)
    return [decoder.decode(unit) for unit in encode_video(source, rate, crf, PRESET)]


def as_tokens(source: list[Picture], rate: Fraction, crf: float, apart_s: float) -> list[Picture]:
    """The pictures with key frames and tokens."""
    options = EncodeOptions(
        key_crf=crf,
        keyframe_interval_s=apart_s,
        refine=0,
        key_preset=PRESET,
        layout="whole",
        mode="imf",
    )
    stream = io.BytesIO()
    with imfcodec.Encoder(stream, width=256, height=256, fps=rate, options=options) as encoder:
        for picture in source:
            encoder.write(picture)
    return [frame.rgb for frame in imfcodec.Decoder(io.BytesIO(stream.getvalue()))]


def main() -> None:
    """One line for each way, and one for all."""
    weights = load_weights(None)
    judge = Judge(weights.model, TorchNetwork(weights.model, weights.tables.quantiser(4)))
    lpips = Lpips("alex")
    errors: dict[str, list[float]] = {way: [] for way in WAYS}
    distances: dict[str, list[float]] = {way: [] for way in WAYS}
    for path in sys.argv[1:]:
        with av.open(path) as file:
            rate = Fraction(file.streams.video[0].average_rate or 25)
            frames = islice(file.decode(video=0), FRAMES)
            source = [frame.to_ndarray(format="rgb24") for frame in frames]
        coded = [("tokens", as_tokens(source, rate, *keys)[::EVERY]) for keys in KEYS]
        for crf in VIDEO_CRFS:
            seen = as_video(source, rate, crf)[::EVERY]
            coded.append(("AV1", seen))
            coded.append(("AV1, restored", [judge.restored(picture, FULL) for picture in seen]))
        for way, pictures in coded:
            errors[way] += judge.compare(pictures, source[::EVERY])
            distances[way] += lpips(np.stack(source[::EVERY]), np.stack(pictures)).tolist()
    slopes = {way: np.mean(distances[way]) / np.mean(errors[way]) for way in WAYS}
    fitted = {way: slopes[way] / slopes["tokens"] for way in WAYS}

    def agreement(factors: dict[str, float]) -> float:
        """Correlation of all errors, times their factors, with LPIPS."""
        seen = [np.multiply(errors[way], factors[way]) for way in WAYS]
        return float(np.corrcoef(np.concatenate(seen), np.concatenate([*distances.values()]))[0, 1])

    for way in WAYS:
        r = np.corrcoef(errors[way], distances[way])[0, 1]
        print(f"{way}: factor {fitted[way]:.3f}, r {r:.4f}, {len(errors[way])} pictures")  # noqa: T201
    print(f"all: r {agreement(fitted):.4f}; as the sender has it: {agreement(WAYS):.4f}")  # noqa: T201


if __name__ == "__main__":
    main()
