"""Decoded pictures to progressive SDR pictures, through libavfilter.

    decoded ─ interlaced? bwdif ─ HDR? tone mapping ─┐
                                ─ wide gamut? libswscale ─► progressive SDR

bwdif turns each interlaced frame into one progressive frame.
"""

from __future__ import annotations

import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
from av import VideoFrame
from av.filter import Graph

from imfcodec.media.colour import HDR_TRANSFERS, NARROW_PRIMARIES, Colour
from imfcodec.media.tone_mapping import cube

_DEINTERLACE: Final = ("bwdif", "mode=send_frame:deint=interlaced")
_ACCURATE: Final = "flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"
_TO_RGB: Final = ("scale", f"out_range=full:{_ACCURATE}")
_TO_BT709: Final = ("scale", f"out_primaries=bt709:out_transfer=bt709:out_range=full:{_ACCURATE}")
_MIN_SIDE: Final = 3  # bwdif looks at neighbouring lines

_Kind = tuple[str, int, int, Colour]


class PictureFilter:
    """Deinterlaces what is interlaced and tone-maps what is not SDR; passes the rest through.

    Attributes:
        deinterlaced: whether there were interlaced pictures.
        tone_mapped: whether there were HDR pictures.
        gamut_mapped: whether there were SDR pictures of wide primaries.
    """

    def __init__(self, time_base: Fraction) -> None:
        """Take the seconds per tick of the pictures' pts."""
        self.deinterlaced = False
        self.tone_mapped = False
        self.gamut_mapped = False
        self._time_base = time_base
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._graph: Graph | None = None
        self._kind: _Kind | None = None

    def push(self, frame: VideoFrame, colour: Colour) -> list[VideoFrame]:
        """Take the next picture.

        Args:
            frame: as decoded.
            colour: what its samples mean.

        Returns:
            The pictures that are complete now; bwdif holds one back.

        Raises:
            av.error.FFmpegError: the filters refuse the picture.
        """
        kind = (frame.format.name, frame.width, frame.height, colour)
        interlaced = frame.interlaced_frame and min(frame.width, frame.height) >= _MIN_SIDE
        done: list[VideoFrame] = []
        if kind != self._kind or (interlaced and not self.deinterlaced):
            done = self.finish()
            self.deinterlaced |= interlaced
            self._kind = kind
            self._graph = self._open(frame, colour)
        if self._graph is None:
            return [*done, frame]
        if colour.matrix:
            frame.colorspace = colour.matrix
        frame.color_trc, frame.color_primaries = colour.transfer, colour.primaries
        frame.color_range = 2 if colour.full_range else 1
        self._graph.push(frame)
        return [*done, *self._pull(self._graph)]

    def finish(self) -> list[VideoFrame]:
        """Give back what is still held."""
        graph, self._graph, self._kind = self._graph, None, None
        if graph is None:
            return []
        graph.push(None)
        return self._pull(graph)

    def _open(self, frame: VideoFrame, colour: Colour) -> Graph | None:
        steps = [_DEINTERLACE] if self.deinterlaced else []
        hdr = colour.transfer in HDR_TRANSFERS
        wide = colour.primaries not in NARROW_PRIMARIES
        self.tone_mapped |= hdr
        self.gamut_mapped |= wide and not hdr
        alpha = any(part.is_alpha for part in frame.format.components)
        last = ("format", "rgba" if alpha else "rgb24")
        if hdr:
            between = ("format", "gbrap10le" if alpha else "gbrp10le")
            mapping = ("lut3d", f"file={self._table(colour.transfer)}:interp=tetrahedral")
            steps += [_TO_RGB, between, mapping, last]
        elif wide:
            steps += [_TO_BT709, last]
        if not steps:
            return None
        graph = Graph()
        source = (
            f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}"
            f":time_base={self._time_base.numerator}/{self._time_base.denominator}"
            f":range={'pc' if colour.full_range else 'tv'}:colorspace={colour.matrix}"
        )
        nodes = [graph.add("buffer", source)]
        nodes += [graph.add(name, arguments) for name, arguments in steps]
        nodes.append(graph.add("buffersink"))
        graph.link_nodes(*nodes).configure()
        return graph

    def _table(self, transfer: int) -> str:
        """A file with the table of colours; libavfilter reads it from there alone."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="imfcodec-")
        path = Path(self._folder.name) / f"{transfer}.cube"
        path.write_text(cube(transfer))
        return str(path).replace("\\", "/").replace(":", "\\:")

    def _pull(self, graph: Graph) -> list[VideoFrame]:
        frames: list[VideoFrame] = []
        while True:
            try:
                frame = graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return frames
            assert isinstance(frame, VideoFrame)
            if frame.time_base:  # bwdif halves it
                pts, duration, ratio = frame.pts, frame.duration, frame.time_base / self._time_base
                frame.pts = None if pts is None else round(pts * ratio)
                frame.duration = round((duration or 0) * ratio)
            frame.time_base = self._time_base
            frames.append(frame)
