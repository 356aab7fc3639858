"""Reports as JSON objects: snake_case keys that carry their units."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imfcodec.cli.text import audio_kbps

if TYPE_CHECKING:
    from imfcodec.cli.text import Report
    from imfcodec.receiver.report import DecodeReport
    from imfcodec.sender.report import EncodeReport

Record = dict[str, Any]


def encode_record(report: EncodeReport) -> Record:
    """An encode report."""
    record = _report_record(report)
    record["psnr_rgb_db"] = record.pop("psnr_db")
    del record["peak_bytes"]
    return {
        **record,
        "token_bits_per_frame": report.token_bits_per_frame,
        "peak_kbps": report.peak_kbps,
    }


def decode_record(report: DecodeReport) -> Record:
    """A decode report."""
    return {**_report_record(report), "lost_frames": report.lost_frames}


def _report_record(report: EncodeReport | DecodeReport) -> Record:
    record = dataclasses.asdict(report)
    stages_ms = record.pop("stages")["milliseconds"]
    del record["sizes"]
    return {**record, **rates_record(report), "fps": report.fps, "stages_ms": stages_ms}


def rates_record(report: Report) -> Record:
    """Rates of video and audio, and bytes by kind and by window layer."""
    sizes = dataclasses.asdict(report.sizes)
    layer_bytes = sizes.pop("layer_bytes")
    kinds = {name.removesuffix("_bytes"): size_bytes for name, size_bytes in sizes.items()}
    return {
        "rate_kbps": report.rate_kbps,
        "audio_kbps": audio_kbps(report),
        "sizes_bytes": {**kinds, "total": report.sizes.total_bytes},
        "layer_bytes": layer_bytes,
    }


def file_bytes(path: str | Path) -> int | None:
    """Size of a regular file in bytes; None for anything else."""
    return Path(path).stat().st_size if Path(path).is_file() else None
