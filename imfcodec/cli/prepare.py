"""`imfcodec prepare`: videos and photographs into training shards."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imfcodec.cli.options import PATH, json_option, options_of, quiet_option
from imfcodec.cli.output import Row, show_result
from imfcodec.cli.progress import progress
from imfcodec.cli.text import path_text, plural
from imfcodec.training.prepare.options import PrepareOptions

if TYPE_CHECKING:
    from imfcodec.training.prepare.run import PrepareReport


@click.command(short_help="Turn videos and photographs into training shards.")
@click.argument("videos", metavar="VIDEOS...", nargs=-1, required=True, type=PATH)
@click.argument("out", metavar="OUT", type=PATH)
@options_of(
    PrepareOptions,
    size={"metavar": "PIXELS"},
    detect_every={"metavar": "FRAMES"},
    labels={"metavar": "CSV"},
    max_frames_per_shot={"metavar": "FRAMES"},
)
@click.option(
    "--photos",
    type=PATH,
    multiple=True,
    metavar="PATH",
    help="Photograph of a face, or a folder of them, to be animated; repeat for more.",
)
@json_option
@quiet_option
def prepare(
    videos: tuple[Path, ...],
    out: Path,
    photos: tuple[Path, ...],
    **options: Any,
) -> None:
    """Turn VIDEOS, files and folders, into the training shards OUT/train and OUT/val.

    Each video is split into shots. A shot becomes a clip, cropped to a fixed square around its
    face. The face is 35 to 70 % as high as the square; the share varies from shot to shot. Blank,
    frozen, short and small shots are dropped. OUT/manifest.json lists the result for every shot. No
    person is in both shards: the split is by identity, and each file is an identity of its own
    unless --labels says otherwise.

    A stopped run continues when it is started again; files may be added. Files that cannot be
    read are skipped and listed. --no-face leaves a video untouched if it is already square and of
    the right size.

    Photographs add people: each becomes a clip of 24 frames in which the head turns and talks in
    a simple way. Such clips are used for training only, less often than videos. If a person is in
    both the photographs and the videos, label them; otherwise that person may be in training and
    in validation.

    The landmarks of the faces are stored as well, even with --no-face; training
    finds motion with them and gives more weight to eyes and mouths.
    """
    chosen = PrepareOptions(**options)
    from imfcodec.sources import find_sources
    from imfcodec.training.prepare.run import prepare as run

    # The bar counts bytes: they are known without opening thousands of videos.
    def total_bytes() -> float:
        return float(sum(source.size_bytes for source in find_sources(videos, photos)))

    with progress("prepare", total_bytes) as advance:
        report = run(videos, out, chosen, advance, photos)
    record = dataclasses.asdict(report)
    record |= {"out": str(out), **record.pop("splits")}
    warnings = [f"{name}: {why}" for name, why in report.unreadable.items()]
    show_result(record, _rows(out, report), [*warnings, *report.warnings])


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
