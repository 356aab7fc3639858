"""`imfcodec demo`: encode and decode a clip, and measure the result."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imfcodec.cli.options import PATH, json_option, overwrite_option, quiet_option
from imfcodec.cli.output import Row, make_folder, show_result
from imfcodec.cli.progress import progress, stream_duration_s, video_duration_s
from imfcodec.cli.records import decode_record, encode_record, file_bytes
from imfcodec.cli.text import against_text, frames_text, path_text, rate_text, speed_text
from imfcodec.config import DecodeOptions, EncodeOptions
from imfcodec.errors import OutputExists

if TYPE_CHECKING:
    from imfcodec.cli.comparison import Comparison, Quality
    from imfcodec.receiver.report import DecodeReport
    from imfcodec.sender.report import EncodeReport


@click.command(short_help="Encode and decode a clip and measure the result.")
@click.argument("clip", metavar="[CLIP]", required=False, type=PATH)
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
    help="Weights of the network. Default: as `imfcodec weights list` shows.",
)
@overwrite_option
@json_option
@quiet_option
def demo(clip: Path | None, out_dir: Path, weights: str | None, overwrite: bool) -> None:
    """Encode and decode CLIP, then print rate, quality and speed.

    Without CLIP, a short clip is made from a photograph. The row "floor" is the quality of frozen
    key frames (of an AV1 run, its first picture): what a viewer would see if no motion were sent.
    """
    source = clip or out_dir / "demo.mp4"
    stream = out_dir / f"{source.stem}.imf"
    decoded = out_dir / f"{source.stem}.decoded.mp4"
    _refuse_existing([stream, decoded] if clip else [source, stream, decoded], overwrite)
    make_folder(out_dir)
    if clip is None:
        from imfcodec.bench.demo_clip import write_demo_clip

        write_demo_clip(source, overwrite=overwrite)
    from imfcodec.cli.comparison import compare
    from imfcodec.receiver.decode import decode
    from imfcodec.receiver.inspection import inspect
    from imfcodec.sender.encode import encode

    options = EncodeOptions(weights=weights, overwrite=overwrite)
    with progress("encode", partial(video_duration_s, source)) as advance:
        encoding = encode(source, stream, options, advance)
    with progress("decode", partial(stream_duration_s, stream)) as advance:
        decoding = decode(stream, decoded, DecodeOptions(overwrite=overwrite), advance)
    summary = inspect(stream)
    key_frames = {key.number for key in summary.key_frames}
    key_frames |= {run.first_frame for run in summary.runs}
    with progress("compare", partial(stream_duration_s, stream)) as advance:
        comparison = compare(source, decoded, key_frames, advance)
    paths = {"source": str(source), "stream": str(stream), "decoded": str(decoded)}
    source_bytes = file_bytes(source)
    record = {
        **paths,
        "source_bytes": source_bytes,
        "encode": encode_record(encoding),
        "decode": decode_record(decoding),
        "frames_compared": comparison.frames,
        "quality": dataclasses.asdict(comparison.decoded),
        "frozen_key_frame": dataclasses.asdict(comparison.frozen),
        "note": comparison.note,
    }
    files = [(name, path_text(path)) for name, path in paths.items()]
    rows = [*files, *_rows(source_bytes, encoding, decoding, comparison)]
    notes = [comparison.note] if comparison.note else []
    show_result(record, rows, [*encoding.warnings, *decoding.warnings, *notes])


def _refuse_existing(outputs: list[Path], overwrite: bool) -> None:
    """Check that every output may be written, before minutes of work."""
    for path in outputs:
        if path.exists() and not overwrite:
            raise OutputExists(f"{path} exists already; use --overwrite to replace it")


def _rows(
    source_bytes: int | None,
    encoding: EncodeReport,
    decoding: DecodeReport,
    comparison: Comparison,
) -> Iterator[Row]:
    yield "frames", frames_text(encoding)
    yield "rate", rate_text(encoding)
    if source_bytes is not None:
        yield "size", against_text(encoding.sizes.total_bytes, source_bytes)
    yield "quality", _quality_text(comparison.decoded)
    yield "floor", f"{_quality_text(comparison.frozen)} (frozen key frame)"
    yield "encode", speed_text(encoding)
    yield "decode", speed_text(decoding)


def _quality_text(quality: Quality) -> str:
    text = f"PSNR-RGB {quality.psnr_rgb_db:.2f} dB"
    return text if quality.ssim is None else f"{text}, SSIM {quality.ssim:.4f}"
