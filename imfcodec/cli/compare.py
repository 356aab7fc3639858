"""`imfcodec compare`: quality of a coded video against its source."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imfcodec.bench.results import METRICS
from imfcodec.bench.score_options import ScoreOptions
from imfcodec.cli.options import (
    PATH,
    is_quiet,
    json_option,
    names,
    options_of,
    quiet_option,
    wants_json,
)
from imfcodec.cli.output import left_out, show_columns, show_json, show_warnings
from imfcodec.cli.progress import Advance, progress
from imfcodec.cli.text import path_text
from imfcodec.errors import UnsupportedVideo

if TYPE_CHECKING:
    from imfcodec.bench.clip import Clip, Picture
    from imfcodec.bench.results import Score


scoring_options = options_of(
    ScoreOptions,
    metrics={"type": names, "metavar": "NAME,..."},
    recogniser={"metavar": "FILE", "envvar": "IMFCODEC_RECOGNISER", "show_envvar": True},
    lines={"type": click.IntRange(64), "metavar": "N"},
)


@click.command(short_help="Measure the quality of a video against its source.")
@click.argument("source", metavar="SOURCE", type=PATH)
@click.argument("coded", metavar="CODED", type=PATH)
@scoring_options
@json_option
@quiet_option
def compare(source: Path, coded: Path, **scoring: Any) -> None:
    """Measure the video CODED against SOURCE, frame by frame.

    Both videos must have the same size (with --lines, once reduced) and the same number of frames,
    8 or more. The table shows the mean over all frames, the mean over the worst 5 % of them, and
    the number of the worst frame. A frame without any error counts as 100 dB. XPSNR and motion
    error have one value for the whole video; a still picture has a motion error of 1. LPIPS and
    motion error are better when lower, the others when higher.

    Metrics are lpips_alex, lpips_squeeze, psnr_rgb_db, psnr_y_db, ssim, ms_ssim, xpsnr_db, vmaf,
    motion_error, identity, and LPIPS (AlexNet), PSNR-RGB and motion error of the face, the eyes
    and the mouth, called face_lpips_alex and so on; these and identity are means over people, at
    most four. A metric that cannot be measured is left out with a warning; it is an error if
    --metrics names it.
    """
    from imfcodec.bench.clip import Clip
    from imfcodec.bench.scoring import Scorer

    options = ScoreOptions(**scoring)
    first, second = (Clip.open(path, lines=options.lines) for path in (source, coded))
    _check(first, second)
    scorer = Scorer(options)
    with progress("compare", lambda: first.duration_s) as advance:
        frames, scores = scorer.score(first, _counted(second, advance))
    if wants_json():
        show_json(
            {
                "source": str(source),
                "coded": str(coded),
                "frames": frames,
                "scores": {name: dataclasses.asdict(score) for name, score in scores.items()},
                "missing": scorer.missing,
            }
        )
    else:
        show_columns(_rows(scores))
        if not is_quiet():
            show_warnings(left_out(scorer.missing))


def _check(source: Clip, coded: Clip) -> None:
    """Check that the two videos can be compared."""
    sizes = [f"{clip.width}x{clip.height}" for clip in (source, coded)]
    if sizes[0] != sizes[1]:
        raise UnsupportedVideo(
            f"{path_text(str(coded.path))} is {sizes[1]}, "
            f"{path_text(str(source.path))} is {sizes[0]}: only equal sizes can be compared"
        )
    if source.frames != coded.frames:
        raise UnsupportedVideo(
            f"{path_text(str(coded.path))} has {coded.frames} frames, "
            f"{path_text(str(source.path))} has {source.frames}: they cannot be paired"
        )


def _counted(clip: Clip, advance: Advance | None) -> Iterator[Picture]:
    """The pictures of a clip, each reported when it is taken."""
    for number, picture in enumerate(clip.pictures(), 1):
        if advance:
            advance(number, float(number / clip.rate))
        yield picture


def _rows(scores: dict[str, Score]) -> Iterator[tuple[str, ...]]:
    yield "metric", "mean", "worst 5 %", "worst frame", "better"
    for metric in METRICS:
        score = scores.get(metric.name)
        if score is not None:
            yield (
                metric.label,
                f"{score.mean:.4f}",
                "-" if score.worst is None else f"{score.worst:.4f}",
                "-" if score.worst_frame is None else str(score.worst_frame),
                "higher" if metric.higher_is_better else "lower",
            )
