"""`imfcodec info`: what an .imf stream holds."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from imfcodec.cli.options import json_option
from imfcodec.cli.output import Row, check_standard_streams, show_result
from imfcodec.cli.records import Record, rates_record
from imfcodec.cli.text import bytes_text, path_text, plural, rate_text, size_text, sizes_text
from imfcodec.errors import DamagedStream, WeightsMissing

if TYPE_CHECKING:
    from imfcodec.bitstream import AudioParameters, ColourTags, StreamHeader
    from imfcodec.receiver.inspection import RunEntry, StreamSummary, WindowEntry
    from imfcodec.weights import WeightsFile

_MATRICES = {0: "RGB", 1: "BT.709", 5: "BT.601", 6: "BT.601", 9: "BT.2020"}
"""The usual matrix coefficients of ITU-T H.273."""

_SHOWN = 20
"""Number of lines of each kind, such as key frames, that are listed; --json lists all."""


@click.command(short_help="Show what an .imf stream holds.")
@click.argument("source", metavar="FILE.imf", type=click.Path())
@json_option
def info(source: str) -> None:
    """Show what the stream FILE.imf holds, without decoding it.

    "-" stands for standard input. The exit code is 14 if the stream is damaged or truncated.
    """
    check_standard_streams(source)
    from imfcodec import weights
    from imfcodec.receiver.inspection import inspect

    summary = inspect(source)
    try:
        installed = weights.find_by_id(summary.header.weights_id)
    except WeightsMissing:
        installed = None
    record = {"source": source, **_record(summary, installed)}
    show_result(record, _rows(source, summary, installed))
    if summary.damage or not summary.complete:
        reasons = summary.damage or ["the end packet is missing"]
        raise DamagedStream(f"{path_text(source)} is damaged: {'; '.join(reasons[:3])}")


def _rows(source: str, summary: StreamSummary, installed: WeightsFile | None) -> Iterator[Row]:
    header = summary.header
    yield "file", path_text(source)
    yield "weights", _weights_text(header, installed)
    for name, size in _sizes(header).items():
        yield name, size_text(size)
    yield "pixel", f"{header.sample_aspect_ratio} wide for its height"
    yield "time base", f"{header.time_base} s, nominally {_nominal_fps(header):.3f} fps"
    yield "colour", _colour_text(header.colour)
    yield "tokens", f"{header.token_size} values, quantiser {header.quantiser}"
    yield "audio", _audio_text(header.audio, summary.audio_packets)
    yield "frames", f"{summary.frames}, {summary.duration_s:.2f} s"
    yield "rate", rate_text(summary)
    yield "bytes", sizes_text(summary.sizes)
    yield "packets", ", ".join(f"{kind} {count}" for kind, count in summary.packets.items())
    keys = (
        f"{key.number} at {float(key.pts * header.time_base):.3f} s"
        + (", predicted" if key.predicted else "")
        for key in summary.key_frames
    )
    yield from _listed("key frame", keys)
    yield from _listed("run", (_frames_text(run) for run in summary.runs))
    for layer, size_bytes in sorted(summary.sizes.layer_bytes.items()):
        yield f"layer {layer}", bytes_text(size_bytes)
        entries = (entry for entry in summary.windows if entry.layer == layer)
        yield from _listed("window", map(_window_text, entries))
    yield from _listed("damage", summary.damage)
    if summary.complete and not summary.damage:
        yield "damage", "none"


def _record(summary: StreamSummary, installed: WeightsFile | None) -> Record:
    header, audio = summary.header, summary.header.audio
    return {
        "weights": {
            "id": header.weights_id.hex(),
            "installed": installed is not None,
            "name": installed.name if installed else None,
            "file": str(installed.path) if installed else None,
        },
        **_sizes(header),
        "sample_aspect_ratio": str(header.sample_aspect_ratio),
        "time_base": str(header.time_base),
        "nominal_fps": _nominal_fps(header),
        "quantiser": header.quantiser,
        "token_size": header.token_size,
        "colour": header.colour and dataclasses.asdict(header.colour),
        "audio": audio
        and {
            "codec_id": audio.codec,
            "sample_rate_hz": audio.sample_rate,
            "channels": audio.channels,
            "pre_skip_samples": audio.pre_skip,
            "packets": summary.audio_packets,
        },
        "frames": summary.frames,
        "key_frames": [
            {
                "frame": key.number,
                "pts": key.pts,
                "time_s": float(key.pts * header.time_base),
                "predicted": key.predicted,
            }
            for key in summary.key_frames
        ],
        "runs": [dataclasses.asdict(run) for run in summary.runs],
        "windows": [dataclasses.asdict(entry) for entry in summary.windows],
        "duration_s": summary.duration_s,
        **rates_record(summary),
        "packets": summary.packets,
        "complete": summary.complete,
        "damage": summary.damage,
    }


def _sizes(header: StreamHeader) -> dict[str, tuple[int, int]]:
    """Width and height in pixels, by name."""
    size = header.geometry
    return {
        "display": (size.display_width, size.display_height),
        "scaled": (size.scaled_width, size.scaled_height),
        "coded": (size.coded_width, size.coded_height),
    }


def _nominal_fps(header: StreamHeader) -> float:
    return float(1 / (header.nominal_duration * header.time_base))


def _weights_text(header: StreamHeader, installed: WeightsFile | None) -> str:
    if installed is None:
        return f"{header.weights_id.hex()}, not installed"
    return f"{installed.label}, installed"


def _colour_text(colour: ColourTags | None) -> str:
    if colour is None:
        return "unknown"
    name = _MATRICES.get(colour.matrix, "other")
    scale = "full" if colour.full_range else "limited"
    codes = f"matrix {colour.matrix}, transfer {colour.transfer}, primaries {colour.primaries}"
    return f"{name}, {scale} range (H.273: {codes})"


def _audio_text(audio: AudioParameters | None, packets: int) -> str:
    from imfcodec.bitstream import AUDIO_CODEC_OPUS

    if audio is None:
        return "none"
    channels = plural(audio.channels, "channel")
    codec = "Opus" if audio.codec == AUDIO_CODEC_OPUS else f"unknown codec {audio.codec}"
    return f"{codec}, {channels}, {audio.sample_rate} Hz, {plural(packets, 'packet')}"


def _window_text(entry: WindowEntry) -> str:
    window, coded = entry.window, entry.window.coded_side
    place = f"{window.side}x{window.side}+{window.left}+{window.top}"
    return f"{coded}x{coded} for {place}, {_frames_text(entry)}"


def _frames_text(entry: RunEntry | WindowEntry) -> str:
    return f"frames {entry.first_frame}-{entry.last_frame}"


def _listed(what: str, lines: Iterable[str]) -> Iterator[Row]:
    """The first lines, and how many are left out."""
    lines = list(lines)
    for line in lines[:_SHOWN]:
        yield what, line
    if len(lines) > _SHOWN:
        yield what, f"... and {len(lines) - _SHOWN} more"
