"""`imfcodec decode`: an .imf stream into a video."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import click

from imfcodec.cli.options import json_option, overwrite_option, quiet_option
from imfcodec.cli.output import Row, check_standard_streams, show_json, show_rows, show_warnings
from imfcodec.cli.progress import progress, stream_duration_s
from imfcodec.cli.records import decode_record
from imfcodec.cli.text import (
    frames_text,
    path_text,
    rate_text,
    sizes_text,
    speed_text,
    stages_text,
)
from imfcodec.config import DecodeOptions
from imfcodec.errors import DamagedStream

if TYPE_CHECKING:
    from imfcodec.receiver.report import DecodeReport

_DEFAULT = DecodeOptions()


@click.command(short_help="Decode an .imf stream into a video.")
@click.argument("source", metavar="IN.imf", type=click.Path())
@click.argument("target", metavar="OUT", type=click.Path())
@click.option(
    "--format",
    type=click.Choice(("mp4", "mkv", "webm", "y4m", "rgb")),
    default=_DEFAULT.format,
    help="Container of OUT; goes by its extension without it. Pipes take mkv, webm, y4m, rgb.",
)
@click.option(
    "--codec",
    default=_DEFAULT.codec,
    help="Video encoder of OUT: libx264, libx265 or libvpx-vp9; the container's own without it.",
)
@click.option(
    "--crf",
    type=int,
    default=_DEFAULT.crf,
    help="Quality of that encoder, lower is better; visually lossless without it.",
)
@click.option(
    "--conceal",
    is_flag=True,
    default=_DEFAULT.conceal,
    help="Take lost frames as no failure: exit with 0.",
)
@click.option(
    "--threads",
    type=int,
    default=_DEFAULT.threads,
    help="Threads of the network; as many as torch likes without it.",
)
@click.option(
    "--device",
    default=_DEFAULT.device,
    show_default=True,
    help="Where the network runs: cpu, cuda, cuda:1.",
)
@click.option(
    "--batch",
    type=int,
    metavar="FRAMES",
    default=_DEFAULT.batch,
    show_default=True,
    help="Frames per pass of the network: more memory, more speed on a GPU.",
)
@overwrite_option
@json_option
@quiet_option
def decode(source: str, target: str, as_json: bool, quiet: bool, **options: Any) -> None:
    """Decode the stream IN.imf into the video OUT (.mp4, .mkv, .webm, .y4m, .rgb).

    "-" stands for standard input and output. With OUT "-" a --format is needed and the summary
    goes to stderr. Where the stream is damaged the last good frame is repeated, OUT is complete,
    and the exit code is 14.
    """
    chosen = DecodeOptions(**options)
    check_standard_streams(source, target)
    from imfcodec.receiver.decode import decode as run

    def show(report: DecodeReport) -> None:
        err = target == "-"
        if as_json:
            show_json({"source": source, "target": target, **decode_record(report)}, err=err)
        elif not quiet:
            show_rows(_rows(source, target, report), err=err)
            show_warnings(report.warnings)

    try:
        with progress(
            "decode", partial(stream_duration_s, source), wanted=not (as_json or quiet)
        ) as advance:
            report = run(source, target, chosen, advance)
    except DamagedStream as error:
        show(cast("DecodeReport", error.report))
        raise
    show(report)


def _rows(source: str, target: str, report: DecodeReport) -> Iterator[Row]:
    yield "decoded", f"{path_text(source)} -> {path_text(target)}"
    yield "frames", frames_text(report)
    yield "weights", report.weights
    yield "rate", rate_text(report.rate_kbps, report.sizes, report.duration_s)
    yield "bytes", sizes_text(report.sizes)
    if report.lost:
        yield "lost", f"{report.lost_frames} frames, shown as copies of the last good one"
    for line in report.damage:
        yield "damage", line
    yield "speed", speed_text(report)
    yield "stages ms", stages_text(report.stages)
