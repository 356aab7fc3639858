"""Reports as JSON objects: snake_case keys that carry their units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imfcodec.cli.text import audio_kbps

if TYPE_CHECKING:
    from imfcodec.bitstream import SizeLedger
    from imfcodec.codec.stages import StageTimes
    from imfcodec.receiver.inspection import StreamSummary
    from imfcodec.receiver.report import DecodeReport
    from imfcodec.sender.report import EncodeReport
    from imfcodec.weights import WeightsFile

Record = dict[str, Any]


def encode_record(report: EncodeReport) -> Record:
    """An encode report."""
    return {
        "weights": report.weights,
        "display": list(report.display),
        "coded": list(report.coded),
        **_both(report),
        "token_bits_per_frame": report.token_bits_per_frame,
        "psnr_rgb_db": report.psnr_db,
    }


def decode_record(report: DecodeReport) -> Record:
    """A decode report."""
    return {
        "weights": report.weights,
        **_both(report),
        "lost_frames": report.lost_frames,
        "lost": [list(run) for run in report.lost],
        "damage": report.damage,
        "truncated": report.truncated,
    }


def stream_record(summary: StreamSummary, installed: WeightsFile | None) -> Record:
    """Content of a stream; `installed` are the weights that it names, None if not installed."""
    header = summary.header
    size, colour, audio = header.geometry, header.colour, header.audio
    return {
        "weights": {
            "id": header.weights_id.hex(),
            "installed": installed is not None,
            "name": installed.name if installed else None,
            "file": str(installed.path) if installed else None,
        },
        "display": [size.display_width, size.display_height],
        "scaled": [size.scaled_width, size.scaled_height],
        "coded": [size.coded_width, size.coded_height],
        "sample_aspect_ratio": str(header.sample_aspect_ratio),
        "time_base": str(header.time_base),
        "nominal_fps": float(1 / (header.nominal_duration * header.time_base)),
        "quantiser": header.quantiser,
        "token_size": header.token_size,
        "colour": {
            "matrix": colour.matrix,
            "transfer": colour.transfer,
            "primaries": colour.primaries,
            "full_range": colour.full_range,
        }
        if colour
        else None,
        "audio": {
            "codec_id": audio.codec,
            "sample_rate_hz": audio.sample_rate,
            "channels": audio.channels,
            "pre_skip_samples": audio.pre_skip,
            "packets": summary.audio_packets,
        }
        if audio
        else None,
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
        "duration_s": summary.duration_s,
        "rate_kbps": summary.rate_kbps,
        "audio_kbps": audio_kbps(summary.sizes, summary.duration_s),
        "sizes_bytes": sizes_record(summary.sizes),
        "packets": summary.packets,
        "complete": summary.complete,
        "damage": summary.damage,
    }


def sizes_record(sizes: SizeLedger) -> Record:
    """Bytes by kind."""
    return {
        "key": sizes.key_bytes,
        "predicted_key": sizes.predicted_key_bytes,
        "token": sizes.token_bytes,
        "audio": sizes.audio_bytes,
        "container": sizes.container_bytes,
        "total": sizes.total_bytes,
    }


def _both(report: EncodeReport | DecodeReport) -> Record:
    stages: StageTimes = report.stages
    return {
        "frames": report.frames,
        "key_frames": report.key_frames,
        "predicted_key_frames": report.predicted_key_frames,
        "duration_s": report.duration_s,
        "rate_kbps": report.rate_kbps,
        "audio_kbps": audio_kbps(report.sizes, report.duration_s),
        "sizes_bytes": sizes_record(report.sizes),
        "fps": report.fps,
        "wall_s": report.wall_s,
        "stages_ms": stages.milliseconds,
        "warnings": report.warnings,
    }
