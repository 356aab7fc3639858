"""AV1 runs of the base: frames to packets."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import accumulate
from typing import Final

from imfcodec.bitstream import FORMAT_LIMITS, RunPacket
from imfcodec.codec.pictures.av1_video import MAX_VIDEO_CRF, encode_video
from imfcodec.codec.stages import StageTimes
from imfcodec.sender.rate import SegmentSettings
from imfcodec.sender.segment import Segment
from imfcodec.sender.source_frame import SourceFrame

RUN_S: Final = Fraction(15)
"""Longest run in seconds, so that what is lost comes back."""

RUN_BYTES: Final = 96 << 20
"""Pictures of a run take at most so much memory."""

PACKET_S: Final = Fraction(3)
"""Longest duration of the frames in one packet, in seconds."""

PACKET_BYTES: Final = 3 << 18
"""Pictures of one packet take at most so many bytes, of the 1 MiB that the format allows it."""

PICTURES_PER_S: Final = Fraction(25, 2)
"""About so many pictures are shown in a second: each is held for a whole number of frames."""

LONGEST_HOLD: Final = 8
"""Largest number of these frames; the format allows no more."""

COARSER: Final = 32
"""Added to the CRF of key pictures: a run keeps refining what stands still."""

RESTORATION: Final = 0
"""Code of the restoration strength: such coarse pictures are restored at full strength."""


@dataclass(frozen=True)
class RunSettings:
    """How runs are coded.

    Attributes:
        preset: SVT-AV1 preset.
        hold: Frames for which each picture is shown.
        time_base: Seconds per tick.
        rate: Frames per second.
    """

    preset: int
    hold: int
    time_base: Fraction
    rate: Fraction


def hold_of(rate: Fraction) -> int:
    """Frames for which each picture is shown, at so many frames per second."""
    return min(LONGEST_HOLD, max(1, math.floor(rate / PICTURES_PER_S)))


class RunCoder:
    """Collects the frames of a run and codes them as plain AV1 video."""

    def __init__(
        self,
        settings: RunSettings,
        rate: Callable[[Segment], SegmentSettings],
        stages: StageTimes,
        advance: Callable[[int], None] = lambda frames: None,
    ) -> None:
        """Set up.

        Args:
            settings: How runs are coded.
            rate: The settings of the next segment.
            stages: Takes the time of each stage.
            advance: Called with how many more frames are taken; coding them takes little.
        """
        self._settings, self._rate, self._stages, self._advance = settings, rate, stages, advance
        self._frames: list[SourceFrame] = []

    def push(self, frame: SourceFrame, *, cut: bool) -> Iterator[RunPacket]:
        """Take the next frame, and whether it begins a shot; yield the packets of a whole run."""
        if self._frames and (cut or self._is_full(frame)):
            yield from self.flush()
        if len(self._frames) % self._settings.hold:  # it is not shown, and must not take memory
            frame = replace(frame, picture=self._frames[-1].picture)
        self._frames.append(frame)
        self._advance(1)

    def flush(self) -> Iterator[RunPacket]:
        """Yield the packets of the frames that are left."""
        frames, self._frames = self._frames, []
        if not frames:
            return
        hold = self._settings.hold
        crf = min(MAX_VIDEO_CRF, self._rate(Segment(frames)).key_crf + COARSER)
        pictures = [frame.picture for frame in frames[::hold]]
        with self._stages.timed("AV1 run"):
            units = encode_video(pictures, self._settings.rate / hold, crf, self._settings.preset)
        begin = 0
        while begin < len(frames):
            end = self._packet_end(frames, units, begin)
            yield RunPacket(
                frames[begin].number,
                tuple(frame.pts for frame in frames[begin:end]),
                tuple(units[begin // hold : -(-end // hold)]),
                hold,
                begins=begin == 0,
                restoration=0 if begin else RESTORATION,
            )
            begin = end

    def _packet_end(self, frames: Sequence[SourceFrame], units: Sequence[bytes], begin: int) -> int:
        """Where the packet ends that begins with this frame of a run."""
        hold = self._settings.hold
        end_pts = frames[begin].pts + PACKET_S / self._settings.time_base
        in_time = bisect_left(frames, end_pts, begin, key=lambda f: Fraction(f.pts)) - begin
        most = min(in_time, FORMAT_LIMITS.max_frames_per_packet) // hold
        sizes_bytes = accumulate(map(len, units[begin // hold :][:most]))
        fit = sum(size_bytes <= PACKET_BYTES for size_bytes in sizes_bytes)
        return begin + max(1, fit) * hold

    def _is_full(self, frame: SourceFrame) -> bool:
        pictures = -(-len(self._frames) // self._settings.hold)
        long = (frame.pts - self._frames[0].pts) * self._settings.time_base >= RUN_S
        return long or pictures * frame.picture.nbytes >= RUN_BYTES
