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
    help="Container of OUT. A pipe takes mkv, webm, y4m or rgb. Default: chosen by the extension "
    "of OUT.",
)
@click.option(
    "--codec",
    default=_DEFAULT.codec,
    help="Video encoder of OUT: libx264, libx265 or libvpx-vp9. Default: libx264; libvpx-vp9 in "
    "webm.",
)
@click.option(
    "--crf",
    type=int,
    default=_DEFAULT.crf,
    help="Quality (CRF) of that encoder, 0 (best) to 51, or to 63 for libvpx-vp9. Default: "
    "visually lossless.",
)
@click.option(
    "--conceal",
    is_flag=True,
    default=_DEFAULT.conceal,
    help="Exit with 0 even if frames were lost.",
)
@click.option(
    "--threads",
    type=int,
    default=_DEFAULT.threads,
    help="Threads of the network, 1 to 1024. Default: torch's own choice.",
)
@click.option(
    "--device",
    default=_DEFAULT.device,
    show_default=True,
    help="Device that runs the network, for example cpu, cuda or cuda:1.",
)
@click.option(
    "--batch",
    type=int,
    metavar="FRAMES",
    default=_DEFAULT.batch,
    show_default=True,
    help="Frames per pass of the network, 1 or more. A larger batch takes more memory and is "
    "faster on a GPU.",
)
@overwrite_option
@json_option
@quiet_option
def decode(source: str, target: str, as_json: bool, quiet: bool, **options: Any) -> None:
    """Decode the stream IN.imf into the video OUT (.mp4, .mkv, .webm, .y4m, .rgb).

    "-" stands for standard input or output. If OUT is "-", --format is required and the summary
    goes to stderr. If the stream is damaged, each lost frame repeats the last good frame; OUT is
    still complete, and the exit code is 14.
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
        yield "lost", f"{report.lost_frames} frames, shown as copies of the last good frame"
    for line in report.damage:
        yield "damage", line
    yield "speed", speed_text(report)
    yield "stages ms", stages_text(report.stages)
