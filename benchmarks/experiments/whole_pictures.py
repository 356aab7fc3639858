"""Whole pictures beside SVT-AV1: quality of the picture and of the faces in it.

    python benchmarks/experiments/whole_pictures.py CLIPS... [--seconds N] [--sheets DIR]
        [options of encode]

Prints a row for each clip as we code it and one for SVT-AV1 (preset 2, random access, 256 lines,
full or half frame rate): kbps without sound; PSNR-RGB and LPIPS (AlexNet) of the picture at 256
lines; PSNR-RGB, LPIPS and motion error of the faces at display size and at 256 lines; decoded
frames per second, ours at display size. SVT-AV1 has the quality (crf 20 to 70) whose rate is
nearest to ours. Of full and half rate, those within 10 % of our rate compete by LPIPS.

DIR gets source, ours and SVT-AV1 side by side: four moments of each clip, and the clip itself.
"""

from __future__ import annotations

import io
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import cv2
import numpy as np
from beginnings import beginning_of

import imfcodec
from imfcodec.arrays import Picture
from imfcodec.bench.clip import Clip, timed
from imfcodec.bench.codecs.anchors import svtav1
from imfcodec.bench.codecs.pyav import PyAvAnchor
from imfcodec.bench.codecs.sampling import Sampling
from imfcodec.bench.results import Score
from imfcodec.bench.score_options import ScoreOptions
from imfcodec.bench.scoring import Scorer
from imfcodec.bitstream.rate import rate_kbps
from imfcodec.cli.options import PATH, options_of
from imfcodec.codec.stages import StageTimes
from imfcodec.config import EncodeOptions
from imfcodec.media import MediaWriter, resize

LINES, CRF = 256, range(20, 71)
MOMENTS, SHOWN_SIDE, SHOWN_CRF, JPEG_QUALITY = 4, 640, 30, 75
SAME_RATE = 0.1
"""Share by which two rates may differ and count as equal."""
WHOLE = ("psnr_rgb_db", "lpips_alex")
FACES = ("face_psnr_rgb_db", "face_lpips_alex", "face_motion_error")
METRICS = {None: FACES, LINES: (*WHOLE, *FACES)}


@click.command()
@click.argument("clips", nargs=-1, required=True, type=PATH)
@click.option("--seconds", default=4.0, show_default=True, help="Duration that is coded.")
@click.option("--sheets", type=PATH, help="Folder for pictures and videos side by side.")
@options_of(EncodeOptions)
def main(clips: tuple[Path, ...], seconds: float, sheets: Path | None, **options: Any) -> None:
    """Two rows a clip."""
    heading = [*WHOLE, *(f"{name}_{place}" for place in ("shown", LINES) for name in FACES)]
    click.echo(" ".join(["clip codec kbps", *heading, "decode_fps"]))
    for path in clips:
        with TemporaryDirectory() as folder:
            beginning = beginning_of(path, seconds, folder)
            clip = Clip.open(beginning)
            stream = io.BytesIO()
            report = imfcodec.encode(beginning, stream, **options)
            kbps = rate_kbps(report.sizes.total_bytes, 0, clip.duration_s)
            ours = partial(pictures, stream.getvalue())
            show(path.stem, "imf", kbps, *measured(clip, ours))
            codecs = [svtav1(sampling=Sampling(half_rate=half)) for half in (False, True)]
            rows = [nearest(codec, clip, kbps, Path(folder)) for codec in codecs]
            decode, *row = min(rows, key=lambda row: (abs(row[2] / kbps - 1) > SAME_RATE, row[4]))
            show(path.stem, *row)
            if sheets is not None:
                sheets.mkdir(parents=True, exist_ok=True)
                beside(sheets / path.stem, clip, (clip.pictures, ours, decode))


def pictures(stream: bytes) -> Iterator[Picture]:
    """The decoded pictures of a stream at display size."""
    return (frame.rgb for frame in imfcodec.Decoder(io.BytesIO(stream)))


def nearest(codec: PyAvAnchor, clip: Clip, kbps: float, folder: Path) -> tuple[Any, ...]:
    """The row of a codec at the quality whose rate is nearest to this one."""
    small = Clip.open(clip.path, lines=LINES)
    coded = cache(lambda crf: codec.encode(small, f"crf{crf}", folder))

    def rate(crf: int) -> float:
        return rate_kbps(coded(crf).size_bytes, 0, small.duration_s)

    found = CRF[0] + bisect_left(CRF, True, hi=len(CRF) - 1, key=lambda crf: rate(crf) <= kbps)
    best = min((found, max(CRF[0], found - 1)), key=lambda crf: abs(rate(crf) - kbps))
    decode = partial(codec.decode, coded(best), small)
    return decode, codec.name, rate(best), *measured(clip, decode)


def measured(clip: Clip, decode: Callable[[], Iterator[Picture]]) -> tuple[float, ...]:
    """All figures after the rate."""
    times = StageTimes()
    scores: dict[int | None, dict[str, Score]] = {}
    for lines, metrics in METRICS.items():
        judged = Clip.open(clip.path, lines=lines)
        size = judged.width, judged.height
        fitting = (resize(picture, size) for picture in timed(decode(), times, "decode"))
        scores[lines] = scorer(metrics).score(judged, fitting)[1]
    means = [scores[LINES][name].mean for name in WHOLE]
    means += [scores[lines][name].mean for lines in METRICS for name in FACES]
    return *means, 1000 * len(METRICS) * clip.frames / times.milliseconds["decode"]


def beside(name: Path, clip: Clip, decodes: Sequence[Callable[[], Iterator[Picture]]]) -> None:
    """Write NAME.jpg, with a row for each of four moments, and NAME.mp4; a column per video."""
    scale = SHOWN_SIDE / max(clip.width, clip.height)
    width, height = (2 * round(scale * side / 2) for side in (clip.width, clip.height))
    rows: list[Picture] = []
    with MediaWriter(
        name.with_suffix(".mp4"),
        width=len(decodes) * width,
        height=height,
        time_base=1 / clip.rate,
        rate=clip.rate,
        crf=SHOWN_CRF,
        overwrite=True,
    ) as writer:
        for number, shown in enumerate(zip(*(decode() for decode in decodes), strict=True)):
            row = np.concatenate([resize(picture, (width, height)) for picture in shown], axis=1)
            writer.write(number, row)
            if number * MOMENTS // clip.frames == len(rows):
                rows.append(row)
        writer.close()
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    cv2.imwrite(str(name.with_suffix(".jpg")), np.concatenate(rows)[..., ::-1], quality)


@cache
def scorer(metrics: tuple[str, ...]) -> Scorer:
    """One for all clips."""
    return Scorer(ScoreOptions(metrics))


def show(*cells: Any) -> None:
    """A row of the table."""
    click.echo(" ".join(f"{cell:.4g}" if isinstance(cell, float) else cell for cell in cells))


if __name__ == "__main__":
    main()
