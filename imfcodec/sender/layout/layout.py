"""Pictures to packets: the video is divided into stretches, each coded as suits it.

    frames ─ shots ─ WindowPlacer ─ stretches ─┬─ Whole ─────┐
                                               ├─ BetterOf ──┼─► packets
                                               └─ Windowed ──┘

Every stretch stands alone: it begins with a key frame or a run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Protocol

from imfcodec.bitstream import (
    KeyPacket,
    LayerPacket,
    PredictedKeyPacket,
    RunPacket,
    TokenPacket,
)
from imfcodec.sender.layout.placing import PlacedFrame, WindowPlacer
from imfcodec.sender.planning.shots import ShotDetector
from imfcodec.sender.source_frame import SourceFrame

LayoutPacket = KeyPacket | PredictedKeyPacket | TokenPacket | RunPacket | LayerPacket


class Stretch(Protocol):
    """Codes a part of the video in one way."""

    @property
    def name(self) -> str:
        """How it is coded: "whole", "av1" or "windows"; known once it has been flushed."""
        ...

    @property
    def given(self) -> float:
        """Number of frames that its layers were given, together: the work that it has."""
        ...

    @property
    def key_config(self) -> bytes:
        """The key codec's configuration of the base; known after the first packet."""
        ...

    def takes(self, placed: PlacedFrame) -> bool:
        """Whether it goes on with this frame; otherwise another one begins."""
        ...

    def push(self, placed: PlacedFrame) -> Iterator[LayoutPacket]:
        """Take the next frame, at display size; yield the packets that it completes, in order."""
        ...

    def flush(self, *, more: bool) -> Iterator[LayoutPacket]:
        """Yield the packets of the frames that are left; ``more`` frames may follow these."""
        ...


class Layout:
    """Divides a video into stretches and has them coded.

    Attributes:
        windows: Largest number of windows at a time.
        key_config: The key codec's configuration for the stream header; known after the first
            packet.
        frames: Frames by how they are coded, of the stretches that are complete.
    """

    def __init__(
        self,
        windows: int,
        shots: ShotDetector | None,
        placer: WindowPlacer | None,
        stretch: Callable[[PlacedFrame], Stretch],
    ) -> None:
        """Take the parts that do the work.

        Args:
            windows: Largest number of windows at a time.
            shots: Finds where shots begin; None never looks.
            placer: Finds heads; None never looks.
            stretch: Makes the stretch that begins with a frame.
        """
        self.windows, self.key_config = windows, b""
        self.frames: dict[str, int] = {}
        self._shots, self._placer, self._stretch_at = shots, placer, stretch
        self._stretch: Stretch | None = None
        self._length, self._given = 0, 0.0
        self._begun = False

    @property
    def given(self) -> float:
        """Number of frames that the layers were given, together: the work that there is."""
        return self._given + (self._stretch.given if self._stretch else 0)

    def push(self, frame: SourceFrame) -> Iterator[LayoutPacket]:
        """Take the next frame, at display size; yield the packets that it completes, in order."""
        yield from self._place(self._shots.push(frame) if self._shots else [(frame, False)])

    def flush(self) -> Iterator[LayoutPacket]:
        """Yield the packets of the frames that are left."""
        yield from self._place(self._shots.flush() if self._shots else ())
        yield from self._code(self._placer.flush() if self._placer else ())
        yield from self._end(more=False)

    def _place(self, frames: Iterable[tuple[SourceFrame, bool]]) -> Iterator[LayoutPacket]:
        """Give windows to frames, each of which may begin a shot."""
        for frame, cut in frames:
            placed = (
                self._placer.push(frame, cut=cut) if self._placer else [PlacedFrame(frame, cut)]
            )
            yield from self._code(placed)

    def _code(self, frames: Iterable[PlacedFrame]) -> Iterator[LayoutPacket]:
        for placed in frames:
            if self._stretch is None or not self._stretch.takes(placed):
                yield from self._end(more=True)
                self._stretch, self._length = self._stretch_at(placed), 0
            self._length += 1
            yield from self._headed(self._stretch, self._stretch.push(placed))

    def _end(self, *, more: bool) -> Iterator[LayoutPacket]:
        """Complete the stretch."""
        if self._stretch is None:
            return
        yield from self._headed(self._stretch, self._stretch.flush(more=more))
        name = self._stretch.name
        self.frames[name] = self.frames.get(name, 0) + self._length
        self._given += self._stretch.given
        self._stretch = None

    def _headed(self, stretch: Stretch, packets: Iterator[LayoutPacket]) -> Iterator[LayoutPacket]:
        """Packets whose key pictures have the configuration of the header, or name their own."""
        for packet in packets:
            if not self._begun:
                self.key_config, self._begun = stretch.key_config, True
            if isinstance(packet, KeyPacket):
                config = packet.config or stretch.key_config
                packet = replace(packet, config=None if config == self.key_config else config)
            yield packet
