"""Conversion between YUV and RGB with the accurate paths of swscale.

`VideoFrame.to_ndarray(format="rgb24")` uses swscale's default path, which is about one level too
dark and blurs chroma. The flags here reduce the mean error below 0.1 level for 8-bit input. If
swscale itself is inexact (full range above 8 bits, limited-range grey), a final step of integer
arithmetic corrects it.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import av
import numpy as np
from av import VideoFormat, VideoFrame
from av.filter import Graph
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from imfcodec.media.colour import RANGE_FULL, Colour, Matrix, bit_depth, is_grey

ACCURATE: Final = (
    Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
)
_SWS_MATRIX_NAMES: Final = {Matrix.BT709: "bt709", Matrix.SMPTE170M: "smpte170m"}

Rgb = NDArray[np.uint8]
"""A picture: uint8 [H, W, 3], full range, C-contiguous."""


def _scaling(source: tuple[int, int], target: tuple[int, int]) -> Interpolation:
    """Lanczos to shrink (swscale widens its window against aliasing), otherwise bicubic."""
    shrinks = target[0] * target[1] < source[0] * source[1]
    return ACCURATE | (Interpolation.LANCZOS if shrinks else Interpolation.BICUBIC)


class RgbConverter:
    """Decoded frames to RGB arrays, scaled in the same pass.

    Attributes:
        transparent: whether a picture had transparent pixels.
    """

    def __init__(self) -> None:
        self.transparent = False
        self._swscale = VideoReformatter()  # keeps its filter tables between frames

    def convert(self, frame: VideoFrame, colour: Colour, width: int, height: int) -> Rgb:
        """Convert one frame.

        Args:
            frame: any software pixel format; its colour tags are overwritten by `colour`.
            colour: colour description of the samples.
            width: width of the result, pixels.
            height: height of the result, pixels.

        Returns:
            uint8 [height, width, 3]; transparent pixels are composed on black.

        Raises:
            av.error.FFmpegError: swscale does not know the pixel format.
        """
        if colour.matrix != Matrix.RGB:
            frame.colorspace = colour.matrix
        frame.color_range = RANGE_FULL if colour.full_range else 1
        # swscale converts deep full-range samples by a shift: 1023 -> 255.75 instead of 255.
        deep = colour.full_range and bit_depth(frame.format) > 8
        alpha = any(part.is_alpha for part in frame.format.components)
        converted = self._swscale.reformat(
            frame,
            width=width,
            height=height,
            format="rgba" if alpha else "gbrp10le" if deep else "rgb24",
            interpolation=_scaling((frame.width, frame.height), (width, height)),
            dst_color_range=RANGE_FULL,
            threads=1,
        )
        rgb = converted.to_ndarray()
        if alpha:
            opacity = rgb[..., 3:].astype(np.uint16)
            self.transparent |= bool(opacity.min() < 255)
            return ((rgb[..., :3] * opacity + 127) // 255).astype(np.uint8)
        if deep:
            return ((rgb.astype(np.uint32) * 255 + 511) // 1023).astype(np.uint8)
        if is_grey(frame.format) and not colour.full_range:
            return _LIMITED_TO_FULL[rgb]  # swscale treats every grey as full range
        return np.ascontiguousarray(rgb)

    def can_convert(self, pix_fmt: VideoFormat) -> bool:
        """Whether swscale reads this pixel format; it does not read hardware surfaces."""
        try:
            probe = VideoFrame(16, 16, pix_fmt.name)
            self._swscale.reformat(probe, format="rgb24", interpolation=ACCURATE, threads=1)
        except (av.error.FFmpegError, ValueError):
            return False
        return True


_LIMITED_TO_FULL: Final[NDArray[np.uint8]] = np.clip(
    np.rint((np.arange(256) - 16) * 255 / 219), 0, 255
).astype(np.uint8)


class YuvConverter:
    """RGB arrays to limited-range YUV frames, 4:2:0 with left-sited chroma or 4:4:4.

    This uses libavfilter's `scale` and not `VideoReformatter`: only the filter can place chroma at
    the left, where every H.264 decoder expects it. The reformatter centres it, which is wrong by
    half a pixel.
    """

    def __init__(self, width: int, height: int, pix_fmt: str, matrix: Matrix) -> None:
        """Build the filter.

        Args:
            width: pixels; may be odd, chroma is then rounded up.
            height: pixels; may be odd.
            pix_fmt: `yuv420p` or `yuv444p`.
            matrix: BT.709 or SMPTE 170M (BT.601).
        """
        self._graph = Graph()
        placing = {"out_chroma_loc": "left"} if pix_fmt == "yuv420p" else {}
        chain = [
            self._graph.add(
                "buffer",
                video_size=f"{width}x{height}",
                pix_fmt="rgb24",
                time_base="1/1",
                pixel_aspect="1/1",
            ),
            self._graph.add(
                "scale",
                flags="bicubic+accurate_rnd+full_chroma_int+full_chroma_inp",
                out_color_matrix=_SWS_MATRIX_NAMES[matrix],
                out_range="limited",
                **placing,
            ),
            self._graph.add("format", pix_fmts=pix_fmt),
            self._graph.add("buffersink"),
        ]
        self._graph.link_nodes(*chain).configure()

    def convert(self, rgb: Rgb, pts: int, time_base: Fraction) -> VideoFrame:
        """Convert one picture.

        Args:
            rgb: uint8 [H, W, 3] of the size given at the start.
            pts: timestamp of the frame in ticks of `time_base`.
            time_base: seconds per tick.

        Returns:
            A frame with its own memory.

        Raises:
            av.error.FFmpegError: out of memory.
        """
        self._graph.push(VideoFrame.from_ndarray(rgb, format="rgb24"))
        frame = self._graph.pull()
        assert isinstance(frame, VideoFrame)
        frame.pts = pts
        frame.time_base = time_base
        return frame


def resize(rgb: Rgb, size: tuple[int, int]) -> Rgb:
    """Scale a picture: bicubic to enlarge, otherwise Lanczos.

    OpenCV enlarges, five times as fast as swscale and slightly better (benchmarks/LOG.md). swscale
    shrinks, since OpenCV would leave aliases.

    Args:
        rgb: uint8 [H, W, 3].
        size: (width, height) of the result, pixels.

    Returns:
        uint8 [height, width, 3]; `rgb` itself when the size is already right.
    """
    height, width = rgb.shape[:2]
    if (width, height) == size:
        return rgb
    if size[0] >= width and size[1] >= height:
        import cv2

        return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
    scaled = VideoReformatter().reformat(
        frame,
        width=size[0],
        height=size[1],
        interpolation=_scaling((width, height), size),
        threads=1,
    )
    return np.ascontiguousarray(scaled.to_ndarray())
