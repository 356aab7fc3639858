"""`imfcodec encode`: a video into an .imf stream."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import click

from imfcodec.cli.coding import BatchOptions, Coding, batch_options, code
from imfcodec.cli.options import json_option, options_of, quiet_option, take
from imfcodec.cli.output import Row
from imfcodec.cli.progress import Advance, video_duration_s
from imfcodec.cli.records import encode_record, file_bytes
from imfcodec.cli.startup import without_meta_kernels
from imfcodec.cli.text import (
    against_text,
    bytes_text,
    frames_text,
    layout_text,
    quality_text,
    rate_text,
    size_text,
    sizes_text,
    speed_text,
    stages_text,
)
from imfcodec.config import EFFORTS, LAYOUTS, MODES, NO_LIMIT_S, EncodeOptions
from imfcodec.sources import SUFFIXES

if TYPE_CHECKING:
    from imfcodec.sender.report import EncodeReport


def bit_rate(value: str | int) -> int:
    """A bit rate in bit/s; a trailing k means thousands: 12k, 12000."""
    return _with_unit(value, "k", "bit rate such as 12k or 12000")


def size(value: str | int) -> int:
    """A number of bytes; a trailing k, M or G means powers of 1000: 2M, 2000000."""
    return _with_unit(value, "kmg", "size such as 2M or 2000000")


def _with_unit(value: str | int, units: str, what: str) -> int:
    text = str(value).strip().lower()
    match = re.fullmatch(rf"(\d{{1,9}}(?:\.\d{{1,9}})?)([{units}]?)", text, re.ASCII)
    if not match:
        raise click.BadParameter(f"{value!r} is not a {what}")
    thousands = 1 + units.index(match[2]) if match[2] else 0
    return round(float(match[1]) * float(1000**thousands))


def interval(value: str | float) -> float:
    """A number of seconds, or none for no limit."""
    if str(value).strip().lower() == "none":
        return NO_LIMIT_S
    try:
        return float(value)
    except ValueError:
        message = f"{value!r} is neither a number of seconds nor none"
        raise click.BadParameter(message) from None


def time(value: str | float) -> float:
    """Seconds, minutes and seconds, or hours, minutes and seconds: 90, 1:30, 0:01:30.5."""
    if not re.fullmatch(r"(\d+:){0,2}\d+(\.\d+)?", str(value), re.ASCII):
        raise click.BadParameter(f"{value!r} is no time such as 90, 1:30 or 0:01:30.5")
    seconds = 0.0
    for part in str(value).split(":"):
        seconds = 60 * seconds + float(part)
    return seconds


EXPERTS: Final = (
    "quantiser",
    "key_crf",
    "key_preset",
    "keyframe_interval_s",
    "choose_keys",
    "try_intervals",
    "predict_keys",
    "chain_keys",
    "look_ahead",
    "refine",
    "face_weight",
    "scene_cut",
    "short_side",
    "max_windows",
)
"""Options that most people need not read about."""


class EncodeCommand(click.Command):
    """A command whose help lists the options of experts apart."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help of all options."""
        sections: dict[str, list[tuple[str, str]]] = {"Options": [], "Experts": []}
        for parameter in self.get_params(ctx):
            row = parameter.get_help_record(ctx)
            if row is not None and isinstance(parameter, click.Option):
                sections["Experts" if parameter.name in EXPERTS else "Options"].append(row)
        for title, rows in sections.items():
            with formatter.section(title):
                formatter.write_dl(rows)


@click.command(cls=EncodeCommand, short_help="Encode videos into .imf streams.")
@click.argument("names", metavar="IN... [OUT.imf]", nargs=-1, required=True, type=click.Path())
@batch_options
@options_of(
    EncodeOptions,
    begin_s={
        "flag": "--from",
        "type": time,
        "metavar": "TIME",
        "show_default": False,
        "help": "Time in IN at which to begin: seconds or h:mm:ss. Default: the beginning.",
    },
    end_s={
        "flag": "--to",
        "type": time,
        "metavar": "TIME",
        "help": "Time in IN at which to end: seconds or h:mm:ss. Default: the end.",
    },
    format={"type": click.Choice(("imf",))},
    weights={"metavar": "NAME|ID|PATH"},
    quality={"metavar": "0..100"},
    bitrate={
        "type": bit_rate,
        "metavar": "RATE",
        "help": "Rate to meet in bit/s; for example 5k or 5000. The sound is not counted (but see "
        "--with-sound). IN must be a file: it is encoded several times. With --latency low it may "
        "be a pipe and is encoded once; the CRF of key frames then follows what has been spent.",
    },
    max_size={
        "type": size,
        "metavar": "SIZE",
        "help": "Largest size of OUT.imf in bytes, sound included; for example 2M or 2000000. IN "
        "must be a file: it is encoded several times.",
    },
    min_quality={"metavar": "0..100", "show_default": False},
    preset={"type": click.Choice(tuple(EFFORTS))},
    key_preset={"metavar": "-1..13"},
    keyframe_interval_s={
        "flag": "--keyframe-interval",
        "type": interval,
        "metavar": "SECONDS|none",
    },
    refine={"metavar": "STEPS"},
    latency={"type": click.Choice(("normal", "low"))},
    short_side={"metavar": "PIXELS"},
    layout={"type": click.Choice(LAYOUTS)},
    mode={"type": click.Choice(MODES)},
    max_windows={"metavar": "N"},
    audio={"type": click.Choice(("opus", "copy", "none"))},
    audio_bitrate={
        "type": bit_rate,
        "metavar": "RATE",
        "help": "Bit rate of transcoded sound, 6k to 256k bit/s. Up to 8k, Opus keeps sound below "
        "4 kHz, as a telephone does; from 9k on, below 8 kHz or more.",
    },
)
@json_option
@quiet_option
def encode(names: tuple[str, ...], **options: Any) -> None:
    """Encode the video IN into the stream OUT.imf.

    With --output-dir DIR, encode any number of videos, files or folders, into streams in DIR.

    IN is any common video file. "-" stands for standard input or output; if OUT is "-", the
    summary goes to stderr. An output file appears only when it is complete.
    """
    batch = take(BatchOptions, options)
    code(CODING, names, EncodeOptions(**options), batch, ".imf")


def _run(source: str, target: str, options: EncodeOptions, advance: Advance | None) -> EncodeReport:
    without_meta_kernels()
    from imfcodec.sender.encode import encode as run

    return run(source, target, options, advance)


def _line(report: EncodeReport) -> str:
    rate = rate_text(report)
    size = bytes_text(report.sizes.total_bytes)
    return f"{frames_text(report)}, {rate}, {size}, {report.fps:.1f} fps"


def _rows(source: str, report: EncodeReport) -> Iterator[Row]:
    yield "frames", frames_text(report)
    yield "picture", f"{size_text(report.display)}, coded at {size_text(report.coded)}"
    yield "layout", layout_text(report)
    yield "preset", report.preset
    yield "quality", quality_text(report)
    yield "weights", report.weights
    yield "rate", rate_text(report)
    if report.peak_kbps is not None:
        yield "peak", f"{report.peak_kbps:.2f} kbps of video in 5 s, after the first 5 s"
    yield "tokens", f"{report.token_bits_per_frame:.1f} bits per frame"
    yield "bytes", sizes_text(report.sizes)
    source_bytes = file_bytes(source)
    if source_bytes is not None:
        yield "size", against_text(report.sizes.total_bytes, source_bytes)
    if report.psnr_db is not None:
        where = "at coded size" if "windows" not in report.coded_as else "in windows"
        yield "measured", f"PSNR-RGB {report.psnr_db:.2f} dB {where}"
    yield "speed", speed_text(report)
    yield "stages ms", stages_text(report.stages)


CODING = Coding(
    "encode",
    SUFFIXES,
    _run,
    video_duration_s,
    _line,
    _rows,
    encode_record,
    shows_source_size=True,
)
