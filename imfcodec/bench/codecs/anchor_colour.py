"""How pictures look inside every anchor: 4:2:0, BT.709, limited range, chroma to the left.

Not every stream can say where its chroma lies (VP9 cannot), and a reader that has to guess may
be half a pixel off, which would count against the codec. So the way back is fixed here too.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from av import VideoFrame
from av.filter import Graph

from imfcodec.arrays import Picture
from imfcodec.media.colour import Matrix
from imfcodec.media.convert import YuvConverter

LIMITED_RANGE: Final = 1


def rgb_to_yuv(width: int, height: int) -> YuvConverter:
    """Converter of RGB pictures to `yuv420p`; sides are even."""
    return YuvConverter(width, height, "yuv420p", Matrix.BT709)


class YuvToRgb:
    """Decoded frames to RGB, the exact reverse of `rgb_to_yuv`."""

    def __init__(self, width: int, height: int, pix_fmt: str) -> None:
        """Build swscale's filter for frames of one size in `yuv420p` or `yuv420p10le`."""
        self._graph = Graph()
        chain = [
            self._graph.add(
                "buffer",
                video_size=f"{width}x{height}",
                pix_fmt=pix_fmt,
                time_base="1/1",
                pixel_aspect="1/1",
                colorspace="bt709",
                range="tv",
            ),
            self._graph.add(
                "scale",
                flags="bicubic+accurate_rnd+full_chroma_int+full_chroma_inp",
                in_color_matrix="bt709",
                in_range="limited",
                in_chroma_loc="left",
                out_range="full",
            ),
            self._graph.add("format", pix_fmts="rgb24"),
            self._graph.add("buffersink"),
        ]
        self._graph.link_nodes(*chain).configure()

    def convert(self, frame: VideoFrame) -> Picture:
        """One frame, whatever its tags say, to uint8 RGB [H, W, 3].

        Raises:
            av.error.FFmpegError: Out of memory.
        """
        frame.colorspace = Matrix.BT709
        frame.color_range = LIMITED_RANGE
        self._graph.push(frame)
        converted = self._graph.pull()
        assert isinstance(converted, VideoFrame)
        return np.ascontiguousarray(converted.to_ndarray())
