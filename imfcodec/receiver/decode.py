"""The decode spine: an .imf stream in, a video file out."""

from __future__ import annotations

import time
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

from imfcodec.bitstream import AUDIO_CODEC_OPUS, AudioPacket
from imfcodec.codec.stages import Progress
from imfcodec.config import DecodeOptions
from imfcodec.errors import CorruptStream, DamagedStream
from imfcodec.media import MediaWriter, OpusParameters, check_files, opus_packet_samples
from imfcodec.receiver.decoder import DecodedFrame, Decoder
from imfcodec.receiver.report import DecodeReport
from imfcodec.receiver.sources import open_stream
from imfcodec.weights import Weights

MAX_GAP = 48_000 * 3600
"""Sound that begins more than an hour after the last, in samples, is taken for damage."""


def decode(
    source: str | Path | BinaryIO,
    target: str | Path | BinaryIO,
    options: DecodeOptions | None = None,
    progress: Progress | None = None,
    loaded: Weights | None = None,
) -> DecodeReport:
    """Decode a stream into a video.

    Args:
        source: Path, "-" for standard input, or a binary file object.
        target: Path, "-" for standard output, or a binary file object.
        options: See `DecodeOptions`.
        progress: Called after each frame.
        loaded: The stream's weights, if the caller has loaded them.

    Raises:
        DamagedStream: The stream is damaged and ``options.conceal`` is off. The output is still
            complete, and the error's ``report`` has the details.
        CorruptStream: No frame could be rebuilt; nothing is written.
        ImfcodecError: Any other cause; nothing is written.
    """
    options = options or DecodeOptions()
    begun = time.perf_counter()
    check_files(source, target, overwrite=options.overwrite)
    with ExitStack() as stack:
        decoder = Decoder(open_stream(source, stack), options, loaded=loaded)
        header = decoder.header
        audio = _audio_parameters(decoder)
        writer = stack.enter_context(
            MediaWriter(
                target,
                format=options.format,
                codec=options.codec,
                crf=options.crf,
                width=decoder.geometry.display[0],
                height=decoder.geometry.display[1],
                time_base=header.time_base,
                rate=Fraction(1) / (header.nominal_duration * header.time_base),
                sample_aspect_ratio=header.sample_aspect_ratio,
                audio=audio,
                overwrite=options.overwrite,
            )
        )
        report = decoder.report
        sound = _Sound(writer)
        for event in decoder.events():
            write_begun = time.perf_counter()
            if isinstance(event, DecodedFrame):
                writer.write(event.pts, event.rgb)
                if progress:
                    progress(report.frames, float(event.pts * header.time_base))
            elif audio is not None:
                sound.write(event)
            report.stages.add("write", time.perf_counter() - write_begun)
        if report.frames == 0:
            raise CorruptStream("; ".join(["no frame can be rebuilt", *report.damage[:3]]))
        writer.close(decoder.end_pts)
        report.warnings += sound.complaints() + writer.warnings
    report.wall_s = time.perf_counter() - begun
    if (report.lost or report.damage) and not options.conceal:
        raise DamagedStream(_describe(report), report)
    return report


def _audio_parameters(decoder: Decoder) -> OpusParameters | None:
    audio = decoder.header.audio
    if audio is None:
        return None
    if audio.codec != AUDIO_CODEC_OPUS:
        decoder.report.warnings.append(f"audio codec {audio.codec} is unknown: audio is left out")
        return None
    return OpusParameters(audio.channels, audio.pre_skip, audio.extradata, audio.sample_rate)


class _Sound:
    """Writes sound in order; what repeats or overlaps earlier sound is dropped."""

    def __init__(self, writer: MediaWriter) -> None:
        self._writer = writer
        self._end: int | None = None  # of what was written, samples at 48 kHz
        self._dropped = 0

    def write(self, packet: AudioPacket) -> None:
        pts = packet.pts
        for data in packet.packets:
            samples = opus_packet_samples(data)
            late = self._end is not None and pts < self._end
            if late or not samples or not 0 <= pts <= (self._end or 0) + MAX_GAP:
                self._dropped += 1
            else:
                self._writer.write_audio(pts, data, samples)
                self._end = pts + samples
            pts += samples

    def complaints(self) -> list[str]:
        if not self._dropped:
            return []
        return [f"{self._dropped} repeated, late or broken sound packets were ignored"]


def _describe(report: DecodeReport) -> str:
    ranges = [f"{a}" if a == b else f"{a}-{b}" for a, b in report.lost[:8]]
    more = " ..." if len(report.lost) > 8 else ""
    lost = f"lost frames {', '.join(ranges)}{more}" if ranges else "no frame lost"
    cut = "the stream is truncated; " if report.truncated else "the stream is damaged; "
    return cut + lost
