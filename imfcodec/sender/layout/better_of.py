"""The whole picture coded in two ways, of which the better one is kept.

    frames ─┬─ Layer ── key frames and tokens ─┬─ which is seen to be nearer to the source?
            └─ AV1 of as many bytes ───────────┘

Tokens follow a head that talks. What moves in other ways, plain video shows better.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

import numpy as np

from imfcodec.arrays import Picture
from imfcodec.bitstream import RunPacket, TokenPacket
from imfcodec.codec.pictures.av1 import MIN_CRF
from imfcodec.codec.pictures.av1_video import MAX_VIDEO_CRF, VideoDecoder
from imfcodec.codec.stages import StageTimes
from imfcodec.media.geometry import CodingGeometry
from imfcodec.sender.judge import EVERY, VIDEO, Judge
from imfcodec.sender.layer import Layer
from imfcodec.sender.layout.layout import LayoutPacket
from imfcodec.sender.layout.placing import PlacedFrame
from imfcodec.sender.monitor import psnr_of
from imfcodec.sender.run_coder import RunSettings, coded_run, is_full
from imfcodec.sender.segment_coder import PicturePacket
from imfcodec.sender.source_frame import SourceFrame

PACKET_BYTES: Final = 12
"""About so much of the container goes with a packet."""

FIRST_CRF, CRF_PER_DOUBLING = 64.0, 9.0
"""Where the search for the CRF of plain video begins, and what doubles its bytes."""

TRIES: Final = 3
"""Plain video is coded so many times at most, for each way to hold pictures."""

TRIAL: Final = 0.4
"""About how long the trial of plain video takes, against the work of the layer."""

NEAR: Final = 0.95
"""Plain video that takes this share of the bytes is not tried again."""

QUICK: Final = 6
"""SVT-AV1 preset of the search ..."""

CLOSE: Final = 1.1
"""... after which plain video with at most so many times the error is coded with care."""


class BetterOf:
    """See `Stretch`."""

    def __init__(
        self,
        geometry: CodingGeometry,
        layer_of: Callable[[Judge], Layer],
        judge: Judge,
        runs: Sequence[RunSettings],
        stages: StageTimes,
        psnr_db: list[float],
        advance: Callable[[float], None],
    ) -> None:
        """Take what does the work.

        Args:
            geometry: Sizes of the picture.
            layer_of: Makes the layer, which shows the judge what it codes.
            judge: Compares both.
            runs: Ways to code plain video.
            stages: Takes the time of each stage.
            psnr_db: Of all frames that are measured; the layer's come last.
            advance: Called with how many more frames are done.
        """
        self._geometry, self._layer, self._judge = geometry, layer_of(judge), judge
        self._psnr_db, self._measured = psnr_db, len(psnr_db)
        self._runs, self._stages, self._advance = runs, stages, advance
        self._frames: list[SourceFrame] = []
        self._packets: list[PicturePacket] = []
        self.name = "whole"

    @property
    def given(self) -> float:
        """See `Stretch`."""
        return (1 + TRIAL) * len(self._frames)

    @property
    def key_config(self) -> bytes:
        """See `Stretch`."""
        return self._layer.key_config

    def takes(self, placed: PlacedFrame) -> bool:
        """See `Stretch`."""
        full = any(is_full(self._frames, placed.frame, run) for run in self._runs)
        return not (placed.cut or full)

    def push(self, placed: PlacedFrame) -> Iterator[LayoutPacket]:
        """See `Stretch`; there are no packets before `flush`."""
        frame = placed.frame
        coded = replace(frame, picture=self._geometry.to_coded(frame.picture))
        self._frames.append(coded)
        self._packets += self._layer.push(coded)
        return iter(())

    def flush(self, *, more: bool) -> Iterator[LayoutPacket]:
        """See `Stretch`."""
        self._packets += self._layer.flush()
        with self._stages.timed("AV1 run"):
            run = self._better(float(np.mean(self._judge.errors)))
        if run:
            self.name = "av1"
            if len(self._psnr_db) > self._measured:
                pairs = zip(self._decoded(run), self._frames, strict=True)
                of_run = [psnr_of(shown[None], [frame.picture])[0] for shown, frame in pairs]
                self._psnr_db[self._measured :] = of_run
        yield from run or self._packets

    def _better(self, least: float) -> list[RunPacket] | None:
        """Plain video of nearly as many bytes and less than this error; None if there is none."""
        room = sum(map(_bytes, self._packets))
        tried = []
        for settings in self._runs:
            plain = self._quickly(replace(settings, preset=max(QUICK, settings.preset)), room)
            tried += [plain] if plain else []
            self._advance(TRIAL / 2 * len(self._frames) / len(self._runs))
        best = min(tried, key=lambda plain: plain.error, default=None)
        if best is None or best.error > CLOSE * least:
            self._advance(TRIAL / 2 * len(self._frames))
            return None
        careful = replace(best.settings, preset=self._runs[0].preset)
        run = coded_run(self._frames, best.crf, careful, lambda n: self._advance(TRIAL / 2 * n))
        error = best.error
        if sum(map(_bytes, run)) > room:
            run = best.run
        else:
            error = self._error(run)
        return run if error < least else None

    def _quickly(self, settings: RunSettings, room: int) -> _Plain | None:
        """Plain video of at most so many bytes, coded quickly; None if there is none."""
        crf, found = FIRST_CRF, list[RunPacket]()
        low, high = float(MIN_CRF), float(MAX_VIDEO_CRF)  # too large below, small enough above
        for _ in range(TRIES):
            run = coded_run(self._frames, crf, settings)
            size = sum(map(_bytes, run))
            if size <= room:
                high, found = crf, run
            else:
                low = crf
            if high - low < 1 or NEAR * room <= size <= room:
                break
            wanted = crf + CRF_PER_DOUBLING * math.log2(size / (0.98 * room))
            crf = min(max(wanted, low + 0.25), high - 0.25)
        return _Plain(settings, high, found, self._error(found)) if found else None

    def _error(self, run: list[RunPacket]) -> float:
        """Mean error of a run as the receiver shows it."""
        pairs = islice(zip(self._decoded(run), self._frames, strict=True), 0, None, EVERY)
        errors = [self._judge.compare([shown], [frame.picture]) for shown, frame in pairs]
        return VIDEO * float(np.mean(errors))

    def _decoded(self, run: list[RunPacket]) -> Iterator[Picture]:
        """The picture that a run shows in each of the frames."""
        decoder = VideoDecoder(*self._geometry.coded)
        pictures = map(decoder.decode, (unit for packet in run for unit in packet.units))
        shown = (picture for picture in pictures for _ in range(run[0].hold))
        return islice(shown, len(self._frames))


@dataclass(frozen=True)
class _Plain:
    """Plain video, its CRF and its error."""

    settings: RunSettings
    crf: float
    run: list[RunPacket]
    error: float


def _bytes(packet: PicturePacket | RunPacket) -> int:
    """About what a packet takes in the stream."""
    match packet:
        case RunPacket():
            size = sum(map(len, packet.units)) + len(packet.units)
        case TokenPacket():
            size = len(packet.payload)
        case _:
            size = len(packet.picture) + len(packet.token)
    return size + PACKET_BYTES
