"""XPSNR through libavfilter (Helmrich 2020): PSNR weighted by the visibility of errors.

Blocks with much detail or motion count less. Only the luma is scored.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Final

import av
from av.filter import Graph

from imfcodec.arrays import Picture
from imfcodec.errors import OptionError
from imfcodec.metrics.fidelity import EQUAL_DB
from imfcodec.metrics.stacked import PIXEL_FORMAT, StackedPairs

MIN_PIXELS: Final = 2025
"""Area below which the filter's blocks shrink to nothing; it then divides by zero."""

_LUMA: Final = "lavfi.xpsnr.xpsnr.y"


def xpsnr_missing() -> str | None:
    """The reason why XPSNR cannot be measured here; None if it can."""
    if "xpsnr" in av.filter.filters_available:
        return None
    return "the libavfilter that PyAV carries has no xpsnr filter"


class Xpsnr:
    """XPSNR of a video pair, frame by frame.

    The value of a video is that of the mean over frames of the weighted error's root, as
    libavfilter reports it: an equal frame adds no error, so that it needs no cap.
    """

    def __init__(self, width: int, height: int, rate: Fraction) -> None:
        """Build the filter.

        Args:
            width: Of the pictures, pixels.
            height: The same.
            rate: Frames per second: the filter looks further back where it is high.

        Raises:
            OptionError: This libavfilter has no such filter.
            ValueError: The pictures have fewer than `MIN_PIXELS`.
        """
        if width * height < MIN_PIXELS:
            raise ValueError(f"XPSNR needs {MIN_PIXELS} pixels, not {width}x{height}")
        reason = xpsnr_missing()
        if reason:
            raise OptionError(f"XPSNR cannot be measured: {reason}")
        self._pairs = StackedPairs(width, height, rate)
        self._graph = _graph(width, height, rate)
        self._roots: list[float] = []

    def add(self, source: Picture, coded: Picture) -> None:
        """Take the next frame.

        Args:
            source: uint8 RGB [H, W, 3] of the size given at the start.
            coded: The same.

        Raises:
            ValueError: The pictures are no such pictures.
        """
        self._graph.push(self._pairs.frame(source, coded))
        value_db = float(self._graph.pull().metadata[_LUMA])
        self._roots.append(10 ** (-value_db / 20))

    def value_db(self) -> float:
        """XPSNR of all frames so far, dB; `EQUAL_DB` at most.

        Raises:
            ValueError: There are none.
        """
        if not self._roots:
            raise ValueError("no frames, so no XPSNR")
        root = math.fsum(self._roots) / len(self._roots)
        return min(EQUAL_DB, -20 * math.log10(root)) if root else EQUAL_DB


def _graph(width: int, height: int, rate: Fraction) -> Graph:
    """Stacked pairs in, any frame out, with the scores in its metadata."""
    graph = Graph()
    pairs = graph.add(
        "buffer",
        video_size=f"{width}x{2 * height}",
        pix_fmt=PIXEL_FORMAT,
        time_base=str(1 / rate),
        frame_rate=str(rate),
        pixel_aspect="1/1",
    )
    split = graph.add("split")
    source = graph.add("crop", f"{width}:{height}:0:0")
    coded = graph.add("crop", f"{width}:{height}:0:{height}")
    # The weights come from the first input.
    compare = graph.add("xpsnr")
    sink = graph.add("buffersink")
    pairs.link_to(split)
    split.link_to(source, 0, 0)
    split.link_to(coded, 1, 0)
    source.link_to(compare, 0, 0)
    coded.link_to(compare, 0, 1)
    compare.link_to(sink)
    graph.configure()
    return graph
