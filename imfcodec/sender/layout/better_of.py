"""The whole picture coded in several ways, of which the best one is kept.

    frames ─┬─ Layer ── key frames and tokens ─┐
            ├─ Layer, others spaced otherwise ─┼─ which is seen to be nearest to the source?
            └─ AV1 of as many bytes ───────────┘

Tokens follow a head that talks. What moves in other ways, plain video shows better.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np

from imfcodec.bitstream import RunPacket, TokenPacket
from imfcodec.codec.stages import StageTimes
from imfcodec.codec.upcoming import begun
from imfcodec.media.geometry import CodingGeometry
from imfcodec.sender.judge import Judge
from imfcodec.sender.layer import Layer
from imfcodec.sender.layout.layout import LayoutPacket
from imfcodec.sender.layout.placing import PlacedFrame
from imfcodec.sender.monitor import Watcher, psnr_of
from imfcodec.sender.plain_video import SEARCH, PlainVideo, bytes_of
from imfcodec.sender.runs import RunSettings, is_full
from imfcodec.sender.segment_coder import PicturePacket
from imfcodec.sender.source_frame import SourceFrame

TRIAL: Final = 0.3
"""How long plain video takes in each frame, against the layer."""

CLOSE: Final = 1.25
"""Plain video that was coded quickly and has at most so many times the error is coded with care."""

SLOPE: Final = 0.4
"""Twice as many bytes divide the error by 2 to this power."""

LEAST: Final = 1e-4
"""Smaller errors are as good as none."""

MORE: Final = 1.1
"""No way may take more than so many times the bytes of the first one."""


class Way:
    """The whole picture as one layer, and what is seen of it.

    Attributes:
        layer: It.
        packets: Its packets.
        psnr_db: PSNR-RGB of its frames, if that is measured.
    """

    def __init__(
        self, judge: Judge, layer_of: Callable[[Sequence[Watcher], list[float]], Layer]
    ) -> None:
        """Take who judges it, and what makes it: of watchers, and a list for its PSNR."""
        self._judge = judge
        self.psnr_db: list[float] = []
        self.packets: list[PicturePacket] = []
        self.layer = layer_of([judge], self.psnr_db)

    @property
    def size_bytes(self) -> int:
        """About what it takes in the stream."""
        return sum(map(bytes_of, self.packets))

    @property
    def key_frames(self) -> int:
        """How many it has."""
        return sum(not isinstance(packet, TokenPacket) for packet in self.packets)

    @property
    def error(self) -> float:
        """Mean error as the judge sees it."""
        return float(np.mean(self._judge.errors))

    @property
    def cost(self) -> float:
        """Logarithm of the error that it would have at the bytes of the others."""
        return math.log(max(self.error, LEAST)) + SLOPE * math.log(self.size_bytes)


class BetterOf:
    """See `Stretch`."""

    def __init__(
        self,
        geometry: CodingGeometry,
        ways: Sequence[Way],
        judge: Judge,
        settings: RunSettings,
        stages: StageTimes,
        psnr_db: list[float],
        advance: Callable[[float], None],
        workers: Executor | None,
    ) -> None:
        """Take what does the work.

        Args:
            geometry: Sizes of the picture.
            ways: As layers; the first one is as usual.
            judge: Sees plain video.
            settings: How plain video is coded.
            stages: Takes the time of each stage.
            psnr_db: Of all frames that are measured.
            advance: Called with how many more frames are done.
            workers: Begin the plain video while the layers are coded.
        """
        self._geometry, self._ways, self._judge = geometry, ways, judge
        self._settings, self._stages, self._advance = settings, stages, advance
        self._psnr_db, self._workers = psnr_db, workers
        self._frames: list[SourceFrame] = []
        self._best = ways[0]
        self.name = "whole"

    @property
    def given(self) -> float:
        """See `Stretch`."""
        return (len(self._ways) + TRIAL * (SEARCH + 1)) * len(self._frames)

    @property
    def key_config(self) -> bytes:
        """See `Stretch`."""
        return self._best.layer.key_config

    def takes(self, placed: PlacedFrame) -> bool:
        """See `Stretch`."""
        return not (placed.cut or is_full(self._frames, placed.frame, self._settings.time_base))

    def push(self, placed: PlacedFrame) -> Iterator[LayoutPacket]:
        """See `Stretch`; there are no packets before `flush`."""
        frame = placed.frame
        coded = replace(frame, picture=self._geometry.to_coded(frame.picture))
        self._frames.append(coded)
        for way in self._ways:
            way.packets += way.layer.push(coded)
        return iter(())

    def flush(self, *, more: bool) -> Iterator[LayoutPacket]:
        """See `Stretch`."""
        video = PlainVideo(
            self._frames,
            self._settings,
            self._judge,
            lambda n: self._advance(TRIAL * n),
            restores=True,
        )
        prepared = begun(partial(self._prepare, video), self._workers)
        for way in self._ways:
            way.packets += way.layer.flush()
        prepared()
        self._best = min(self._comparable(), key=lambda way: way.cost)
        with self._stages.timed("AV1 run"):
            run = self._better(video, self._best)
        if run:
            self.name = "av1"
        measured = self._best.psnr_db
        if run and measured:
            pairs = zip(video.shown(run), self._frames, strict=True)
            measured = [psnr_of(shown[None], [frame.picture])[0] for shown, frame in pairs]
        self._psnr_db += measured
        yield from run or self._best.packets

    def _comparable(self) -> Iterator[Way]:
        """The first way, and those that have another number of key frames, but not many more bytes.

        If the number is the same, they would only be finer or coarser than was asked for.
        """
        first, *others = self._ways
        yield first
        most_bytes = MORE * first.size_bytes
        for way in others:
            if way.key_frames != first.key_frames and way.size_bytes <= most_bytes:
                yield way

    def _prepare(self, video: PlainVideo) -> None:
        with self._stages.timed("AV1 run"):
            video.prepare()

    def _better(self, video: PlainVideo, rival: Way) -> list[RunPacket] | None:
        """Plain video of nearly as many bytes and less error; None if there is none."""
        room, least = rival.size_bytes, rival.error
        best = video.best(room, least)
        if best is None or best.error > CLOSE * least:
            self._advance(TRIAL * len(self._frames))
            return None
        run = video.careful(best, room)
        return run if video.error(run) < least else None
