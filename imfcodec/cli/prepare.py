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
    help="Side of the square pictures.",
)
@click.option(
    "--stride", type=int, default=_DEFAULT.stride, show_default=True, help="Keep every n-th frame."
)
@click.option(
    "--face/--no-face",
    default=_DEFAULT.face,
    show_default=True,
    help="Crop around the largest steady face; or crop the centre, whatever is in it.",
)
@click.option(
    "--detector",
    type=_PATH,
    metavar="FILE",
    envvar="IMFCODEC_YUNET",
    help="ONNX file of the face detector YuNet; IMFCODEC_YUNET without it.",
)
@click.option(
    "--detect-every",
    type=int,
    metavar="FRAMES",
    default=_DEFAULT.detect_every,
    show_default=True,
    help="Frames from one detection to the next.",
)
@click.option(
    "--labels",
    type=_PATH,
    metavar="CSV",
    help="Who is in which clip: columns clip and identity; kind, note and split if you like.",
)
@click.option(
    "--val-share",
    type=float,
    default=_DEFAULT.val_share,
    show_default=True,
    help="Share of the identities that goes to validation, unless a column split says.",
)
@click.option(
    "--min-frames",
    type=int,
    default=_DEFAULT.min_frames,
    show_default=True,
    help="Drop a shot of which fewer frames would be kept.",
)
@click.option(
    "--max-frames-per-shot",
    type=int,
    metavar="FRAMES",
    help="Keep only the first frames of a shot; all without it.",
)
@click.option(
    "--photos",
    type=_PATH,
    multiple=True,
    metavar="PATH",
    help="Photographs of faces, or a folder of them, to be made to move; repeat for more.",
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

    Each video is split into shots; a shot becomes a clip, cropped to a square that stands still
    around its face. Blank, frozen, short and small shots are dropped. OUT/manifest.json lists
    what became of every shot. Nobody is in both shards: the split goes by identity, which is
    the file itself unless labels say more.

    A run that was stopped goes on where it was if it is started again, and files may be added.
    Files that cannot be read are skipped and listed. A video that is already square and of the
    right size passes --no-face untouched.

    Photographs bring people: each becomes a clip of 24 frames whose head turns and talks, in a
    simple way. They are for training only, and drawn less often than videos. Those of people who
    are in the videos need labels, or somebody in validation may be in training as well.

    Where a detector is given, the landmarks of the faces are kept as well; they help training
    to find out what moves. With --no-face it needs no detector, and uses one if there is one.
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
