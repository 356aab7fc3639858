"""AV1 video: one key picture, and pictures that lean on each other in both directions of time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from fractions import Fraction
from itertools import chain
from typing import Final

import av
import av.error
from av.video.reformatter import VideoReformatter

from imfcodec.arrays import Picture
from imfcodec.codec.pictures.av1 import in_quarters, picture_of, yuv_of
from imfcodec.codec.pictures.obu import (
    DELIMITER,
    TEMPORAL_DELIMITER,
    shown_pictures,
    split_units,
)
from imfcodec.codec.pictures.scheduling import usual_scheduling, watched
from imfcodec.errors import CorruptStream, KeyframeCodecError, LimitExceeded

MAX_VIDEO_CRF: Final = 70

MAX_RATE: Final = 240
"""libsvtav1 takes no more pictures per second; a faster video is coded as if it had these."""

PATIENCE_S, PATIENCE_S_PER_MEGAPIXEL = 20.0, 20.0
"""Time for SVT-AV1 to code a video before it counts as stuck."""


def encode_video(
    pictures: Sequence[Picture],
    rate: Fraction,
    crf: float,
    preset: int,
    advance: Callable[[int], None] = lambda pictures: None,
) -> list[bytes]:
    """Code a video of one shot with libsvtav1, random access.

    Args:
        pictures: RGB uint8 [H, W, 3], in order.
        rate: Pictures per second.
        crf: Quality (CRF), 1 (best) to 70, in quarters.
        preset: SVT-AV1 preset, 0 (slowest) to 13.
        advance: Called several times a second with how many more pictures are coded, perhaps 0.
            If it raises something, the coding ends.

    Returns:
        One temporal unit for each picture, without its temporal delimiter.

    Raises:
        KeyframeCodecError: libsvtav1 is missing or refuses.
    """
    height, width = pictures[0].shape[:2]
    patience_s = PATIENCE_S + PATIENCE_S_PER_MEGAPIXEL * len(pictures) * width * height / 1e6
    coded, told = 0, 0  # by the attempt that came furthest
    wanted = True

    def note(count: int) -> None:
        nonlocal coded
        if not wanted:
            raise CancelledError
        coded = max(coded, count)

    def tell() -> None:
        nonlocal told
        more = coded - told
        told += more
        advance(more)

    try:
        return watched(lambda: _encode(pictures, rate, crf, preset, note), patience_s, tell)
    finally:
        wanted = False


def _encode(
    pictures: Sequence[Picture],
    rate: Fraction,
    crf: float,
    preset: int,
    note: Callable[[int], None],
) -> list[bytes]:
    to_yuv = VideoReformatter()
    packets = []
    rate = min(rate, Fraction(MAX_RATE))
    try:
        coder = av.VideoCodecContext.create("libsvtav1", "w")
        coder.height, coder.width = pictures[0].shape[:2]
        coder.pix_fmt = "yuv420p"
        coder.framerate, coder.time_base = rate, 1 / rate
        coder.options = {
            "preset": str(preset),
            # Libav's own crf is an integer and ends at 63.
            "svtav1-params": f"crf={in_quarters(crf):g}:keyint=-1:pred-struct=2:lp=1",
        }
        with usual_scheduling():
            coder.open()
        frames = (yuv_of(to_yuv, picture, number) for number, picture in enumerate(pictures))
        for frame in chain(frames, [None]):
            for packet in coder.encode_lazy(frame):
                packets.append(packet)
                note(len(packets))
    except (av.error.FFmpegError, ValueError) as error:
        raise KeyframeCodecError(f"libsvtav1 cannot code the video: {error}") from error
    if len(packets) != len(pictures):
        raise KeyframeCodecError(
            f"libsvtav1 returned {len(packets)} packets for {len(pictures)} pictures"
        )
    return [
        b"".join(unit for kind, unit in split_units(bytes(packet)) if kind != TEMPORAL_DELIMITER)
        for packet in packets
    ]


class VideoDecoder:
    """Decodes the temporal units of one AV1 video with libdav1d, as they come."""

    def __init__(self, width: int, height: int) -> None:
        """Prepare for pictures of this size in pixels.

        Raises:
            KeyframeCodecError: libdav1d is missing.
        """
        self._size = (width, height)
        self._to_rgb = VideoReformatter()
        try:
            self._coder = av.VideoCodecContext.create("libdav1d", "r")
        except (av.error.FFmpegError, ValueError) as error:
            raise KeyframeCodecError(f"libdav1d is not available: {error}") from error
        self._coder.options = {
            "threads": "1",
            "framedelay": "1",  # so that each unit gives its picture at once
            "max_pixels": str(width * height),  # checked before dav1d allocates memory
            "alllayers": "0",
        }

    def decode(self, unit: bytes) -> Picture:
        """Decode the next temporal unit to RGB uint8 [H, W, 3].

        Raises:
            CorruptStream: The unit does not give exactly one picture.
            LimitExceeded: The picture has another size.
        """
        try:
            shown = shown_pictures(unit)
            if shown != 1:
                raise CorruptStream(f"a temporal unit holds {shown} pictures instead of 1")
            frames = self._coder.decode(  # type: ignore[attr-defined]
                av.Packet(DELIMITER + unit)
            )
        except (av.error.FFmpegError, ValueError, KeyframeCodecError) as error:
            raise CorruptStream(f"AV1 picture does not decode: {error}") from error
        if len(frames) != 1:
            raise CorruptStream(f"a temporal unit gives {len(frames)} pictures instead of 1")
        if (frames[0].width, frames[0].height) != self._size:
            width, height = self._size
            raise LimitExceeded(
                f"AV1 picture is {frames[0].width}x{frames[0].height}, not {width}x{height}"
            )
        return picture_of(self._to_rgb, frames[0])
