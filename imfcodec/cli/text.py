"""Numbers as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from imfcodec.config import NO_LIMIT_S

if TYPE_CHECKING:
    from typing import TypeAlias

    from imfcodec.bitstream import SizeLedger
    from imfcodec.codec.stages import StageTimes
    from imfcodec.receiver.inspection import StreamSummary
    from imfcodec.receiver.report import DecodeReport
    from imfcodec.sender.report import EncodeReport

    Report: TypeAlias = EncodeReport | DecodeReport | StreamSummary


def path_text(path: str) -> str:
    """A path; for "-", what it stands for."""
    return "standard stream" if path == "-" else click.format_filename(path)


def bytes_text(size_bytes: int) -> str:
    """A size in B, kB or MB, whichever gives few digits."""
    if size_bytes < 10_000:
        return f"{size_bytes} B"
    if size_bytes < 10_000_000:
        return f"{size_bytes / 1000:.1f} kB"
    return f"{size_bytes / 1_000_000:.1f} MB"


def against_text(size_bytes: int, source_bytes: int) -> str:
    """The size of a stream, compared with its source."""
    text = f"{bytes_text(size_bytes)} from {bytes_text(source_bytes)}"
    if size_bytes and source_bytes >= size_bytes:
        text += f", {source_bytes / size_bytes:.1f} times smaller"
    return text


def sizes_text(sizes: SizeLedger) -> str:
    """Bytes by kind; runs only if there are any."""
    runs = f"runs {sizes.run_bytes}, " if sizes.run_bytes else ""
    return (
        f"{bytes_text(sizes.total_bytes)}: key frames {sizes.key_bytes}, "
        f"predicted key frames {sizes.predicted_key_bytes}, {runs}tokens {sizes.token_bytes}, "
        f"audio {sizes.audio_bytes}, container {sizes.container_bytes} bytes"
    )


WAYS = {"whole": "key frames and tokens", "av1": "plain AV1", "windows": "windows over AV1"}
"""How a stretch of video can be coded."""


def layout_text(report: EncodeReport) -> str:
    """How the frames are coded, and how many bytes each layer takes."""
    used = report.coded_as
    ways = [WAYS[way] + f" in {plural(n, 'frame')}" * (len(used) > 1) for way, n in used.items()]
    text, sizes = ", ".join(ways), report.sizes
    if "windows" not in used:
        return text
    windows = [size_bytes for _, size_bytes in sorted(sizes.layer_bytes.items())]
    layers = ", ".join([*map(bytes_text, windows), f"AV1 {bytes_text(sizes.run_bytes)}"])
    return f"{text} ({plural(len(windows), 'window')}: {layers})"


def quality_text(report: EncodeReport) -> str:
    """The quality and what it stands for; if it was searched for, in how many passes."""
    point, found = report.point, f", found in {report.passes} passes" if report.passes > 1 else ""
    if set(report.coded_as) == {"av1"}:  # there are no key frames and no tokens
        return f"{report.quality:.4g}{found}"
    interval = point.keyframe_interval_s
    apart = f"{interval:.3g} s apart" if interval < NO_LIMIT_S else "of scenes only"
    crf = f"CRF {round(4 * point.key_crf) / 4:g}" + " at first" * report.is_steady
    return f"{report.quality:.4g}{found}: {crf}, quantiser {point.quantiser}, key frames {apart}"


def windows_text(report: DecodeReport) -> str:
    """In how many frames each layer shows its window."""
    return ", ".join(
        f"layer {layer} in {plural(frames, 'frame')}"
        for layer, frames in sorted(report.windows.items())
    )


def audio_kbps(report: Report) -> float:
    """Rate of the audio packets in kbit/s; 0 for no duration."""
    seconds = report.duration_s
    return 8 * report.sizes.audio_bytes / seconds / 1000 if seconds else 0.0


def rate_text(report: Report) -> str:
    """Rate of the video; if there is audio, its rate and the sum."""
    video, audio = report.rate_kbps, audio_kbps(report)
    text = f"video {video:.2f} kbps"
    return f"{text}, audio {audio:.2f} kbps, {video + audio:.2f} in all" if audio else text


def frames_text(report: EncodeReport | DecodeReport) -> str:
    """Number of frames, number of key frames, duration."""
    keys = plural(report.key_frames, "key frame")
    if report.predicted_key_frames:
        keys += f", {report.predicted_key_frames} of them predicted"
    return f"{report.frames} ({keys}), {report.duration_s:.2f} s"


def speed_text(report: EncodeReport | DecodeReport) -> str:
    """Frames per second of the whole command."""
    return f"{report.fps:.1f} fps, {report.wall_s:.2f} s in all"


def stages_text(stages: StageTimes) -> str:
    """Milliseconds per stage, in the order in which the stages first ran."""
    return ", ".join(f"{name} {ms:.0f}" for name, ms in stages.milliseconds.items())


def size_text(size: tuple[int, int]) -> str:
    """Width and height in pixels."""
    return f"{size[0]}x{size[1]}"


def plural(count: int, what: str) -> str:
    """A count with its noun."""
    return f"{count} {what}" + ("" if count == 1 else "s")
