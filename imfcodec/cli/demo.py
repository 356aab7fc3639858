"""`imfcodec demo`: encode and decode a clip, and measure the result."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imfcodec.cli.encode import against_text, file_bytes
from imfcodec.cli.options import json_option, overwrite_option, quiet_option
from imfcodec.cli.output import Row, show_json, show_rows, show_warnings
from imfcodec.cli.progress import progress, stream_duration_s, video_duration_s
from imfcodec.cli.records import Record, decode_record, encode_record
from imfcodec.cli.text import frames_text, path_text, rate_text, speed_text
from imfcodec.config import DecodeOptions, EncodeOptions
from imfcodec.errors import OutputExists, OutputFailed

if TYPE_CHECKING:
    from imfcodec.cli.comparison import Comparison, Quality
    from imfcodec.receiver.report import DecodeReport
    from imfcodec.sender.report import EncodeReport

_CLIP = "demo.mp4"


@dataclasses.dataclass(frozen=True)
class Demo:
    """The files of a demo and their measurements."""

    source: Path
    stream: Path
    decoded: Path
    encoding: EncodeReport
    decoding: DecodeReport
    comparison: Comparison


@click.command(short_help="Encode and decode a clip and measure the result.")
@click.argument("clip", metavar="[CLIP]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--out-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Folder for the stream and the decoded video; created if it is missing.",
)
@click.option(
    "--weights",
    metavar="NAME|ID|PATH",
    default=EncodeOptions().weights,
    help="Weights of the network. Default: those with a star in `imfcodec weights list`.",
)
@overwrite_option
@json_option
@quiet_option
def demo(
    clip: Path | None,
    out_dir: Path,
    weights: str | None,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Encode and decode CLIP, then print rate, quality and speed.

    Without CLIP, a short clip is made from a photograph. The row "floor" is the quality of frozen
    key frames: what a viewer would see if no motion were sent.
    """
    source = clip or out_dir / _CLIP
    stream = out_dir / f"{source.stem}.imf"
    decoded = out_dir / f"{source.stem}.decoded.mp4"
    _prepare(out_dir, [stream, decoded] if clip else [source, stream, decoded], overwrite)
    if clip is None:
        from imfcodec.bench.demo_clip import write_demo_clip

        write_demo_clip(source, overwrite=overwrite)
    options = EncodeOptions(weights=weights, overwrite=overwrite)
    result = _run(source, stream, decoded, options, bars=not (as_json or quiet))
    if as_json:
        show_json(_record(result))
    elif not quiet:
        show_rows(_rows(result))
        notes = [result.comparison.note] if result.comparison.note else []
        show_warnings([*result.encoding.warnings, *result.decoding.warnings, *notes])


def _prepare(folder: Path, outputs: list[Path], overwrite: bool) -> None:
    """Create the folder; check that every output may be written, before minutes of work."""
    for path in outputs:
        if path.exists() and not overwrite:
            raise OutputExists(f"{path} exists already; use --overwrite to replace it")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputFailed(f"{folder}: {error.strerror}") from error


def _run(source: Path, stream: Path, decoded: Path, options: EncodeOptions, *, bars: bool) -> Demo:
    from imfcodec.cli.comparison import compare
    from imfcodec.receiver.decode import decode
    from imfcodec.receiver.inspection import inspect
    from imfcodec.sender.encode import encode

    with progress("encode", partial(video_duration_s, source), wanted=bars) as advance:
        encoding = encode(source, stream, options, advance)
    with progress("decode", partial(stream_duration_s, stream), wanted=bars) as advance:
        decoding = decode(stream, decoded, DecodeOptions(overwrite=options.overwrite), advance)
    key_frames = {key.number for key in inspect(stream).key_frames}
    with progress("compare", partial(stream_duration_s, stream), wanted=bars) as advance:
        comparison = compare(source, decoded, key_frames, advance)
    return Demo(source, stream, decoded, encoding, decoding, comparison)


def _record(result: Demo) -> Record:
    return {
        "source": str(result.source),
        "stream": str(result.stream),
        "decoded": str(result.decoded),
        "source_bytes": file_bytes(result.source),
        "encode": encode_record(result.encoding),
        "decode": decode_record(result.decoding),
        "frames_compared": result.comparison.frames,
        "quality": dataclasses.asdict(result.comparison.decoded),
        "frozen_key_frame": dataclasses.asdict(result.comparison.frozen),
        "note": result.comparison.note,
    }


def _rows(result: Demo) -> Iterator[Row]:
    encoding = result.encoding
    yield "source", path_text(str(result.source))
    yield "stream", path_text(str(result.stream))
    yield "decoded", path_text(str(result.decoded))
    yield "frames", frames_text(encoding)
    yield "rate", rate_text(encoding.rate_kbps, encoding.sizes, encoding.duration_s)
    source_bytes = file_bytes(result.source)
    if source_bytes is not None:
        yield "size", against_text(encoding.sizes.total_bytes, source_bytes)
    yield "quality", _quality_text(result.comparison.decoded)
    yield "floor", f"{_quality_text(result.comparison.frozen)} (frozen key frame)"
    yield "encode", speed_text(encoding)
    yield "decode", speed_text(result.decoding)


def _quality_text(quality: Quality) -> str:
    text = f"PSNR-RGB {quality.psnr_rgb_db:.2f} dB"
    return text if quality.ssim is None else f"{text}, SSIM {quality.ssim:.4f}"
