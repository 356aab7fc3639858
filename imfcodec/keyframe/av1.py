"""AV1 still pictures: libsvtav1 writes them, libdav1d reads them."""

from __future__ import annotations

import os
from fractions import Fraction

import av
import av.error
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from imfcodec.errors import CorruptStream, KeyframeCodecError, LimitExceeded
from imfcodec.keyframe.obu import DELIMITER, SEQUENCE_HEADER, TEMPORAL_DELIMITER, split_units
from imfcodec.keyframe.scheduling import same_scheduling_class

Picture = npt.NDArray[np.uint8]

# Without these swscale's RGB is biased by about a level.
ACCURATE = (
    Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.BICUBIC
)
MIN_CRF, MAX_CRF = 1, 63


class Av1PictureEncoder:
    """One picture at a time into OBUs.

    The same picture and settings give the same bytes: SVT-AV1 runs on one thread.
    """

    def __init__(self, width: int, height: int, preset: int = 2) -> None:
        self._size = (width, height)
        self._preset = preset
        self._to_yuv = VideoReformatter()

    def encode(self, picture: Picture, crf: int) -> tuple[bytes, bytes]:
        """Code one picture.

        Args:
            picture: RGB uint8 [H, W, 3].
            crf: Quality, 1 (best) to 63.

        Returns:
            The sequence header OBU, and the picture's other OBUs without delimiter.

        Raises:
            KeyframeCodecError: libsvtav1 is missing or refuses.
        """
        os.environ.setdefault("SVT_LOG", "1")  # errors only; the library logs to stderr
        frame = self._to_yuv.reformat(
            av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24"),
            format="yuv420p",
            src_color_range=ColorRange.JPEG,
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            interpolation=ACCURATE,
        )
        frame.pts = 0
        try:
            with same_scheduling_class():
                coder = av.VideoCodecContext.create("libsvtav1", "w")
                coder.width, coder.height = self._size
                coder.pix_fmt = "yuv420p"
                coder.time_base = Fraction(1, 25)
                coder.framerate = Fraction(25)
                coder.options = {
                    "preset": str(self._preset),
                    "crf": str(min(max(crf, MIN_CRF), MAX_CRF)),
                    "svtav1-params": "avif=1:tune=2:lp=1",
                }
                data = b"".join(bytes(p) for p in [*coder.encode(frame), *coder.encode(None)])
        except (av.error.FFmpegError, ValueError) as error:
            raise KeyframeCodecError(f"libsvtav1 cannot code the key frame: {error}") from error
        units = split_units(data)
        sequence = b"".join(u for kind, u in units if kind == SEQUENCE_HEADER)
        rest = b"".join(u for kind, u in units if kind not in (SEQUENCE_HEADER, TEMPORAL_DELIMITER))
        return sequence, rest


class Av1PictureDecoder:
    """OBUs back into pictures, the same pixels on every machine (AV1 decoding is normative)."""

    def __init__(self, width: int, height: int, sequence_header: bytes) -> None:
        self._size = (width, height)
        self._sequence_header = sequence_header
        self._to_rgb = VideoReformatter()

    def decode(self, data: bytes, sequence_header: bytes | None = None) -> Picture:
        """One packet's OBUs -> RGB uint8 [H, W, 3].

        Raises:
            CorruptStream: dav1d rejects them, or finds no or several pictures.
            LimitExceeded: The picture is not of the announced size.
            KeyframeCodecError: libdav1d is missing.
        """
        packet = av.Packet(DELIMITER + (sequence_header or self._sequence_header) + data)
        try:
            # A decoder of its own for every picture: no state survives a damaged one.
            coder = av.VideoCodecContext.create("libdav1d", "r")
        except (av.error.FFmpegError, ValueError) as error:
            raise KeyframeCodecError(f"libdav1d is not available: {error}") from error
        width, height = self._size
        coder.options = {
            "threads": "1",
            "framesizelimit": str(width * height),
            "alllayers": "0",
        }
        try:
            frames = [*coder.decode(packet), *coder.decode(None)]  # type: ignore[attr-defined]
        except (av.error.FFmpegError, ValueError) as error:
            raise CorruptStream(f"key picture does not decode: {error}") from error
        if len(frames) != 1:
            raise CorruptStream(f"key packet holds {len(frames)} pictures instead of one")
        if (frames[0].width, frames[0].height) != self._size:
            raise LimitExceeded(
                f"key picture is {frames[0].width}x{frames[0].height}, header says {width}x{height}"
            )
        picture: Picture = self._to_rgb.reformat(
            frames[0],
            format="rgb24",
            src_colorspace=Colorspace.ITU709,
            src_color_range=ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG,
            interpolation=ACCURATE,
        ).to_ndarray()  # type: ignore[assignment]
        return picture
