"""The whole picture coded in two ways, of which the better one is kept.

    frames ─┬─ Layer ── key frames and tokens ─┬─ which is seen to be nearer to the source?
            └─ AV1 of as many bytes ───────────┘

Tokens follow a head that talks. What moves in other ways, plain video shows better.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np

from imfcodec.bitstream import RunPacket
from imfcodec.codec.stages import StageTimes
from imfcodec.codec.upcoming import begun
from imfcodec.media.geometry import CodingGeometry
from imfcodec.sender.judge import VIDEO, Judge
from imfcodec.sender.layer import Layer
from imfcodec.sender.layout.layout import LayoutPacket
from imfcodec.sender.layout.placing import PlacedFrame
from imfcodec.sender.monitor import psnr_of
from imfcodec.sender.plain_video import SEARCH, PlainVideo, bytes_of
from imfcodec.sender.runs import RunSettings, is_full
from imfcodec.sender.segment_coder import PicturePacket
from imfcodec.sender.source_frame import SourceFrame

TRIAL: Final = 0.3
"""How long plain video takes in each frame, against the layer."""

CLOSE: Final = 1.25
"""Plain video that was coded quickly and has at most so many times the error is coded with care."""


class BetterOf:
    """See `Stretch`."""

    def __init__(
        self,
        geometry: CodingGeometry,
        layer_of: Callable[[Judge], Layer],
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
            layer_of: Makes the layer, which shows the judge what it codes.
            judge: Compares both.
            settings: How plain video is coded.
            stages: Takes the time of each stage.
            psnr_db: Of all frames that are measured; the layer's come last.
            advance: Called with how many more frames are done.
            workers: Begin the plain video while the layer is coded.
        """
        self._geometry, self._layer, self._judge = geometry, layer_of(judge), judge
        self._settings, self._stages, self._advance = settings, stages, advance
        self._workers = workers
        self._psnr_db, self._measured = psnr_db, len(psnr_db)
        self._frames: list[SourceFrame] = []
        self._packets: list[PicturePacket] = []
        self.name = "whole"

    @property
    def given(self) -> float:
        """See `Stretch`."""
        return (1 + TRIAL * (SEARCH + 1)) * len(self._frames)

    @property
    def key_config(self) -> bytes:
        """See `Stretch`."""
        return self._layer.key_config

    def takes(self, placed: PlacedFrame) -> bool:
        """See `Stretch`."""
        return not (placed.cut or is_full(self._frames, placed.frame, self._settings.time_base))

    def push(self, placed: PlacedFrame) -> Iterator[LayoutPacket]:
        """See `Stretch`; there are no packets before `flush`."""
        frame = placed.frame
        coded = replace(frame, picture=self._geometry.to_coded(frame.picture))
        self._frames.append(coded)
        self._packets += self._layer.push(coded)
        return iter(())

    def flush(self, *, more: bool) -> Iterator[LayoutPacket]:
        """See `Stretch`."""
        video = PlainVideo(
            self._frames, self._settings, self._judge, lambda n: self._advance(TRIAL * n)
        )
        prepared = begun(partial(self._prepare, video), self._workers)
        self._packets += self._layer.flush()
        prepared()
        with self._stages.timed("AV1 run"):
            run = self._better(video, float(np.mean(self._judge.errors)))
        if run:
            self.name = "av1"
            if len(self._psnr_db) > self._measured:
                pairs = zip(video.shown(run), self._frames, strict=True)
                of_run = [psnr_of(shown[None], [frame.picture])[0] for shown, frame in pairs]
                self._psnr_db[self._measured :] = of_run
        yield from run or self._packets

    def _prepare(self, video: PlainVideo) -> None:
        with self._stages.timed("AV1 run"):
            video.prepare()

    def _better(self, video: PlainVideo, least: float) -> list[RunPacket] | None:
        """Plain video of nearly as many bytes and less than this error; None if there is none."""
        room = sum(map(bytes_of, self._packets))
        best = video.best(room, least / VIDEO)
        if best is None or VIDEO * best.error > CLOSE * least:
            self._advance(TRIAL * len(self._frames))
            return None
        run = video.careful(best, room)
        return run if VIDEO * video.error(run) < least else None
