"""Plain video of a given size: pictures are held for as many frames as looks best.

    size ─ CRF of each way to hold pictures ─ which is seen to be nearest to the source? ─ run

Fewer pictures leave more bits for each. What moves much needs them all; what stands still does not,
and at the lowest rates a sharp picture held is better than a blurred one that moves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from typing import Final

import numpy as np

from imfcodec.arrays import Picture
from imfcodec.bitstream import RunPacket, TokenPacket
from imfcodec.codec.pictures.av1 import MIN_CRF, in_quarters
from imfcodec.codec.pictures.av1_video import MAX_VIDEO_CRF, VideoDecoder
from imfcodec.codec.upcoming import Upcoming
from imfcodec.sender.judge import EVERY, RESTORED_VIDEO, VIDEO, Judge
from imfcodec.sender.runs import LONGEST_HOLD, RunSettings, coded_run, hold_of, restored_each
from imfcodec.sender.search import search
from imfcodec.sender.segment_coder import PicturePacket
from imfcodec.sender.source_frame import SourceFrame

HOLDS: Final = (1, 2, 3, 4, 6, 8, 12, 16, 24, LONGEST_HOLD)
"""Pictures are held for one of these numbers of frames."""

LONGEST_S: Final = Fraction(13, 10)
"""No picture is shown longer than this, in seconds."""

SMOOTH: Final = 0.95
"""Longer holds must lower the error to this share: a picture that stands still is seen."""

HOPELESS: Final = 2.0
"""Other holds and restoration hardly ever lower the error by this factor."""

PACKET_BYTES: Final = 12
"""About so much of the container goes with a packet."""

FIRST_CRF, CRF_PER_DOUBLING = 64.0, 9.0
"""Where the search for the CRF of plain video begins, and about what doubles its bytes."""

SLOPE: Final = math.log(2) / CRF_PER_DOUBLING
"""What one step of CRF adds to the logarithm of the bytes."""

TRIES: Final = 4
"""Plain video is coded again so many times at most, for each way to hold pictures."""

NEAR: Final = 0.95
"""Plain video that takes this share of the bytes is not tried again."""

QUICK: Final = 6
"""SVT-AV1 preset of the search."""

CAREFUL, COARSER = 3, 0.5
"""Video is coded with care so many times at most, and each time with at least so much more CRF."""

SEARCH, CODINGS = 0.3, 6
"""About how long the search takes, against coding with care, and in how many codings."""


def bytes_of(packet: PicturePacket | RunPacket) -> int:
    """About what a packet takes in the stream."""
    match packet:
        case RunPacket():
            size = sum(map(len, packet.units)) + len(packet.units)
        case TokenPacket():
            size = len(packet.payload)
        case _:
            size = len(packet.picture) + len(packet.token)
    return size + PACKET_BYTES


@dataclass(frozen=True)
class Plain:
    """Plain video.

    Attributes:
        settings: How it is coded.
        crf: Its CRF.
        packets: Its packets.
        error: Mean error as it is visible, once that is known.
    """

    settings: RunSettings
    crf: float
    packets: list[RunPacket]
    error: float = math.inf

    @property
    def size_bytes(self) -> int:
        """About what it takes in the stream."""
        return sum(map(bytes_of, self.packets))


class PlainVideo:
    """Codes the frames of one shot as plain video in different ways."""

    def __init__(
        self,
        frames: Sequence[SourceFrame],
        settings: RunSettings,
        judge: Judge,
        advance: Callable[[float], None],
        *,
        restores: bool,
    ) -> None:
        """Take the frames.

        Args:
            frames: At least one, all at coded size.
            settings: How runs are coded; the hold is chosen here.
            judge: Compares what comes out with the frames.
            advance: Called with how many more frames are done, perhaps 0: of `SEARCH` times their
                number in the search, and of their number when they are coded with care. What it
                raises ends the work.
            restores: Whether each picture may be restored; this is chosen here.
        """
        self._frames, self._settings, self._judge = frames, settings, judge
        self._advance, self._codings, self._restores = advance, 0, restores
        self._holds = [hold for hold in HOLDS if hold == 1 or hold <= settings.rate * LONGEST_S]
        self._looks = Upcoming(lambda: [judge.look(f.picture) for f in frames[::EVERY]])
        self._first = FIRST_CRF  # of the next search
        self._made: dict[tuple[int, float], Plain] = {}

    def prepare(self) -> None:
        """Do what any search begins with."""
        self._coded(hold_of(self._settings.rate), self._first)
        self._looks.get()

    def size_bytes(self, crf: float) -> int:
        """What the frames take with this CRF, each picture held as is usual, coded quickly.

        A CRF above the highest one, `MAX_VIDEO_CRF`, asks for less than AV1 can give.
        """
        hold, possible = hold_of(self._settings.rate), min(crf, MAX_VIDEO_CRF)
        self._first, usual = possible, self._coded(hold, possible)
        return math.floor(usual.size_bytes * 2 ** ((possible - crf) / CRF_PER_DOUBLING))

    def first(self, room_bytes: int) -> Plain | None:
        """A video of at most so many bytes, coded quickly and not judged.

        Pictures are held as usual, and longer if that is too large. None if nothing fits.
        """
        usual = hold_of(self._settings.rate)
        fitting = (self._within(hold, room_bytes) for hold in self._holds if hold >= usual)
        found = next(filter(None, fitting), None)
        self._count(CODINGS)
        return self._restored(found) if found and self._restores else found

    def best(self, room_bytes: int, rival: float = math.inf) -> Plain | None:
        """The best video of at most so many bytes, coded quickly.

        From the usual hold, shorter ones are tried as long as that helps, or else longer ones.
        Then each picture is restored, if that helps.

        Args:
            room_bytes: What it may take.
            rival: Error of something else. If the first video that fits is much worse, it is taken.

        Returns:
            None if nothing fits.
        """

        def is_enough(video: Plain | None) -> bool:
            return video is not None and video.error > HOPELESS * rival

        def within(hold: int) -> Plain | None:
            video = self._within(hold, room_bytes)
            return video and replace(video, error=self.error(video.packets))

        usual = hold_of(self._settings.rate)
        shorter = [hold for hold in reversed(self._holds) if hold < usual]
        longer = [hold for hold in self._holds if hold > usual]
        best = start = within(usual)
        for hold in shorter:
            if not best or is_enough(best):
                break
            video = within(hold)
            if not video or video.error > best.error:
                break
            best = video
        for hold in longer:
            if best is not start or is_enough(best):
                break
            video = within(hold)
            if best and (not video or video.error > SMOOTH * best.error):
                break
            best = start = video
        self._count(CODINGS)
        if best and self._restores and not is_enough(best):
            restored = self._restored(best)
            restored = replace(restored, error=self.error(restored.packets))
            best = min(best, restored, key=lambda video: video.error)
        return best

    def smallest(self) -> Plain:
        """The smallest video there is."""
        return self._coded(self._holds[-1], MAX_VIDEO_CRF)

    def careful(self, best: Plain, room_bytes: float = math.inf) -> list[RunPacket]:
        """Code with care what was found to be best.

        At equal CRF it takes about the same bytes. If these are more than there is room for, the
        CRF rises. If `CAREFUL` codings are too large, the quick one stays.
        """
        settings = replace(best.settings, preset=self._settings.preset)
        crf, advance = best.crf, self._advance
        for _ in range(CAREFUL):
            run = coded_run(self._frames, crf, settings, advance)
            excess = sum(map(bytes_of, run)) / room_bytes
            if excess <= 1:
                return run
            if crf == MAX_VIDEO_CRF:
                break
            crf = min(crf + max(COARSER, CRF_PER_DOUBLING * math.log2(excess)), MAX_VIDEO_CRF)
            advance = _nobody  # the progress of these frames has been told
        return best.packets

    def error(self, packets: Sequence[RunPacket]) -> float:
        """Mean error of a run as it is visible."""
        looks = map(self._judge.look, self.shown(packets, EVERY))
        errors = map(self._judge.distance, looks, self._looks.get())
        times = RESTORED_VIDEO if packets[0].restores_each else VIDEO
        return times * float(np.mean(list(errors)))

    def shown(self, packets: Sequence[RunPacket], every: int = 1) -> Iterator[Picture]:
        """The picture that a run shows in each frame, or in one of so many.

        What R adds to the first picture alone is left out.
        """
        height, width = self._frames[0].picture.shape[:2]
        decoder = VideoDecoder(width, height)
        pictures = map(decoder.decode, (unit for packet in packets for unit in packet.units))
        held = (picture for picture in pictures for _ in range(packets[0].hold))
        shown = islice(held, 0, len(self._frames), every)
        if not packets[0].restores_each:
            return shown
        return (self._judge.restored(picture, packets[0].restoration) for picture in shown)

    @staticmethod
    def _restored(video: Plain) -> Plain:
        """The same video, whose every picture is restored."""
        settings = restored_each(video.settings, video.crf)
        first, *others = video.packets
        first = replace(
            first, restoration=settings.restoration, restores_each=settings.restores_each
        )
        return replace(video, settings=settings, packets=[first, *others])

    def _within(self, hold: int, room_bytes: int) -> Plain | None:
        """Video of at most so many bytes; None if there is none."""
        videos: dict[float, Plain] = {}

        def excess(setting: float) -> float:
            """Of this CRF, whose sign is turned: a lower one gives more bytes."""
            videos[setting] = self._coded(hold, -setting)
            return math.log(videos[setting].size_bytes / room_bytes)

        first = self._first
        tried = {-first: excess(-first)}
        limits = (-float(MAX_VIDEO_CRF), -float(MIN_CRF))
        search(tried, excess, SLOPE, (math.log(NEAR), 0.0), limits, TRIES)
        fitting = [setting for setting in tried if tried[setting] <= 0]
        self._first = -max(fitting, default=min(tried))
        if not fitting:
            return None
        return videos[max(fitting)]

    def _coded(self, hold: int, crf: float) -> Plain:
        way = hold, in_quarters(crf)
        if way not in self._made:
            preset = max(QUICK, self._settings.preset)
            settings = replace(self._settings, hold=hold, preset=preset)
            run = coded_run(self._frames, crf, settings, lambda frames: self._advance(0))
            self._made[way] = Plain(settings, crf, run)
            self._count(1)
        return self._made[way]

    def _count(self, codings: int) -> None:
        """The search has come so much further."""
        codings = min(codings, CODINGS - self._codings)
        self._codings += codings
        if codings:
            self._advance(SEARCH * codings / CODINGS * len(self._frames))


def _nobody(frames: float) -> None:
    """Take progress that nobody wants to hear of."""
