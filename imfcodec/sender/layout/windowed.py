"""Heads in windows of their own, over a base that is plain AV1.

    frames ─ shots ─ WindowPlacer ─┬─ crop ── Layer of a window ─┬─► packets
                                   └─ cover ─ RunCoder ──────────┘

A packet of the base waits until every window has come as far.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from imfcodec.arrays import Picture
from imfcodec.bitstream import (
    KeyPacket,
    LayerPacket,
    RunPacket,
    TokenPacket,
    Window,
    WindowEnd,
    frame_pts,
)
from imfcodec.media.geometry import CodingGeometry, resize
from imfcodec.sender.layer import Layer
from imfcodec.sender.layout.covering import Cover
from imfcodec.sender.layout.layout import Layout, LayoutPacket
from imfcodec.sender.layout.placing import PlacedFrame, WindowPlacer
from imfcodec.sender.planning.shots import ShotDetector
from imfcodec.sender.run_coder import RunCoder
from imfcodec.sender.segment_coder import PicturePacket
from imfcodec.sender.source_frame import SourceFrame


@dataclass
class _Open:
    """A layer that has a window.

    Attributes:
        layer: Codes it.
        window: Its place.
        next_frame: Number of the first frame that is in no packet yet.
    """

    layer: Layer
    window: Window
    next_frame: int


class Windowed:
    """Codes heads in windows and the rest as the base (see `Layout`).

    Without heads the base is all there is. If a head fills most of the picture in the first
    second, everything is left to another layout.
    """

    def __init__(
        self,
        geometry: CodingGeometry,
        placer: WindowPlacer,
        most: int,
        base: RunCoder,
        layer_of: Callable[[Window, int], Layer],
        shots: ShotDetector | None,
        whole: Callable[[], Layout] | None,
    ) -> None:
        """Take the parts that do the work.

        Args:
            geometry: Sizes of the base.
            placer: Finds the heads.
            most: Largest number of windows at a time.
            base: Codes the base.
            layer_of: Makes the layer of a window, given how many windows there are.
            shots: Finds where shots begin; None never looks.
            whole: Makes the layout for a head that fills the picture; None goes on with windows.
        """
        self._geometry, self._placer, self.windows = geometry, placer, most
        self._base, self._layer_of, self._shots, self._whole = base, layer_of, shots, whole
        self._other: Layout | None = None
        self._cover = Cover()
        self._open: dict[int, _Open] = {}
        self._held: deque[RunPacket] = deque()  # until the windows have come as far
        self._begun = False
        self._given = 0

    @property
    def name(self) -> str:
        """See `Layout`."""
        return self._other.name if self._other else "windows"

    @property
    def given(self) -> int:
        """See `Layout`."""
        return self._other.given if self._other else self._given

    @property
    def key_config(self) -> bytes:
        """See `Layout`."""
        return self._other.key_config if self._other else b""

    def push(self, frame: SourceFrame) -> Iterator[LayoutPacket]:
        """See `Layout`."""
        if self._other:
            yield from self._other.push(frame)
            return
        for known, cut in self._shots.push(frame) if self._shots else [(frame, False)]:
            yield from self._place(self._placer.push(known, cut=cut))
        if self._other:  # since this frame
            yield from self._drain()

    def flush(self) -> Iterator[LayoutPacket]:
        """See `Layout`."""
        yield from self._drain()
        if self._other:
            yield from self._other.flush()
            return
        for number in sorted(self._open):
            yield from self._packets(number, self._open[number].layer.flush())
        self._held.extend(self._base.flush())
        yield from self._held

    def _drain(self) -> Iterator[LayoutPacket]:
        """Take the frames that wait for their shot or for their windows."""
        for known, cut in self._shots.flush() if self._shots else ():
            yield from self._place(self._placer.push(known, cut=cut))
        yield from self._place(self._placer.flush())

    def _place(self, placed: Iterable[PlacedFrame]) -> Iterator[LayoutPacket]:
        for frame in placed:
            if not self._begun and self._placer.whole and self._whole:
                self._other, self.windows = self._whole(), 0
            self._begun = True
            if self._other:
                yield from self._other.push(frame.frame)
            else:
                yield from self._code(frame)

    def _code(self, placed: PlacedFrame) -> Iterator[LayoutPacket]:
        frame = placed.frame
        for number in sorted(self._open.keys() | placed.windows.keys()):
            window = placed.windows.get(number)
            yield from self._turn_to(number, window, frame.number, len(placed.windows))
            if window is not None:
                self._given += 1
                crop = replace(frame, picture=cropped(frame.picture, window))
                yield from self._packets(number, self._open[number].layer.push(crop))
        self._given += 1
        if placed.cut:
            self._cover = Cover()
        covered = self._cover.over(frame.picture, placed.windows)
        base = replace(frame, picture=self._geometry.to_coded(covered))
        self._held.extend(self._base.push(base, cut=placed.cut))
        yield from self._ready()

    def _turn_to(
        self, number: int, window: Window | None, frame: int, count: int
    ) -> Iterator[LayerPacket]:
        """Close a layer whose window is another one from this frame on, and open the next.

        ``count`` is the number of windows in the frame.
        """
        known = self._open.get(number)
        if known and known.window == window:
            return
        if known:
            yield from self._packets(number, known.layer.flush())
            del self._open[number]
            if window is None:
                yield LayerPacket(number, WindowEnd(frame))
        if window is not None:
            self._open[number] = _Open(self._layer_of(window, count), window, frame)

    def _packets(self, number: int, packets: Iterator[PicturePacket]) -> Iterator[LayerPacket]:
        """The packets of a layer as such: their pts are frame numbers."""
        opened = self._open[number]
        for packet in packets:
            first = packet.first_frame
            count = len(frame_pts(packet))
            opened.next_frame = first + count
            numbers = tuple(range(first, first + count))
            if isinstance(packet, TokenPacket):
                yield LayerPacket(number, replace(packet, pts=numbers))
                continue
            lead, pts = numbers[:-1], numbers[-1]
            if isinstance(packet, KeyPacket):
                config = packet.config or opened.layer.key_config
                inner = replace(packet, lead=lead, pts=pts, config=config)
                yield LayerPacket(number, inner, opened.window)
            else:
                yield LayerPacket(number, replace(packet, lead=lead, pts=pts))

    def _ready(self) -> Iterator[RunPacket]:
        """Packets of the base whose frames are complete in every window."""
        reached = min((opened.next_frame for opened in self._open.values()), default=None)
        while self._held:
            packet = self._held[0]
            if reached is not None and packet.first_frame + len(packet.pts) > reached:
                return
            yield self._held.popleft()


def cropped(picture: Picture, window: Window) -> Picture:
    """What a window shows of a picture, RGB uint8 [H, W, 3], at its coded size."""
    place = np.ascontiguousarray(picture[window.rows, window.columns])
    return resize(place, (window.coded_side, window.coded_side))
