"""From pictures to a stream: the part of encoding that knows no input format."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import torch

from imfcodec import weights
from imfcodec.bitstream import (
    AUDIO_CODEC_OPUS,
    AudioParameters,
    ColourTags,
    Geometry,
    KeyPacket,
    Packet,
    PredictedKeyPacket,
    StreamHeader,
    StreamWriter,
    TokenPacket,
    write_header,
)
from imfcodec.config import EncodeOptions
from imfcodec.errors import CorruptStream, LimitExceeded, NoFrames, OutputFailed, UnsupportedVideo
from imfcodec.receiver.report import Progress, StageTimes
from imfcodec.sender.interleave import LIVE_PACKET_S, PACKET_S, Interleaver
from imfcodec.sender.report import EncodeReport
from imfcodec.sender.source_frame import SourceFrame
from imfcodec.sender.stream_encoder import StreamEncoder
from imfcodec.video import AtomicOutput, AudioPacketOut, CodingGeometry, OpusParameters, writing

MAX_RATE_DENOMINATOR = 100_000

READ, PLANNED = 0.1, 0.2
"""Shares of the work on a frame that is read, and for which key frames are planned; about those of
the default options."""


class Encoder:
    """Writes pictures into an .imf stream.

        with Encoder("talk.imf", width=640, height=480, fps=25) as encoder:
            for picture in pictures:                      # uint8 [480, 640, 3]
                encoder.write(picture)

    As a context manager it closes when the body succeeds. If the body raises, no file appears.

    Attributes:
        report: Of the whole encode; None before `close`.
    """

    report: EncodeReport | None

    def __init__(
        self,
        target: str | Path | BinaryIO,
        *,
        width: int,
        height: int,
        fps: float | Fraction = 25,
        options: EncodeOptions | None = None,
        time_base: Fraction | None = None,
        sample_aspect_ratio: Fraction = Fraction(1),
        colour: ColourTags | None = None,
        audio: OpusParameters | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Check everything, load the weights, and open the target.

        Args:
            target: Path, "-" for standard output, or a binary file object, which stays open.
            width: Of the pictures, in pixels.
            height: Of the pictures, in pixels.
            fps: Nominal frames per second.
            options: See `EncodeOptions`.
            time_base: Seconds per tick of the pictures' pts; None for one frame.
            sample_aspect_ratio: Width of a pixel over its height.
            colour: Colour description of the source, which the header repeats; None if unknown.
            audio: Opus parameters of the sound to come; None for a silent stream.
            progress: Called with the frames that are coded, and with the work done in seconds of
                video.

        Raises:
            OptionError: An option cannot be used.
            UnsupportedVideo: No stream can hold such pictures.
            OutputExists, OutputFailed: The target.
            WeightsMissing, WeightsCorrupt: The weights.
        """
        self._options = options = options or EncodeOptions()
        self._begun = time.perf_counter()
        if not fps > 0:
            raise UnsupportedVideo(f"{fps} frames per second cannot be coded")
        rate = Fraction(fps).limit_denominator(MAX_RATE_DENOMINATOR)
        self._time_base = time_base or 1 / rate
        self._nominal = 1 / (rate * self._time_base)
        self._geometry = CodingGeometry.fit(width, height, options.short_side)
        self._aspect, self._colour, self._audio = sample_aspect_ratio, colour, audio
        self._progress = progress
        self._stack = ExitStack()
        try:
            self._file = _open_target(target, options.overwrite, self._stack)
            if options.threads:
                torch.set_num_threads(options.threads)
            self._weights = weights.load(weights.find(options.weights))
            self._weights.tables.level(options.quantiser)
            self._check_header()
        except BaseException as error:
            self._stack.__exit__(type(error), error, error.__traceback__)
            raise
        self.stages = StageTimes()
        self._coder = StreamEncoder(
            self._weights,
            options,
            self._geometry.coded,
            self._time_base,
            self.stages,
            self._advance,
            self._plan,
        )
        packet_s = LIVE_PACKET_S if options.latency == "low" else PACKET_S
        self._sound = Interleaver(packet_s)
        self._stream: StreamWriter | None = None
        self._frames = self._coded = 0
        self._planned = 0.0
        self._last_pts, self._last_duration = -1, 0
        self.report = None

    def write(self, rgb: npt.NDArray[np.uint8], pts: int | None = None, duration: int = 0) -> None:
        """Write one picture.

        Args:
            rgb: uint8 [height, width, 3].
            pts: In ticks of the time base, 0 or more, above all earlier ones; None for the nominal
                time.
            duration: In ticks, for the last picture; 0 for the nominal one.

        Raises:
            OutputFailed: The target cannot be written.
            ValueError: ``rgb`` has another shape or type, or ``pts`` does not increase.
        """
        width, height = self._geometry.display
        if rgb.shape != (height, width, 3) or rgb.dtype != np.uint8:
            raise ValueError(f"expected uint8 [{height}, {width}, 3], got {rgb.dtype} {rgb.shape}")
        if pts is None:
            pts = round(self._frames * self._nominal)
        if pts <= self._last_pts:
            raise ValueError(f"pts {pts} does not increase")
        frame = SourceFrame(self._frames, pts, self._geometry.to_coded(rgb))
        self._frames += 1
        self._last_pts, self._last_duration = pts, duration
        self._report()
        for packet in self._coder.push(frame):
            self._put(packet)

    def write_audio(self, packet: AudioPacketOut) -> None:
        """Write one Opus packet; it goes into the stream beside the pictures of its time."""
        self._sound.push(packet)

    def close(self) -> EncodeReport:
        """Code what is left and complete the stream; returns the report.

        Raises:
            NoFrames: No picture was written.
            OutputFailed: The target cannot be written.
        """
        if self.report is not None:
            return self.report
        try:
            self.report = self._finish()
        except BaseException as error:
            self._stack.__exit__(type(error), error, error.__traceback__)
            raise
        self._stack.close()
        self.report.wall_s = time.perf_counter() - self._begun
        return self.report

    def abort(self) -> None:
        """Give up: no file appears, and what the target held stays."""
        error = OutputFailed("aborted")
        self._stack.__exit__(type(error), error, None)

    def __enter__(self) -> Encoder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._stack.__exit__(kind, error, trace)

    def _finish(self) -> EncodeReport:
        for packet in self._coder.flush():
            self._put(packet)
        if self._stream is None:
            raise NoFrames("no picture was written")
        for sound in self._sound.rest():
            self._write(sound)
        end_pts = self._last_pts + (self._last_duration or int(self._nominal) or 1)
        with writing("output"):
            self._stream.finish(end_pts)
            self._file.flush()
        return EncodeReport(
            weights=self._weights.file.label,
            sizes=self._stream.sizes,
            display=self._geometry.display,
            coded=self._geometry.coded,
            frames=self._frames,
            key_frames=self._coder.key_frames,
            predicted_key_frames=self._coder.predicted_key_frames,
            duration_s=float(end_pts * self._time_base),
            psnr_db=self._coder.psnr_db,
            stages=self.stages,
        )

    def _put(self, packet: KeyPacket | PredictedKeyPacket | TokenPacket) -> None:
        """Write a picture packet, and before it the sound that is due."""
        if self._stream is None:  # the header needs the key codec's configuration
            with writing("output"):
                self._stream = StreamWriter(self._file, self._header(self._coder.key_config))
            # The first packet of a stream is a key packet; its sound follows.
            self._write(packet)
            return
        stamps = packet.pts if isinstance(packet, TokenPacket) else (*packet.lead, packet.pts)
        for sound in self._sound.due(stamps[0] * self._time_base, stamps[-1] * self._time_base):
            self._write(sound)
        self._write(packet)

    def _write(self, packet: Packet) -> None:
        assert self._stream is not None
        with writing("output"):
            self._stream.write(packet)
            self._file.flush()

    def _advance(self, frames: int) -> None:
        """So many more frames have been coded."""
        self._coded += frames
        self._report()

    def _plan(self, frames: float) -> None:
        """For so many more frames the key frames have been planned."""
        self._planned += frames
        self._report()

    def _report(self) -> None:
        """Tell how far the work is; frames that are read or planned count in part."""
        if self._progress is None:
            return
        coded = self._coded
        work = coded + READ * (self._frames - coded) + PLANNED * max(0.0, self._planned - coded)
        end_s = (self._last_pts + self._nominal) * self._time_base
        self._progress(coded, float(end_s) * work / self._frames)

    def _check_header(self) -> None:
        try:
            write_header(self._header(b""))
        except (CorruptStream, LimitExceeded) as error:
            raise UnsupportedVideo(str(error)) from error

    def _header(self, key_config: bytes) -> StreamHeader:
        geometry, audio = self._geometry, self._audio
        return StreamHeader(
            weights_id=self._weights.file.id,
            geometry=Geometry(*geometry.coded, *geometry.scaled, *geometry.display),
            token_size=self._weights.model.config.token_size,
            quantiser=self._options.quantiser,
            time_base=self._time_base,
            nominal_duration=self._nominal,
            key_config=key_config,
            sample_aspect_ratio=self._aspect,
            colour=self._colour,
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
