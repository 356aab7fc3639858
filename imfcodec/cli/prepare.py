"""`imfcodec prepare`: videos and photographs into training shards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imfcodec.cli.options import json_option, overwrite_option, quiet_option
from imfcodec.cli.output import Row, show_json, show_rows, show_warnings
from imfcodec.cli.progress import progress
from imfcodec.cli.records import Record
from imfcodec.cli.text import path_text, plural
from imfcodec.training.prepare.options import PrepareOptions

if TYPE_CHECKING:
    from imfcodec.training.prepare.run import PrepareReport

_DEFAULT = PrepareOptions()
_PATH = click.Path(path_type=Path)


@click.command(short_help="Turn videos and photographs into training shards.")
@click.argument("videos", metavar="VIDEOS...", nargs=-1, required=True, type=_PATH)
@click.argument("out", metavar="OUT", type=_PATH)
@click.option(
    "--size",
    type=int,
    metavar="PIXELS",
    default=_DEFAULT.size,
    show_default=True,
    help="Side of the square pictures, a multiple of 32 from 64 to 1024.",
)
@click.option(
    "--stride", type=int, default=_DEFAULT.stride, show_default=True, help="Keep every n-th frame."
)
@click.option(
    "--face/--no-face",
    default=_DEFAULT.face,
    show_default=True,
    help="Crop around the largest steady face, or crop the centre of the picture.",
)
@click.option(
    "--detector",
    type=_PATH,
    metavar="FILE",
    envvar="IMFCODEC_YUNET",
    help="ONNX file of the face detector YuNet. Default: the file that IMFCODEC_YUNET names.",
)
@click.option(
    "--detect-every",
    type=int,
    metavar="FRAMES",
    default=_DEFAULT.detect_every,
    show_default=True,
    help="Frames from one face detection to the next, 1 or more.",
)
@click.option(
    "--labels",
    type=_PATH,
    metavar="CSV",
    help="Who is in which clip: columns clip and identity, optionally kind, note and split.",
)
@click.option(
    "--val-share",
    type=float,
    default=_DEFAULT.val_share,
    show_default=True,
    help="Share of the identities that go to validation, 0 to 1, if there is no column split.",
)
@click.option(
    "--min-frames",
    type=int,
    default=_DEFAULT.min_frames,
    show_default=True,
    help="Drop a shot with fewer kept frames than this, 2 or more.",
)
@click.option(
    "--max-frames-per-shot",
    type=int,
    metavar="FRAMES",
    help="Keep only the first FRAMES frames of a shot. Default: all.",
)
@click.option(
    "--photos",
    type=_PATH,
    multiple=True,
    metavar="PATH",
    help="Photograph of a face, or a folder of them, to be animated; repeat for more.",
)
@overwrite_option
@json_option
@quiet_option
def prepare(
    videos: tuple[Path, ...],
    out: Path,
    photos: tuple[Path, ...],
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Turn VIDEOS, files and folders, into the training shards OUT/train and OUT/val.

    Each video is split into shots. A shot becomes a clip, cropped to a fixed square around its
    face. Blank, frozen, short and small shots are dropped. OUT/manifest.json lists the result for
    every shot. No person is in both shards: the split is by identity, and each file is an
    identity of its own unless --labels says otherwise.

    A stopped run continues when it is started again; files may be added. Files that cannot be
    read are skipped and listed. --no-face leaves a video untouched if it is already square and of
    the right size.

    Photographs add people: each becomes a clip of 24 frames in which the head turns and talks in
    a simple way. Such clips are used for training only, less often than videos. If a person is in
    both the photographs and the videos, label them; otherwise that person may be in training and
    in validation.

    If a detector is given, the landmarks of the faces are stored as well; they help training to
    find motion. --no-face needs no detector but uses one that is given.
    """
    chosen = PrepareOptions(**options)
    from imfcodec.training.prepare.run import prepare as run
    from imfcodec.training.prepare.sources import find_sources

    # The bar counts bytes: they are known without opening thousands of videos.
    def total_bytes() -> float:
        return float(sum(source.size_bytes for source in find_sources(videos, photos)))

    with progress("prepare", total_bytes, wanted=not (as_json or quiet)) as advance:
        report = run(videos, out, chosen, advance, photos)
    if as_json:
        show_json(_record(out, report))
    elif not quiet:
        show_rows(_rows(out, report))
        show_warnings([f"{name}: {why}" for name, why in report.unreadable.items()])
        show_warnings(report.warnings)


def _rows(out: Path, report: PrepareReport) -> Iterator[Row]:
    before = f", {report.done_before} of them done before" if report.done_before else ""
    yield "prepared", f"{plural(report.sources, 'file')}{before} -> {path_text(str(out))}"
    if report.unreadable:
        yield "unreadable", plural(len(report.unreadable), "file")
    dropped = sum(report.dropped.values())
    yield "shots", f"{report.shots}, {report.shots - dropped} kept"
    if dropped:
        yield "dropped", ", ".join(f"{count} {why}" for why, count in report.dropped.items())
    for name, split in report.splits.items():
        people = f"{split.identities} identit{'y' if split.identities == 1 else 'ies'}"
        yield name, f"{plural(split.clips, 'clip')}, {plural(split.frames, 'frame')}, {people}"
    speed = f"{report.wall_s:.1f} s"
    if report.duration_s:
        per_minute = 60 * report.wall_s / report.duration_s
        speed += f", {per_minute:.1f} s per minute of video"
    yield "speed", speed


def _record(out: Path, report: PrepareReport) -> Record:
    return {
        "out": str(out),
        "sources": report.sources,
        "done_before": report.done_before,
        "unreadable": report.unreadable,
        "shots": report.shots,
        "dropped": report.dropped,
        **{
            name: {"clips": split.clips, "frames": split.frames, "identities": split.identities}
            for name, split in report.splits.items()
        },
        "duration_s": report.duration_s,
        "wall_s": report.wall_s,
        "warnings": report.warnings,
    }
