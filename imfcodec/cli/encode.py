"""`imfcodec encode`: a video into an .imf stream."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imfcodec.cli.batch import (
    VIDEO_SUFFIXES,
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
from imfcodec.cli.progress import progress, video_duration_s
from imfcodec.cli.records import encode_record
from imfcodec.cli.text import (
    bytes_text,
    frames_text,
    path_text,
    rate_text,
    size_text,
    sizes_text,
    speed_text,
    stages_text,
)
from imfcodec.config import KEY_PRESET, LIVE_KEY_PRESET, REFINE_STEPS, EncodeOptions
from imfcodec.errors import ImfcodecError

if TYPE_CHECKING:
    from imfcodec.sender.report import EncodeReport

_DEFAULT = EncodeOptions()


class BitRate(click.ParamType[int]):
    """A bit rate in bit/s; a trailing k means thousands: 12k, 12000."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read the text of an option; a number is one already."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)(k?)", str(value).strip().lower(), re.ASCII)
        if not match:
            self.fail(f"{value!r} is not a bit rate such as 12k or 12000", param, ctx)
        return round(float(match[1]) * (1000 if match[2] else 1))


class Interval(click.ParamType[float | None]):
    """A number of seconds, or none for no limit."""

    name = "seconds"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | None:
        """Read the text of an option; a number is one already."""
        if str(value).strip().lower() == "none":
            return None
        try:
            return float(value)
        except ValueError:
            self.fail(f"{value!r} is neither a number of seconds nor none", param, ctx)


class Time(click.ParamType[float]):
    """Seconds, minutes and seconds, or hours, minutes and seconds: 90, 1:30, 0:01:30.5."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read the text of an option; a number is one already."""
        if isinstance(value, int | float):
            return float(value)
        if not re.fullmatch(r"(\d+:){0,2}\d+(\.\d+)?", value, re.ASCII):
            self.fail(f"{value!r} is no time such as 90, 1:30 or 0:01:30.5", param, ctx)
        seconds = 0.0
        for part in value.split(":"):
            seconds = 60 * seconds + float(part)
        return seconds


@click.command(short_help="Encode videos into .imf streams.")
@click.argument("names", metavar="IN... [OUT.imf]", nargs=-1, required=True, type=click.Path())
@batch_options
@click.option(
    "--from",
    "begin_s",
    type=Time(),
    metavar="TIME",
    default=_DEFAULT.begin_s,
    help="Time in IN at which to begin: seconds or h:mm:ss. Default: the beginning.",
)
@click.option(
    "--to",
    "end_s",
    type=Time(),
    metavar="TIME",
    default=_DEFAULT.end_s,
    help="Time in IN at which to end: seconds or h:mm:ss. Default: the end.",
)
@click.option(
    "--format",
    type=click.Choice(("imf",)),
    default=_DEFAULT.format,
    help="Allow a name of OUT that does not end in .imf. Default: such a name is refused.",
)
@click.option(
    "--weights",
    metavar="NAME|ID|PATH",
    default=_DEFAULT.weights,
    help="Weights of the network. Default: those with a star in `imfcodec weights list`.",
)
@click.option(
    "--quantiser",
    type=int,
    default=_DEFAULT.quantiser,
    show_default=True,
    help="Quantiser step of the tokens, 0 to 7 with the released weights. A higher step takes "
    "fewer bits and reproduces motion less exactly.",
)
@click.option(
    "--key-crf",
    type=int,
    default=_DEFAULT.key_crf,
    show_default=True,
    help="AV1 quality (CRF) of key frames, 1 (best) to 63. Predicted key frames are coded slightly "
    "coarser.",
)
@click.option(
    "--key-preset",
    type=int,
    metavar="PRESET",
    default=_DEFAULT.key_preset,
    help="SVT-AV1 preset of key frames, -1 (slowest, fewest bytes) to 13 (fastest). "
    f"Default: {KEY_PRESET}, or {LIVE_KEY_PRESET} with --latency low.",
)
@click.option(
    "--keyframe-interval",
    "keyframe_interval_s",
    type=Interval(),
    metavar="SECONDS|none",
    default=_DEFAULT.keyframe_interval_s,
    show_default=True,
    help="Time between key frames in seconds, above 0: the average if they are planned "
    "(--choose-keys with --look-ahead), otherwise the longest. none sets no limit.",
)
@click.option(
    "--choose-keys/--no-choose-keys",
    default=_DEFAULT.choose_keys,
    show_default=True,
    help="Place key frames where they serve best, or at the end of each interval. With "
    "--look-ahead, the key frames of four intervals are planned together.",
)
@click.option(
    "--predict-keys/--no-predict-keys",
    default=_DEFAULT.predict_keys,
    show_default=True,
    help="Code the key frames inside a scene from earlier key frames: fewer bytes, but they depend "
    "on those.",
)
@click.option(
    "--chain-keys/--no-chain-keys",
    default=_DEFAULT.chain_keys,
    show_default=True,
    help="Let each predicted key frame use all key frames since the last independent one: fewer "
    "bytes, but one lost key packet can lose up to 20 seconds. No effect with --latency low.",
)
@click.option(
    "--look-ahead/--no-look-ahead",
    default=_DEFAULT.look_ahead,
    show_default=True,
    help="Rebuild a frame from the key frame after it if that one suits it better. Sender and "
    "receiver then wait for that key frame. No effect with --latency low.",
)
@click.option(
    "--refine",
    type=int,
    metavar="STEPS",
    default=_DEFAULT.refine,
    help="Least-squares steps that improve the tokens of every 16 frames, 0 to 100. More steps "
    f"give better tokens and take longer. Default: {REFINE_STEPS}, or 0 with --latency low.",
)
@click.option(
    "--scene-cut/--no-scene-cut",
    default=_DEFAULT.scene_cut,
    show_default=True,
    help="Code a key frame at each scene cut.",
)
@click.option(
    "--latency",
    type=click.Choice(("normal", "low")),
    default=_DEFAULT.latency,
    show_default=True,
    help="normal collects up to 3 seconds of tokens in a packet; low sends each frame at once.",
)
@click.option(
    "--short-side",
    type=int,
    metavar="PIXELS",
    default=_DEFAULT.short_side,
    show_default=True,
    help="Short side at which a larger picture is coded, 64 pixels or more. The receiver scales it "
    "up to its original size.",
)
@click.option(
    "--audio",
    type=click.Choice(("opus", "copy", "none")),
    default=_DEFAULT.audio,
    show_default=True,
    help="opus transcodes the sound to Opus, copy keeps an Opus track as it is, none drops it.",
)
@click.option(
    "--audio-bitrate",
    type=BitRate(),
    default=_DEFAULT.audio_bitrate,
    show_default=True,
    help="Bit rate of transcoded sound in bit/s, 6k to 256k; for example 12k or 12000.",
)
@click.option(
    "--measure",
    is_flag=True,
    default=_DEFAULT.measure,
    help="Also rebuild what the receiver will see and report its PSNR. This takes longer.",
)
@click.option(
    "--threads",
    type=int,
    default=_DEFAULT.threads,
    help="Threads of the network, 1 to 1024. Default: torch's own choice.",
)
@overwrite_option
@json_option
@quiet_option
def encode(names: tuple[str, ...], as_json: bool, quiet: bool, **options: Any) -> None:
    """Encode the video IN into the stream OUT.imf.

    With --output-dir DIR, encode any number of videos, files or folders, into streams in DIR.

    IN is any common video file. "-" stands for standard input or output; if OUT is "-", the
    summary goes to stderr. An output file appears only when it is complete.
    """
    batch = taken(options)
    chosen = EncodeOptions(**options)
    if batch["output_dir"] is None:
        _encode_one(*single(names, batch), chosen, as_json=as_json, quiet=quiet)
        return
    run_batch(
        names, VIDEO_SUFFIXES, ".imf", encode_task, chosen, as_json=as_json, quiet=quiet, **batch
    )


def encode_task(task: Task, options: EncodeOptions, *, bars: bool = False) -> Done:
    """Encode one of several videos."""
    from imfcodec.sender.encode import encode as run

    source, target = task.source, task.target
    try:
        with progress(
            path_text(source), partial(video_duration_s, source, options), wanted=bars
        ) as advance:
            report = run(source, target, options, advance)
    except ImfcodecError as error:
        return failed(error)
    rate = rate_text(report.rate_kbps, report.sizes, report.duration_s)
    line = f"{frames_text(report)}, {rate}, {bytes_text(report.sizes.total_bytes)}, "
    return Done(line + f"{report.fps:.1f} fps", encode_record(report), report.warnings)


def _encode_one(
    source: str, target: str, options: EncodeOptions, *, as_json: bool, quiet: bool
) -> None:
    check_standard_streams(source, target)
    from imfcodec.sender.encode import encode as run

    with progress(
        "encode", partial(video_duration_s, source, options), wanted=not (as_json or quiet)
    ) as advance:
        report = run(source, target, options, advance)
    source_bytes = file_bytes(source)
    err = target == "-"
    if as_json:
        names = {"source": source, "target": target, "source_bytes": source_bytes}
        show_json({**names, **encode_record(report)}, err=err)
    elif not quiet:
        show_rows(_rows(source, target, source_bytes, report), err=err)
        show_warnings(report.warnings)


def file_bytes(path: str | Path) -> int | None:
    """Size of a regular file in bytes; None for anything else."""
    return Path(path).stat().st_size if Path(path).is_file() else None


def against_text(size_bytes: int, source_bytes: int) -> str:
    """The size of a stream, compared with its source."""
    text = f"{bytes_text(size_bytes)} from {bytes_text(source_bytes)}"
    if size_bytes and source_bytes >= size_bytes:
        text += f", {source_bytes / size_bytes:.1f} times smaller"
    return text


def _rows(
    source: str, target: str, source_bytes: int | None, report: EncodeReport
) -> Iterator[Row]:
    yield "encoded", f"{path_text(source)} -> {path_text(target)}"
    yield "frames", frames_text(report)
    yield "picture", f"{size_text(report.display)}, coded at {size_text(report.coded)}"
    yield "weights", report.weights
    yield "rate", rate_text(report.rate_kbps, report.sizes, report.duration_s)
    yield "tokens", f"{report.token_bits_per_frame:.1f} bits per frame"
    yield "bytes", sizes_text(report.sizes)
    if source_bytes is not None:
        yield "size", against_text(report.sizes.total_bytes, source_bytes)
    if report.psnr_db is not None:
        yield "quality", f"PSNR-RGB {report.psnr_db:.2f} dB at coded size"
    yield "speed", speed_text(report)
    yield "stages ms", stages_text(report.stages)
