"""`imfcodec decode`: an .imf stream into a video."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import click

from imfcodec.cli.batch import (
    Done,
    Task,
    batch_options,
    failed,
    single,
    taken,
)
from imfcodec.cli.batch import run as run_batch
from imfcodec.cli.options import json_option, overwrite_option, quiet_option
from imfcodec.cli.output import Row, check_standard_streams, show_json, show_rows, show_warnings
from imfcodec.cli.progress import progress, stream_duration_s
from imfcodec.cli.records import decode_record
from imfcodec.cli.text import (
    frames_text,
    path_text,
    plural,
    rate_text,
    sizes_text,
    speed_text,
    stages_text,
)
from imfcodec.config import DecodeOptions
from imfcodec.errors import DamagedStream, ImfcodecError

if TYPE_CHECKING:
    from imfcodec.receiver.report import DecodeReport

_DEFAULT = DecodeOptions()


@click.command(short_help="Decode .imf streams into videos.")
@click.argument("names", metavar="IN.imf... [OUT]", nargs=-1, required=True, type=click.Path())
@batch_options
@click.option(
    "--weights",
    metavar="NAME|ID|PATH",
    default=_DEFAULT.weights,
    help="Weights of the network, which must be those that the stream names. Default: found by "
    "the stream's id.",
)
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
def decode(names: tuple[str, ...], as_json: bool, quiet: bool, **options: Any) -> None:
    """Decode the stream IN.imf into the video OUT (.mp4, .mkv, .webm, .y4m, .rgb).

    With --output-dir DIR, decode any number of streams, files or folders, into videos in DIR:
    .mp4, or what --format says.

    "-" stands for standard input or output. If OUT is "-", --format is required and the summary
    goes to stderr. If the stream is damaged, each lost frame repeats the last good frame; OUT is
    still complete, and the exit code is 14.
    """
    batch = taken(options)
    chosen = DecodeOptions(**options)
    if batch["output_dir"] is None:
        _decode_one(*single(names, batch), chosen, as_json=as_json, quiet=quiet)
        return
    run_batch(
        names,
        frozenset((".imf",)),
        f".{chosen.format or 'mp4'}",
        decode_task,
        chosen,
        as_json=as_json,
        quiet=quiet,
        **batch,
    )


def decode_task(task: Task, options: DecodeOptions, *, bars: bool = False) -> Done:
    """Decode one of several streams."""
    from imfcodec.receiver.decode import decode as run

    source, exit_code = task.source, 0
    try:
        with progress(
            path_text(source), partial(stream_duration_s, source), wanted=bars
        ) as advance:
            report = run(source, task.target, options, advance)
    except DamagedStream as error:
        report, exit_code = cast("DecodeReport", error.report), error.exit_code
    except ImfcodecError as error:
        return failed(error)
    line = f"{frames_text(report)}, {report.fps:.1f} fps"
    if report.lost or report.damage:
        line += f", damaged: {plural(report.lost_frames, 'frame')} lost"
    return Done(line, decode_record(report), report.warnings, exit_code)


def _decode_one(
    source: str, target: str, options: DecodeOptions, *, as_json: bool, quiet: bool
) -> None:
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
            report = run(source, target, options, advance)
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
