"""The encode spine: a video file in, an .imf stream out."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import torch

from imfcodec import weights
from imfcodec.bitstream import (
    AUDIO_CODEC_OPUS,
    AudioPacket,
    AudioParameters,
    ColourTags,
    Geometry,
    Packet,
    StreamHeader,
    StreamWriter,
)
from imfcodec.config import EncodeOptions
from imfcodec.errors import OutputFailed
from imfcodec.receiver.report import Progress, StageTimes
from imfcodec.sender.report import EncodeReport
from imfcodec.sender.source_frame import SourceFrame
from imfcodec.sender.stream_encoder import StreamEncoder
from imfcodec.video import (
    AtomicOutput,
    AudioPacketOut,
    CodingGeometry,
    MediaReader,
    PictureFrame,
    opus_packet_samples,
    writing,
)

AUDIO_PACKET_SAMPLES = 48_000
"""Duration of an audio packet, which holds several Opus packets, in samples at 48 kHz."""


def encode(
    source: str | Path | BinaryIO,
    target: str | Path | BinaryIO,
    options: EncodeOptions | None = None,
    progress: Progress | None = None,
) -> EncodeReport:
    """Encode a video into a stream.

    Args:
        source: Path, "-" for standard input, or a binary file object.
        target: Path, "-" for standard output, or a binary file object.
        options: See `EncodeOptions`.
        progress: Called after each frame.

    Raises:
        ImfcodecError: One class per cause. The target file is then neither created nor changed.
    """
    options = options or EncodeOptions()
    begun = time.perf_counter()
    if options.threads:
        torch.set_num_threads(options.threads)
    with ExitStack() as stack:
        file = _open_target(target, options.overwrite, stack)
        loaded = weights.load(weights.find(options.weights))
        loaded.tables.level(options.quantiser)
        reader = stack.enter_context(
            MediaReader(source, audio=options.audio, audio_bitrate=options.audio_bitrate)
        )
        info = reader.info
        geometry = CodingGeometry.fit(info.width, info.height, options.short_side)
        stages = StageTimes()
        coder = StreamEncoder(loaded, options, geometry.coded, info.time_base, stages)
        output = _Output(file, reader, geometry, loaded, options)
        frames, last, nominal = 0, 0, int(info.nominal_duration)
        last_duration = 0
        for event in _timed_events(reader, stages):
            if isinstance(event, AudioPacketOut):
                output.audio(event)
                continue
            frame = SourceFrame(frames, event.pts, geometry.to_coded(event.rgb))
            for packet in coder.push(frame):
                output.write(packet, coder.key_config)
            frames += 1
            last, last_duration = event.pts, event.duration
            if progress:
                progress(frames, float(event.pts * info.time_base))
        for packet in coder.flush():
            output.write(packet, coder.key_config)
        end_pts = last + (last_duration or nominal or 1)
        stream = output.finish(end_pts)
        return EncodeReport(
            weights=loaded.file.label,
            sizes=stream.sizes,
            display=geometry.display,
            coded=geometry.coded,
            frames=frames,
            key_frames=coder.key_frames,
            predicted_key_frames=coder.predicted_key_frames,
            duration_s=float(end_pts * info.time_base),
            psnr_db=coder.psnr_db,
            stages=stages,
            wall_s=time.perf_counter() - begun,
            warnings=reader.warnings,
        )


class _Output:
    """The stream being written.

    The header needs the key codec's configuration, so it waits for the first key packet. Audio
    that the source delivers earlier waits as well.
    """

    def __init__(
        self,
        file: BinaryIO,
        reader: MediaReader,
        geometry: CodingGeometry,
        loaded: weights.Weights,
        options: EncodeOptions,
    ) -> None:
        self._file = file
        self._reader = reader
        self._geometry = geometry
        self._loaded = loaded
        self._options = options
        self._stream: StreamWriter | None = None
        self._sound: list[AudioPacketOut] = []

    def write(self, packet: Packet, key_config: bytes) -> None:
        if self._stream is None:
            with writing("output"):
                self._stream = StreamWriter(self._file, self._header(key_config))
        with writing("output"):
            self._stream.write(packet)
            self._file.flush()

    def audio(self, packet: AudioPacketOut) -> None:
        self._sound.append(packet)
        if self._stream and packet.pts - self._sound[0].pts >= AUDIO_PACKET_SAMPLES:
            self._flush_audio()

    def finish(self, end_pts: int) -> StreamWriter:
        stream = self._stream
        if stream is None:
            raise AssertionError("a source without frames raises earlier")
        self._flush_audio()
        with writing("output"):
            stream.finish(end_pts)
            self._file.flush()
        return stream

    def _flush_audio(self) -> None:
        """Write the waiting Opus packets; a gap in their times begins a new audio packet."""
        while self._sound:
            run = [self._sound.pop(0)]
            while self._sound and self._sound[0].pts == run[-1].pts + opus_packet_samples(
                run[-1].data
            ):
                run.append(self._sound.pop(0))
            self.write(AudioPacket(run[0].pts, tuple(p.data for p in run)), b"")

    def _header(self, key_config: bytes) -> StreamHeader:
        info, audio = self._reader.info, self._reader.audio_parameters
        geometry, colour = self._geometry, self._reader.info.colour
        return StreamHeader(
            weights_id=self._loaded.file.id,
            geometry=Geometry(*geometry.coded, *geometry.scaled, *geometry.display),
            token_size=self._loaded.model.config.token_size,
            quantiser=self._options.quantiser,
            time_base=info.time_base,
            nominal_duration=info.nominal_duration,
            key_config=key_config,
            sample_aspect_ratio=info.sample_aspect_ratio,
            colour=ColourTags(
                int(colour.matrix), int(colour.transfer), int(colour.primaries), colour.full_range
            ),
            audio=AudioParameters(
                AUDIO_CODEC_OPUS,
                audio.sample_rate,
                audio.channels,
                audio.pre_skip,
                audio.extradata,
            )
            if audio
            else None,
        )


def _open_target(target: str | Path | BinaryIO, overwrite: bool, stack: ExitStack) -> BinaryIO:
    """Open a file for the stream; a named file appears only when the stream is complete."""
    if not isinstance(target, str | Path):
        return target
    if target == "-":
        if sys.stdout is None:
            raise OutputFailed("standard output is closed")
        return sys.stdout.buffer
    return stack.enter_context(AtomicOutput(target, overwrite)).file


def _timed_events(
    reader: MediaReader, stages: StageTimes
) -> Iterator[PictureFrame | AudioPacketOut]:
    events = reader.events()
    while True:
        begin = time.perf_counter()
        event = next(events, None)
        stages.add("read", time.perf_counter() - begin)
        if event is None:
            return
        yield event
