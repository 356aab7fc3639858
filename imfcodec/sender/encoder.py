"""From pictures to a stream: the part of encoding that knows no input format."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from imfcodec import weights
from imfcodec.bitstream import (
    AUDIO_CODEC_OPUS,
    AudioParameters,
    ColourTags,
    Geometry,
    KeyPacket,
    LayerPacket,
    Packet,
    PredictedKeyPacket,
    SizeLedger,
    StreamHeader,
    StreamWriter,
    frame_pts,
    write_header,
)
from imfcodec.codec.stages import Progress, StageTimes
from imfcodec.codec.threads import own_threads
from imfcodec.config import EncodeOptions
from imfcodec.errors import (
    CorruptStream,
    LimitExceeded,
    NoFrames,
    OptionError,
    OutputFailed,
    UnsupportedVideo,
)
from imfcodec.media import AtomicOutput, AudioPacketOut, CodingGeometry, OpusParameters, writing
from imfcodec.sender import settings
from imfcodec.sender.interleave import LIVE_PACKET_S, PACKET_S, Interleaver
from imfcodec.sender.layout.layout import Layout, LayoutPacket
from imfcodec.sender.peak_rate import PeakRate
from imfcodec.sender.rate import SegmentSettings, live_quality
from imfcodec.sender.report import EncodeReport
from imfcodec.sender.segment import Segment
from imfcodec.sender.source_frame import SourceFrame

MAX_RATE_DENOMINATOR = 100_000
MIN_FPS, MAX_FPS = 1e-4, 100_000
MAX_PTS = 1 << 61

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
        loaded: weights.Weights | None = None,
        tokens: bool = True,
    ) -> None:
        """Check everything, load the weights, and open the target.

        Args:
            target: Path, "-" for standard output, or a binary file object, which stays open.
            width: Of the pictures, in pixels.
            height: Of the pictures, in pixels.
            fps: Nominal frames per second.
            options: See `EncodeOptions`; those about reading a file have no effect: ``begin_s``,
                ``end_s``, ``audio`` and ``audio_bitrate``. ``max_size``, and ``bitrate`` unless
                ``latency`` is low, are refused: they need a source that can be read again, as
                `imfcodec.encode` takes.
            time_base: Seconds per tick of the pictures' pts. Default: the duration of one frame.
            sample_aspect_ratio: Width of a pixel over its height.
            colour: Colour description of the source, which the header repeats; None if unknown.
            audio: Opus parameters of the sound to come; None for a silent stream.
            progress: Called by one thread at a time, not always the same, with the frames that are
                coded, and with the work done in seconds of video.
            loaded: Weights to use instead of those that the options name.
            tokens: Whether the stream gets tokens. Without them nobody can decode it: it tells what
                all else takes, in a quarter of the time.

        Raises:
            OptionError: An option or argument cannot be used, or the target is a path that does not
                end in .imf and ``options.format`` does not allow that.
            UnsupportedVideo: No stream can hold such pictures.
            OutputExists, OutputFailed: The target.
            WeightsMissing, WeightsCorrupt: The weights.
        """
        self._options = options = options or EncodeOptions()
        self._begun = time.perf_counter()
        rate = _rate(fps)
        self._time_base = 1 / rate if time_base is None else _positive("time_base", time_base)
        self._nominal = 1 / (rate * self._time_base)
        if options.has_target:
            raise OptionError(
                "an Encoder meets no size, and a rate only with latency 'low'; imfcodec.encode can"
            )
        if options.bitrate:
            sound_bps = options.audio_bitrate if options.with_sound and audio else 0
            quality = live_quality(max(1, options.bitrate - sound_bps))
            options = self._options = replace(options, quality=quality)
        check_target(target, options.format)
        self._geometry = CodingGeometry.fit(width, height, options.short_side)
        self._aspect, self._colour, self._audio = sample_aspect_ratio, colour, audio
        self._progress = progress
        self._stack = ExitStack()
        try:
            self._file = open_target(target, options.overwrite, self._stack)
            self._weights = loaded or weights.load_weights(options.weights, options.preset_name)
            self._weights.tables.quantiser(options.point.quantiser)
            self._check_header()
            self.stages = StageTimes()
            self._rate = settings.rate_of(options)
            self._parts = settings.Parts(
                self._weights,
                options,
                self._geometry,
                self._time_base,
                rate,
                self._settings,
                self.stages,
                self._advance,
                self._plan,
                tokens=tokens,
            )
            self._stack.callback(self._parts.stop)
            self._layout = self._parts.layout()
        except BaseException as error:
            self._stack.__exit__(type(error), error, error.__traceback__)
            raise
        packet_s = LIVE_PACKET_S if options.effort.latency == "low" else PACKET_S
        self._sound = Interleaver(packet_s)
        self._stream: StreamWriter | None = None
        self._peak, self._time_s, self._counted_bytes = PeakRate(), Fraction(0), 0
        self._frames = self._key_frames = self._predicted_key_frames = self._done = 0
        self._coded = self._planned = self._done_s = 0.0
        self._counting = Lock()  # several threads tell what they have done
        self._last_pts, self._last_duration = -1, 0
        self._closed = self._begun_base = False
        self.report = None

    def write(self, rgb: npt.NDArray[np.uint8], pts: int | None = None, duration: int = 0) -> None:
        """Write one picture.

        Args:
            rgb: uint8 [height, width, 3]; the array may be used again after the call.
            pts: In ticks of the time base, 0 or more, above all earlier ones; None for the nominal
                time.
            duration: In ticks, for the last picture; 0 for the nominal one.

        Raises:
            OutputFailed: The target cannot be written.
            ValueError: ``rgb`` has another shape or type, ``pts`` does not increase, a number is
                negative or too large, or the encoder is closed.
        """
        self._check_open()
        width, height = self._geometry.display
        rgb = np.asarray(rgb)
        if rgb.shape != (height, width, 3) or rgb.dtype != np.uint8:
            raise ValueError(f"expected uint8 [{height}, {width}, 3], got {rgb.dtype} {rgb.shape}")
        if pts is None:
            if self._nominal < 1:
                raise ValueError("a frame is shorter than a tick: give its pts")
            pts = math.floor(self._frames * self._nominal + Fraction(1, 2))
        if not self._last_pts < pts < MAX_PTS:
            raise ValueError(f"pts {pts} does not increase, or is too large")
        if not 0 <= duration < MAX_PTS:
            raise ValueError(f"a duration of {duration} ticks cannot be written")
        # Frames wait for seconds, and a camera may fill the same array again.
        frame = SourceFrame(self._frames, pts, rgb.copy())
        self._frames += 1
        self._last_pts, self._last_duration = pts, duration
        with self._counting:
            self._report()
        with own_threads(self._options.threads):
            self._put(self._layout.push(frame))

    def write_audio(self, packet: AudioPacketOut) -> None:
        """Write one Opus packet; it goes into the stream beside the pictures of its time.

        Raises:
            OutputFailed: The target cannot be written.
            ValueError: The encoder was opened without audio, or is closed.
        """
        self._check_open()
        if self._audio is None:
            raise ValueError("the encoder was opened without audio")
        self._sound.push(packet)
        if self._begun_base:  # where no pictures come, sound must not pile up
            for sound in self._sound.overdue():
                self._write(sound)

    def close(self) -> EncodeReport:
        """Code what is left and complete the stream; returns the report.

        Raises:
            NoFrames: No picture was written.
            OutputFailed: The target cannot be written.
        """
        if self.report is not None:
            return self.report
        self._check_open()
        self._closed = True
        try:
            report = self._finish()
        except BaseException as error:
            self._stack.__exit__(type(error), error, error.__traceback__)
            raise
        self._stack.close()
        report.wall_s = time.perf_counter() - self._begun
        self.report = report
        return report

    def abort(self) -> None:
        """Give up: no file appears, and what the target held stays. Does nothing once closed."""
        if not self._closed:
            self._closed = True
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
        if kind is None and not self._closed:
            self.close()
        elif kind is not None:
            self.abort()

    def _finish(self) -> EncodeReport:
        with own_threads(self._options.threads):
            self._put(self._layout.flush())
        if self._stream is None:
            raise NoFrames("no picture was written")
        for sound in self._sound.rest():
            self._write(sound)
        end_pts = self._last_pts + (self._last_duration or round(self._nominal))
        with writing("output"):
            self._stream.finish(end_pts)
            self._file.flush()
        measured = self._parts.psnr_db
        return EncodeReport(
            weights=self._weights.file.label,
            sizes=self._stream.sizes,
            display=self._geometry.display,
            coded=self._geometry.coded,
            coded_as=self._layout.frames,
            preset=self._options.preset_name,
            quality=self._options.quality,
            point=self._options.point,
            frames=self._frames,
            key_frames=self._key_frames,
            predicted_key_frames=self._predicted_key_frames,
            duration_s=float(end_pts * self._time_base),
            peak_bytes=self._peak.peak_bytes,
            psnr_db=float(np.mean(measured)) if measured else None,
            is_steady=self._options.is_steady,
            stages=self.stages,
        )

    def _settings(self, segment: Segment) -> SegmentSettings:
        """Ask the rate control."""
        sizes = self._stream.sizes if self._stream else SizeLedger()
        first = segment.frames[0] if segment.frames else segment.key
        assert first is not None  # no planner makes an empty segment
        spent_bytes = sizes.counted_bytes(with_sound=self._options.with_sound)
        return self._rate.next(
            spent_bytes, first.pts * self._time_base, with_key=segment.key is not None
        )

    def _put(self, packets: Iterator[LayoutPacket]) -> None:
        """Write packets of pictures, and before those of the base the sound that is due."""
        for packet in packets:
            if self._stream is None:  # the header needs what the layout knows by now
                with writing("output"):
                    self._stream = StreamWriter(self._file, self._header(self._layout))
            self._count(packet)
            if isinstance(packet, LayerPacket):
                self._write(packet)
                continue
            stamps = frame_pts(packet)
            if self._begun_base:  # the first packet of a stream is no sound
                times = (stamps[0] * self._time_base, stamps[-1] * self._time_base)
                for sound in self._sound.due(*times):
                    self._write(sound)
            self._begun_base = True
            self._time_s = stamps[0] * self._time_base
            self._write(packet)

    def _count(self, packet: LayoutPacket) -> None:
        inner = packet.packet if isinstance(packet, LayerPacket) else packet
        predicted = isinstance(inner, PredictedKeyPacket)
        self._key_frames += isinstance(inner, KeyPacket) or predicted
        self._predicted_key_frames += predicted

    def _write(self, packet: Packet) -> None:
        assert self._stream is not None
        with writing("output"):
            self._stream.write(packet)
            self._file.flush()
        sizes = self._stream.sizes
        video_bytes = sizes.counted_bytes(with_sound=False)
        self._peak.add(self._time_s, video_bytes - self._counted_bytes)
        self._counted_bytes = video_bytes

    def _advance(self, frames: float) -> None:
        """So many more frames have been coded."""
        with self._counting:
            self._coded += frames
            self._report()

    def _plan(self, frames: float) -> None:
        """For so many more frames the key frames have been planned."""
        with self._counting:
            self._planned += frames
            self._report()

    def _report(self) -> None:
        """Tell how far the work is; frames that are read or planned count in part."""
        if self._progress is None:
            return
        share = self._frames / max(self._frames, self._layout.given)  # of a frame in a layer's
        coded = self._coded * share
        planned = max(0.0, self._planned * share - coded)
        work = coded + READ * (self._frames - coded) + PLANNED * planned
        end_s = (self._last_pts + self._nominal) * self._time_base
        self._done = max(self._done, round(coded))
        self._done_s = max(self._done_s, float(end_s) * min(work / self._frames, 1.0))
        self._progress(self._done, self._done_s)

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError("the encoder is closed")

    def _check_header(self) -> None:
        try:
            write_header(self._header(None))
        except (CorruptStream, LimitExceeded) as error:
            raise UnsupportedVideo(str(error)) from error

    def _header(self, layout: Layout | None) -> StreamHeader:
        geometry, audio = self._geometry, self._audio
        return StreamHeader(
            weights_id=self._weights.file.id,
            geometry=Geometry(*geometry.coded, *geometry.scaled, *geometry.display),
            token_size=self._weights.model.config.token_size,
            quantiser=self._options.point.quantiser,
            time_base=self._time_base,
            nominal_duration=self._nominal,
            key_codec=settings.KEY_CODEC,
            key_config=layout.key_config if layout else b"",
            windows=layout.windows if layout else 0,
            holds=True,
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


def check_target(target: str | Path | BinaryIO, format: str | None) -> None:
    """Refuse what is no path and no file, and a path of another name than .imf.

    Args:
        target: Path, "-" for standard output, or a binary file object.
        format: "imf" allows any name.

    Raises:
        OptionError: It cannot be a stream, or its name says that it is none.
    """
    if not isinstance(target, str | Path):
        if not hasattr(target, "write"):
            raise OptionError(f"target must be a path or a binary file, not {target!r}")
        return
    path = Path(target)
    special = str(target) == "-" or (path.exists() and not path.is_file())
    if format is None and path.suffix.lower() != ".imf" and not special:
        raise OptionError(
            f"{target}: the output is an .imf stream, whatever its name; name it .imf, or say so "
            "with --format imf (format='imf')"
        )


def _rate(fps: float | Fraction) -> Fraction:
    if isinstance(fps, bool) or not isinstance(fps, int | float | Fraction):
        raise OptionError(f"fps must be a number, not {fps!r}")
    if not MIN_FPS <= fps <= MAX_FPS:
        raise OptionError(f"fps must be {MIN_FPS} to {MAX_FPS}, not {fps}")
    return Fraction(fps).limit_denominator(MAX_RATE_DENOMINATOR)


def _positive(name: str, value: Fraction) -> Fraction:
    if not isinstance(value, Fraction) or value <= 0:
        raise OptionError(f"{name} must be a positive Fraction, not {value!r}")
    return value


def open_target(target: str | Path | BinaryIO, overwrite: bool, stack: ExitStack) -> BinaryIO:
    """Open a file for the stream; a named file appears only when the stream is complete."""
    if not isinstance(target, str | Path):
        return target
    if target == "-":
        if sys.stdout is None:
            raise OutputFailed("standard output is closed")
        return sys.stdout.buffer
    return stack.enter_context(AtomicOutput(target, overwrite)).file
