"""RGB pictures and Opus packets to a file or pipe.

write(pts, rgb) ─── hold one, to know its duration ──┐
                                                     ├─► sink ──► gate ──► hidden file ──► rename
write_audio(pts, data) ──────────────────────────────┘

The sink is a `MuxedSink` (mp4, mkv, webm), a `Y4mSink` or an `RgbSink`. The last two need no
durations: they hold no picture, so that a live one is on its way at once.
"""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final

import numpy as np

from imfcodec.errors import OptionError, OutputFailed
from imfcodec.media.atomic import AtomicOutput
from imfcodec.media.containers import OutputContainer, choose_codec, choose_container
from imfcodec.media.convert import Rgb
from imfcodec.media.failures import writing
from imfcodec.media.muxed import MuxedSink
from imfcodec.media.opus import OpusParameters
from imfcodec.media.raw import RgbSink, Y4mSink
from imfcodec.media.sink import Gate, PictureSink
from imfcodec.media.timing import FALLBACK_RATE

_MAX_RATIONAL: Final = 2**31 - 1
"""libav keeps numerators and denominators in 32 bits."""


class MediaWriter:
    """Writes one output, front to back.

    As a context manager it closes when the body succeeds and aborts when the body raises: a
    failed run leaves no incomplete file and does not change an existing one.

    Attributes:
        warnings: properties that the format could not keep; complete after `close`.
    """

    warnings: list[str]

    def __init__(
        self,
        target: str | Path | BinaryIO,
        *,
        format: str | None = None,
        codec: str | None = None,
        crf: int | None = None,
        width: int,
        height: int,
        time_base: Fraction,
        rate: Fraction | None = None,
        sample_aspect_ratio: Fraction = Fraction(1),
        audio: OpusParameters | None = None,
        overwrite: bool = False,
    ) -> None:
        """Check every option and the target, open the encoder, write the header.

        Args:
            target: a path, "-" for standard output, or a binary file object (left open).
            format: mp4, mkv, webm, y4m or rgb; None uses the extension of the path.
            codec: libx264, libx265 or libvpx-vp9; None takes the format's default.
            crf: constant rate factor; None takes the codec's default (16 for libx264).
            width: display width, pixels. Odd sides make H.264 and H.265 4:4:4.
            height: display height, pixels.
            time_base: seconds per tick of the pictures' pts.
            rate: nominal pictures per second, None if unknown.
            sample_aspect_ratio: width of a pixel over its height.
            audio: parameters of the Opus track; None for a file without sound.
            overwrite: whether an existing file may be replaced.

        Raises:
            OptionError: format, codec, crf, size or a fraction cannot be used, or MP4 was to be
                written to a pipe.
            OutputExists: the target exists and `overwrite` is false.
            OutputFailed: the target cannot be written.
        """
        _check_fractions(time_base, rate, sample_aspect_ratio)
        if width < 1 or height < 1:
            raise OptionError(f"a picture of {width}x{height} cannot be written")
        self._size = (width, height)
        path = Path(target) if isinstance(target, str | Path) and target != "-" else None
        container = choose_container(path, format)
        codec, crf = choose_codec(container, codec, crf) if container.muxer else ("", 0)
        self._has_audio = audio is not None
        self._step = max(1, round(1 / ((rate or FALLBACK_RATE) * time_base)))
        self._held: tuple[int, Rgb] | None = None
        self._holds = bool(container.muxer)
        self._last_pts = -1
        self._finished = False
        self._name = _name(target)
        self._atomic = AtomicOutput(path, overwrite) if path else None
        self._gate = Gate(self._atomic.file if self._atomic else _file(target), self._name)
        try:
            _check_seekable(container, self._gate)
            with writing(self._name):
                self._sink = self._open(
                    container, codec, crf, time_base, rate, sample_aspect_ratio, audio
                )
        except BaseException:
            self.abort()
            raise
        self.warnings = self._sink.warnings

    def write(self, pts: int, rgb: Rgb) -> None:
        """Write one picture.

        Args:
            pts: ticks of the time base, 0 or more, above all earlier ones.
            rgb: uint8 [height, width, 3]; it may be kept until the next call, and is not modified.

        Raises:
            OutputFailed: the target cannot be written.
            ValueError: `pts` does not increase, or `rgb` has another shape or type.
        """
        width, height = self._size
        if rgb.shape != (height, width, 3) or rgb.dtype != np.uint8:
            raise ValueError(f"expected uint8 [{height}, {width}, 3], got {rgb.dtype} {rgb.shape}")
        if pts <= self._last_pts:
            raise ValueError(f"pts {pts} does not increase")
        self._last_pts = pts
        self._release(pts)
        self._held = (pts, rgb)
        if not self._holds:
            self._release(None)
            self._gate.flush()

    def write_audio(self, pts_48k: int, data: bytes, duration_48k: int) -> None:
        """Write one Opus packet.

        Args:
            pts_48k: samples at 48 kHz, encoder delay included, as `AudioPacketOut.pts`.
            data: the packet.
            duration_48k: samples at 48 kHz.

        Raises:
            OutputFailed: the target cannot be written.
            ValueError: the writer was opened without audio.
        """
        if not self._has_audio:
            raise ValueError("the writer was opened without audio")
        with writing(self._name):
            self._sink.sound(pts_48k, data, duration_48k)

    def close(self, end_pts: int | None = None) -> None:
        """Complete the output and rename it to the target.

        Args:
            end_pts: end of the last picture in ticks; None for one nominal duration.

        Raises:
            OutputFailed: the target cannot be written; no file remains.
            OutputExists: the target has appeared in the meantime.
        """
        if self._finished:
            return
        try:
            self._release(end_pts)
            with writing(self._name):
                self._sink.finish()
            self._gate.flush()
        except BaseException:
            self.abort()
            raise
        self._finished = True
        self._gate.shut()
        if self._atomic:
            self._atomic.commit()

    def abort(self) -> None:
        """Remove what was written; the target stays unchanged. Never raises."""
        if self._finished:
            return
        self._finished = True
        self._held = None
        self._gate.shut()
        if self._atomic:
            self._atomic.abort()

    def __enter__(self) -> MediaWriter:
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
            self.abort()

    def _release(self, end_pts: int | None) -> None:
        """Encode the held picture, whose duration is now known."""
        if self._held is None:
            return
        pts, rgb = self._held
        duration = end_pts - pts if end_pts is not None and end_pts > pts else self._step
        with writing(self._name):
            self._sink.picture(pts, duration, rgb)
        self._held = None

    def _open(
        self,
        container: OutputContainer,
        codec: str,
        crf: int,
        time_base: Fraction,
        rate: Fraction | None,
        sample_aspect_ratio: Fraction,
        audio: OpusParameters | None,
    ) -> PictureSink:
        width, height = self._size
        if container.name == "rgb":
            return RgbSink(self._gate, time_base=time_base, rate=rate, has_audio=self._has_audio)
        if container.name == "y4m":
            return Y4mSink(
                self._gate,
                width=width,
                height=height,
                time_base=time_base,
                rate=rate,
                sample_aspect_ratio=sample_aspect_ratio,
                has_audio=self._has_audio,
            )
        return MuxedSink(
            self._gate,
            container,
            codec=codec,
            crf=crf,
            width=width,
            height=height,
            time_base=time_base,
            rate=rate,
            sample_aspect_ratio=sample_aspect_ratio,
            audio=audio,
        )


def _check_fractions(time_base: Fraction, rate: Fraction | None, aspect: Fraction) -> None:
    for what, value in (("time base", time_base), ("rate", rate), ("aspect ratio", aspect)):
        if value is None:
            continue
        if not 0 < value.numerator <= _MAX_RATIONAL or value.denominator > _MAX_RATIONAL:
            raise OptionError(f"the {what} {value} cannot be written")


def _check_seekable(container: OutputContainer, gate: Gate) -> None:
    if container.needs_seek and not gate.seekable():
        raise OptionError(f"{container.name} cannot go into a pipe; use mkv, webm, y4m or rgb")


def _name(target: str | Path | BinaryIO) -> str:
    if isinstance(target, str | Path):
        return "standard output" if target == "-" else str(target)
    return str(getattr(target, "name", "output"))


def _file(target: str | Path | BinaryIO) -> BinaryIO:
    if isinstance(target, str | Path):
        if sys.stdout is None:
            raise OutputFailed("standard output is closed")
        return sys.stdout.buffer
    return target
