"""Uncompressed pictures, YUV4MPEG2 and bare RGB, for pipes into other programs."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import numpy as np
from av.video.plane import VideoPlane
from numpy.typing import NDArray

from imfcodec.media.colour import HD_LINES, Matrix
from imfcodec.media.convert import Rgb, YuvConverter
from imfcodec.media.sink import Gate
from imfcodec.media.timing import FALLBACK_RATE

_TICK: Final = Fraction(1)


class RgbSink:
    """Bare rgb24: H x W x 3 bytes per picture and nothing between pictures.

    Attributes:
        warnings: what the format could not carry.
    """

    name = "rgb"

    def __init__(
        self, gate: Gate, *, time_base: Fraction, rate: Fraction | None, has_audio: bool
    ) -> None:
        """Start an output.

        Args:
            gate: where the bytes go.
            time_base: seconds per tick of the pictures' pts.
            rate: pictures per second that the receiving program will assume.
            has_audio: whether there is sound, which the format cannot carry.
        """
        self.warnings: list[str] = []
        self._gate = gate
        self._rate = rate or FALLBACK_RATE
        self._period = 1 / (self._rate * time_base)
        self._count = 0
        if has_audio:
            self.warnings.append(f"{self.name} carries no sound: it is left out")
        if rate is None:
            self.warnings.append(f"the frame rate is unknown: {self.name} assumes {self._rate}")

    def picture(self, pts: int, duration: int, rgb: Rgb) -> None:
        """Write one picture; its time counts only for the warning."""
        self._check_time(pts)
        self._gate.write(rgb.tobytes())
        self._count += 1

    def sound(self, pts: int, data: bytes, duration: int) -> None:
        """Drop the packet: the format carries no sound."""

    def finish(self) -> None:
        """Nothing is held back."""

    def _check_time(self, pts: int) -> None:
        # Rounded ticks jitter: a picture is on time within half a period of its regular time.
        late = abs(pts - self._count * self._period) * 2 > self._period
        message = f"{self.name} carries no timestamps: a variable frame rate is lost"
        if late and message not in self.warnings:
            self.warnings.append(message)


class Y4mSink(RgbSink):
    """YUV4MPEG2, 8-bit 4:2:0 with left-sited chroma, limited range.

    The format has no field for the matrix. Readers infer it from the size, so this writer does
    too: BT.601 below 720 lines, BT.709 from 720 on (`colour.resolve_colour`).
    """

    name = "y4m"

    def __init__(
        self,
        gate: Gate,
        *,
        width: int,
        height: int,
        time_base: Fraction,
        rate: Fraction | None,
        sample_aspect_ratio: Fraction,
        has_audio: bool,
    ) -> None:
        """Start an output and write its header.

        Args:
            gate: where the bytes go.
            width: pixels.
            height: pixels.
            time_base: seconds per tick of the pictures' pts.
            rate: pictures per second.
            sample_aspect_ratio: width of a pixel over its height.
            has_audio: whether there is sound, which the format cannot carry.
        """
        super().__init__(gate, time_base=time_base, rate=rate, has_audio=has_audio)
        matrix = Matrix.BT709 if min(width, height) >= HD_LINES else Matrix.SMPTE170M
        self._yuv = YuvConverter(width, height, "yuv420p", matrix)
        fps, aspect = self._rate, sample_aspect_ratio
        gate.write(
            f"YUV4MPEG2 W{width} H{height} F{fps.numerator}:{fps.denominator} Ip "
            f"A{aspect.numerator}:{aspect.denominator} C420mpeg2 XCOLORRANGE=LIMITED\n".encode()
        )

    def picture(self, pts: int, duration: int, rgb: Rgb) -> None:
        """Write one picture; its time counts only for the warning."""
        self._check_time(pts)
        frame = self._yuv.convert(rgb, pts, _TICK)
        planes = b"".join(_samples(plane) for plane in frame.planes)
        self._gate.write(b"FRAME\n" + planes)
        self._count += 1


def _samples(plane: VideoPlane) -> bytes:
    """The samples of an 8-bit plane without the padding at the end of its lines."""
    lines: NDArray[np.uint8] = np.frombuffer(memoryview(plane), np.uint8).reshape(
        -1, plane.line_size
    )
    return lines[: plane.height, : plane.width].tobytes()
