"""How well the sender's judge agrees with LPIPS.

    python benchmarks/experiments/judging.py CLIPS...

The clips are square, 256 pixels. Codes two seconds of each as plain AV1 and with key frames and
tokens, each at several qualities. Prints the factor for plain video that fits best, the correlation
of the judge's errors with LPIPS (AlexNet) with this factor and with `VIDEO`, and both numbers for
each way of coding alone.
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
from imfcodec.sender.judge import VIDEO, Judge
from imfcodec.weights import load_weights

FRAMES, EVERY, PRESET = 48, 7, 8
VIDEO_CRFS = (30, 42, 54, 66)
KEYS = ((20, 0.6), (34, 2.0), (50, 3.0))
"""CRF of key frames, and seconds between them."""


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
    """One line for all clips."""
    weights = load_weights(None)
    judge = Judge(weights.model, TorchNetwork(weights.model, weights.tables.quantiser(4)))
    lpips = Lpips("alex")
    errors: dict[bool, list[float]] = {False: [], True: []}
    distances: dict[bool, list[float]] = {False: [], True: []}
    for path in sys.argv[1:]:
        with av.open(path) as file:
            rate = Fraction(file.streams.video[0].average_rate or 25)
            frames = islice(file.decode(video=0), FRAMES)
            source = [frame.to_ndarray(format="rgb24") for frame in frames]
        coded = [(True, as_video(source, rate, crf)) for crf in VIDEO_CRFS]
        coded += [(False, as_tokens(source, rate, *keys)) for keys in KEYS]
        for video, pictures in coded:
            pairs = source[::EVERY], pictures[::EVERY]
            errors[video] += judge.compare(*pairs[::-1])
            distances[video] += lpips(*map(np.stack, pairs)).tolist()
    slopes = {way: np.mean(distances[way]) / np.mean(errors[way]) for way in errors}
    factor = slopes[True] / slopes[False]

    def agreement(times: float) -> float:
        both = np.concatenate([np.multiply(errors[True], times), errors[False]])
        return float(np.corrcoef(both, distances[True] + distances[False])[0, 1])

    print(f"factor {factor:.3f}: r {agreement(factor):.4f}; {VIDEO}: {agreement(VIDEO):.4f}")  # noqa: T201
    for way in errors:
        r = np.corrcoef(errors[way], distances[way])[0, 1]
        print(f"{'AV1' if way else 'tokens'} alone: r {r:.4f}, {len(errors[way])} pictures")  # noqa: T201


if __name__ == "__main__":
    main()
