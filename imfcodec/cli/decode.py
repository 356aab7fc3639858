"""`imfcodec decode`: an .imf stream into a video."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from imfcodec.cli.coding import BatchOptions, Coding, batch_options, code
from imfcodec.cli.options import json_option, options_of, quiet_option, take
from imfcodec.cli.output import Row
from imfcodec.cli.progress import Advance, stream_duration_s
from imfcodec.cli.records import decode_record
from imfcodec.cli.startup import without_meta_kernels
from imfcodec.cli.text import (
    frames_text,
    plural,
    rate_text,
    sizes_text,
    speed_text,
    stages_text,
    windows_text,
)
from imfcodec.config import DecodeOptions

if TYPE_CHECKING:
    from imfcodec.receiver.report import DecodeReport


@click.command(short_help="Decode .imf streams into videos.")
@click.argument("names", metavar="IN.imf... [OUT]", nargs=-1, required=True, type=click.Path())
@batch_options
@options_of(
    DecodeOptions,
    weights={"metavar": "NAME|ID|PATH"},
    format={"type": click.Choice(("mp4", "mkv", "webm", "y4m", "rgb"))},
    engine={"type": click.Choice(("auto", "torch", "onnxruntime", "mnn"))},
    batch={"metavar": "FRAMES"},
)
@json_option
@quiet_option
def decode(names: tuple[str, ...], **options: Any) -> None:
    """Decode the stream IN.imf into the video OUT (.mp4, .mkv, .webm, .y4m, .rgb).

    With --output-dir DIR, decode any number of streams, files or folders, into videos in DIR:
    .mp4, or what --format says.

    "-" stands for standard input or output. If OUT is "-", --format is required and the summary
    goes to stderr. If the stream is damaged, each lost frame repeats the last good frame; OUT is
    still complete, and the exit code is 14.
    """
    batch = take(BatchOptions, options)
    chosen = DecodeOptions(**options)
    suffix = f".{chosen.format or 'mp4'}"
    code(CODING, names, chosen, batch, suffix)


def _run(source: str, target: str, options: DecodeOptions, advance: Advance | None) -> DecodeReport:
    without_meta_kernels()
    from imfcodec.receiver.decode import decode as run

    return run(source, target, options, advance)


def _line(report: DecodeReport) -> str:
    line = f"{frames_text(report)}, {report.fps:.1f} fps"
    if report.lost or report.damage:
        line += f", damaged: {plural(report.lost_frames, 'frame')} lost"
    return line


def _rows(source: str, report: DecodeReport) -> Iterator[Row]:
    yield "frames", frames_text(report)
    if report.windows:
        yield "windows", windows_text(report)
    yield "weights", f"{report.weights}, run by {report.engine}"
    yield "rate", rate_text(report)
    yield "bytes", sizes_text(report.sizes)
    if report.lost:
        yield "lost", f"{report.lost_frames} frames, shown as copies of the last good frame"
    for line in report.damage:
        yield "damage", line
    yield "speed", speed_text(report)
    yield "stages ms", stages_text(report.stages)


CODING = Coding(
    "decode", frozenset((".imf",)), _run, stream_duration_s, _line, _rows, decode_record
)
