"""Results of a run that never was, and pictures to go with it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from imfcodec.bench.results import ClipEntry, CodecEntry, Point, Results, Score
from tests.conftest import moving_picture

CLIPS = ("anna", "bert", "cora")
FRAMES, SIDE = 30, 64
SECONDS = FRAMES / 25

CODECS = (
    CodecEntry("imf", "imfcodec fast", "imfcodec fast", "ours", "1"),
    CodecEntry("frozen", "frozen key frame", "frozen key frame", "floor", "1"),
    CodecEntry("av1", "AV1", "AV1, all sizes", "anchor", "1"),
    CodecEntry("av1-half", "AV1, half rate", "AV1, all sizes", "anchor", "1"),
    CodecEntry("x264", "x264", "x264", "anchor", "1"),
    CodecEntry("vvc", "VVC", "VVC", "anchor", "1", missing="no encoder of it is installed"),
)
RATES = {
    "imf": (1.6, 2.4, 3.5, 5.2, 8.0, 14.0),
    "frozen": (0.3, 0.6, 1.2, 2.5),
    "av1": (5.0, 7.0, 11.0, 18.0, 40.0),
    "av1-half": (3.2, 5.0, 8.0, 14.0, 25.0),
    "x264": (5.5, 9.0, 15.0, 28.0, 42.0),
}
"""Mean kbps at the settings s0, s1, ..."""


def sample_results(clips: tuple[str, ...] = CLIPS, side: int = SIDE) -> Results:
    """LPIPS, PSNR-RGB, SSIM and motion error of all codecs on all clips; nothing failed."""
    points = [
        _point(clip, number, codec, f"s{n}", rate)
        for number, clip in enumerate(clips)
        for codec, rates in RATES.items()
        for n, rate in enumerate(rates)
    ]
    return Results(
        command="imfcodec bench anna.mp4 --out report",
        machine="a machine",
        commit=None,
        versions={"imfcodec": "0.1.0", "av": "18"},
        clips=tuple(ClipEntry(c, f"/{c}.mp4", "0" * 64, side, side, FRAMES, 25.0) for c in clips),
        codecs=CODECS,
        points=tuple(points),
        metrics_missing={"vmaf": "no ffmpeg"},
    )


def sample_pictures(clip: str, codec: str, setting: str) -> Iterator[np.ndarray]:
    """The source moves; ours is a little darker, an anchor is blocky; of any clip."""
    for n in range(FRAMES):
        picture = moving_picture(n, SIDE, SIDE)
        if codec == "imf":
            picture = picture - picture // 10
        elif codec != "source":
            picture = picture[::8, ::8].repeat(8, 0).repeat(8, 1)
        yield picture


def _point(clip: str, number: int, codec: str, setting: str, mean_rate: float) -> Point:
    rate = mean_rate * (0.9 + 0.1 * number)
    gain = {"imf": 4.0, "frozen": 1.0, "av1": 1.25, "av1-half": 1.4, "x264": 1.0}[codec]
    bits = math.log(1 + gain * mean_rate)
    lpips = 0.55 * math.exp(-0.62 * bits) + 0.02 + 0.01 * number
    motion = 1.0 if codec == "frozen" else 0.25 + 0.6 * math.exp(-0.4 * bits)
    if codec == "frozen":
        lpips += 0.2
    psnr = 18 + 4.2 * bits - (4 if codec == "frozen" else 0) - number
    return Point(
        clip,
        codec,
        setting,
        size_bytes=round(rate * 1000 * SECONDS / 8),
        rate_kbps=rate,
        frames=FRAMES,
        encode_s=2.0,
        decode_s=0.5,
        scores={
            "lpips_alex": Score(lpips, 1.6 * lpips, 7 + number),
            "psnr_rgb_db": Score(psnr, psnr - 2, 9),
            "ssim": Score(1 - lpips, 1 - 1.5 * lpips, 9),
            "motion_error": Score(motion),
        },
    )
