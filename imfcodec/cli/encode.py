"""`imfcodec encode`: a video into an .imf stream."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

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

if TYPE_CHECKING:
    from imfcodec.sender.report import EncodeReport

_DEFAULT = EncodeOptions()


class BitRate(click.ParamType[int]):
    """Bits per second, a trailing k for thousands: 12k, 12000."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read the text of an option; a number is one already."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)(k?)", str(value).strip().lower(), re.ASCII)
        if not match:
            self.fail(f"{value!r} is no bit rate such as 12k or 12000", param, ctx)
        return round(float(match[1]) * (1000 if match[2] else 1))


class Interval(click.ParamType[float | None]):
    """Seconds, or none for no limit."""

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


@click.command(short_help="Encode a video into an .imf stream.")
@click.argument("source", metavar="IN", type=click.Path())
@click.argument("target", metavar="OUT.imf", type=click.Path())
@click.option(
    "--weights",
    metavar="NAME|ID|PATH",
    default=_DEFAULT.weights,
    help="Weights of the network; the default ones without it (see `imfcodec weights list`).",
)
@click.option(
    "--quantiser",
    type=int,
    default=_DEFAULT.quantiser,
    show_default=True,
    help="Step of the tokens: higher is coarser, smaller and less exact in motion.",
)
@click.option(
    "--key-crf",
    type=int,
    default=_DEFAULT.key_crf,
    show_default=True,
    help="AV1 quality of key frames, 1 (best) to 63; predicted ones are somewhat coarser.",
)
@click.option(
    "--key-preset",
    type=int,
    metavar="PRESET",
    default=_DEFAULT.key_preset,
    help="Speed of the key frames' encoder, -1 (slowest and smallest) to 13; "
    f"{KEY_PRESET} without it and {LIVE_KEY_PRESET} at low latency.",
)
@click.option(
    "--keyframe-interval",
    "keyframe_interval_s",
    type=Interval(),
    metavar="SECONDS|none",
    default=_DEFAULT.keyframe_interval_s,
    show_default=True,
    help="Longest time between key frames, in the mean where they are planned; none sets no limit.",
)
@click.option(
    "--choose-keys/--no-choose-keys",
    default=_DEFAULT.choose_keys,
    show_default=True,
    help="Whether key frames go where they serve best, planned for four intervals if the sender "
    "looks ahead, or to the end of each interval.",
)
@click.option(
    "--predict-keys/--no-predict-keys",
    default=_DEFAULT.predict_keys,
    show_default=True,
    help="Whether key frames that only the interval asks for are coded from an earlier one.",
)
@click.option(
    "--chain-keys/--no-chain-keys",
    default=_DEFAULT.chain_keys,
    show_default=True,
    help="Whether such key frames also lean on each other: fewer bytes, but one that is lost takes "
    "with it those of up to 20 seconds. Not at low latency.",
)
@click.option(
    "--look-ahead/--no-look-ahead",
    default=_DEFAULT.look_ahead,
    show_default=True,
    help="Whether frames may be rebuilt from the key frame behind them, for which they then wait.",
)
@click.option(
    "--refine",
    type=int,
    metavar="STEPS",
    default=_DEFAULT.refine,
    help="Least-squares steps that improve the tokens of every sixteen frames, "
    f"{REFINE_STEPS} without it and 0 at low latency; more are better and slower.",
)
@click.option(
    "--scene-cut/--no-scene-cut",
    default=_DEFAULT.scene_cut,
    show_default=True,
    help="Whether a scene cut begins a new key frame.",
)
@click.option(
    "--latency",
    type=click.Choice(("normal", "low")),
    default=_DEFAULT.latency,
    show_default=True,
    help="normal collects up to three seconds of tokens per packet; low sends each frame at once.",
)
@click.option(
    "--short-side",
    type=int,
    metavar="PIXELS",
    default=_DEFAULT.short_side,
    show_default=True,
    help="Size at which a larger picture is coded; it is shown at its own size all the same.",
)
@click.option(
    "--audio",
    type=click.Choice(("opus", "copy", "none")),
    default=_DEFAULT.audio,
    show_default=True,
    help="opus transcodes the sound, copy keeps Opus as it is, none drops it.",
)
@click.option(
    "--audio-bitrate",
    type=BitRate(),
    default=_DEFAULT.audio_bitrate,
    show_default=True,
    help="Of transcoded sound, in bit/s: 12k or 12000.",
)
@click.option(
    "--measure",
    is_flag=True,
    default=_DEFAULT.measure,
    help="Reconstruct what the receiver will see and report its PSNR; slower.",
)
@click.option(
    "--threads",
    type=int,
    default=_DEFAULT.threads,
    help="Threads of the network; as many as torch likes without it.",
)
@overwrite_option
@json_option
@quiet_option
def encode(source: str, target: str, as_json: bool, quiet: bool, **options: Any) -> None:
    """Encode the video IN into the stream OUT.imf.

    IN is any common video file; "-" stands for standard input and output. With OUT "-" the
    summary goes to stderr. An output file appears only when it is complete.
    """
    chosen = EncodeOptions(**options)
    check_standard_streams(source, target)
    from imfcodec.sender.encode import encode as run

    with progress(
        "encode", partial(video_duration_s, source), wanted=not (as_json or quiet)
    ) as advance:
        report = run(source, target, chosen, advance)
    source_bytes = file_bytes(source)
    err = target == "-"
    if as_json:
        names = {"source": source, "target": target, "source_bytes": source_bytes}
        show_json({**names, **encode_record(report)}, err=err)
    elif not quiet:
        show_rows(_rows(source, target, source_bytes, report), err=err)
        show_warnings(report.warnings)


def file_bytes(path: str | Path) -> int | None:
    """Size of a regular file; None for anything else."""
    return Path(path).stat().st_size if Path(path).is_file() else None


def against_text(size_bytes: int, source_bytes: int) -> str:
    """The size of a stream beside that of its source."""
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
