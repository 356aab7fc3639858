"""Heads in windows of their own, over a base that is plain AV1.

    frames with windows ─┬─ crop ── Layer of a window ─┬─► packets
                         └─ cover ─ RunCoder ──────────┘

A packet of the base waits until every window has come as far.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from itertools import islice

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
from imfcodec.codec.upcoming import begun
from imfcodec.media.geometry import CodingGeometry, resize
from imfcodec.sender.layer import Layer
from imfcodec.sender.layout.covering import Cover
from imfcodec.sender.layout.layout import LayoutPacket
from imfcodec.sender.layout.placing import PlacedFrame
from imfcodec.sender.plain_video import SEARCH
from imfcodec.sender.run_coder import RunCoder
from imfcodec.sender.segment_coder import PicturePacket


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
    """Codes heads in windows and the rest as the base (see `Stretch`).

    Without heads the base is all there is.
    """

    key_config = b""

    def __init__(
        self,
        geometry: CodingGeometry,
        base: RunCoder,
        layer_of: Callable[[Window, int], Layer],
        workers: Executor | None,
    ) -> None:
        """Take what does the work.

        Args:
            geometry: Sizes of the base.
            base: Codes the base.
            layer_of: Makes the layer of a window, given how many windows there are.
            workers: Code the end of the base while that of the windows is coded.
        """
        self._geometry, self._base, self._layer_of = geometry, base, layer_of
        self._workers = workers
        self._cover = Cover()
        self._open: dict[int, _Open] = {}
        self._held: deque[RunPacket] = deque()  # until the windows have come as far
        self._next_frame = 0
        self.given = 0.0
        self.name = "av1"

    def takes(self, placed: PlacedFrame) -> bool:
        """See `Stretch`."""
        return not (placed.cut and placed.whole)

    def push(self, placed: PlacedFrame) -> Iterator[LayoutPacket]:
        """See `Stretch`."""
        frame = placed.frame
        self._next_frame = frame.number + 1
        for number in sorted(self._open.keys() | placed.windows.keys()):
            window = placed.windows.get(number)
            yield from self._turn_to(number, window, frame.number, len(placed.windows))
            if window is not None:
                self.given += 1
                crop = replace(frame, picture=cropped(frame.picture, window))
                yield from self._packets(number, self._open[number].layer.push(crop))
        self.given += 1 + SEARCH
        if placed.cut:
            self._cover = Cover()
        covered = self._cover.over(frame.picture, placed.windows)
        base = replace(frame, picture=self._geometry.to_coded(covered))
        self._held.extend(self._base.push(base, cut=placed.cut, windows=bool(placed.windows)))
        yield from self._ready()

    def flush(self, *, more: bool) -> Iterator[LayoutPacket]:
        """See `Stretch`."""
        rest = begun(lambda: list(self._base.flush()), self._workers)
        yield from _in_turn(self._rest(number, more=more) for number in sorted(self._open))
        self._held.extend(rest())
        yield from self._held

    def _rest(self, number: int, *, more: bool) -> Iterator[LayerPacket]:
        """The last packets of a layer."""
        yield from self._packets(number, self._open[number].layer.flush())
        if more:
            yield LayerPacket(number, WindowEnd(self._next_frame))

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
            self.name = "windows"
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


def _in_turn(layers: Iterable[Iterator[LayerPacket]]) -> Iterator[LayerPacket]:
    """A packet of each layer, then another of each, and so on: so all are at work."""
    waiting = deque(layers)
    while waiting:
        layer = waiting.popleft()
        for packet in islice(layer, 1):
            yield packet
            waiting.append(layer)


def cropped(picture: Picture, window: Window) -> Picture:
    """What a window shows of a picture, RGB uint8 [H, W, 3], at its coded size."""
    place = np.ascontiguousarray(picture[window.rows, window.columns])
    return resize(place, (window.coded_side, window.coded_side))
