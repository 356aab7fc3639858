"""Whole pictures beside SVT-AV1: quality of the picture and of the faces in it.

    python benchmarks/experiments/whole_pictures.py CLIPS... [--seconds N] [options of encode]

Prints a row for each clip as we code it and one for SVT-AV1 (preset 2, random access, 256 lines,
full or half frame rate): kbps without sound; PSNR-RGB and LPIPS (AlexNet) of the picture at 256
lines; PSNR-RGB, LPIPS and motion error of the faces at display size and at 256 lines; decoded
frames per second, ours at display size. SVT-AV1 has the quality (crf 20 to 70) whose rate is
nearest to ours. Of full and half rate, those within 10 % of our rate compete by LPIPS.
"""

from __future__ import annotations

import io
import subprocess
from bisect import bisect_left
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
from imageio_ffmpeg import get_ffmpeg_exe

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
from imfcodec.media import resize

LINES, CRF = 256, range(20, 71)
SAME_RATE = 0.1
"""Share by which two rates may differ and count as equal."""
WHOLE = ("psnr_rgb_db", "lpips_alex")
FACES = ("face_psnr_rgb_db", "face_lpips_alex", "face_motion_error")
METRICS = {None: FACES, LINES: (*WHOLE, *FACES)}


@click.command()
@click.argument("clips", nargs=-1, required=True, type=PATH)
@click.option("--seconds", default=4.0, show_default=True, help="Duration that is coded.")
@options_of(EncodeOptions)
def main(clips: tuple[Path, ...], seconds: float, **options: Any) -> None:
    """Two rows a clip."""
    heading = [*WHOLE, *(f"{name}_{place}" for place in ("shown", LINES) for name in FACES)]
    click.echo(" ".join(["clip codec kbps", *heading, "decode_fps"]))
    for path in clips:
        with TemporaryDirectory() as folder:
            beginning = Path(folder) / f"{path.stem}.mkv"
            cut = [get_ffmpeg_exe(), "-v", "error", "-i", path, "-t", str(seconds), "-c", "copy"]
            subprocess.run([*cut, "-an", beginning], check=True)
            clip = Clip.open(beginning)
            stream = io.BytesIO()
            report = imfcodec.encode(beginning, stream, **options)
            kbps = rate_kbps(report.sizes.total_bytes, 0, clip.duration_s)
            show(path.stem, "imf", kbps, *measured(clip, partial(pictures, stream.getvalue())))
            codecs = [svtav1(sampling=Sampling(half_rate=half)) for half in (False, True)]
            rows = [nearest(codec, clip, kbps, Path(folder)) for codec in codecs]
            show(
                path.stem, *min(rows, key=lambda row: (abs(row[1] / kbps - 1) > SAME_RATE, row[3]))
            )


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
    return codec.name, rate(best), *measured(clip, partial(codec.decode, coded(best), small))


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


@cache
def scorer(metrics: tuple[str, ...]) -> Scorer:
    """One for all clips."""
    return Scorer(ScoreOptions(metrics))


def show(*cells: Any) -> None:
    """A row of the table."""
    click.echo(" ".join(f"{cell:.4g}" if isinstance(cell, float) else cell for cell in cells))


if __name__ == "__main__":
    main()
