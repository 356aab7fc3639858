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

RUN_S: Final = Fraction(20)
"""Longest run in seconds, so that what is lost comes back."""

RUN_BYTES: Final = 160 << 20
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

FULL, NONE = 0, 3
"""Codes of restoration strengths (`STRENGTHS`): very coarse pictures need the full one."""


@dataclass(frozen=True)
class RunSettings:
    """How runs are coded.

    Attributes:
        preset: SVT-AV1 preset.
        hold: Frames for which each picture is shown.
        time_base: Seconds per tick.
        rate: Frames per second.
        restoration: Code of the restoration strength of the first picture.
    """

    preset: int
    hold: int
    time_base: Fraction
    rate: Fraction
    restoration: int = NONE


def hold_of(rate: Fraction) -> int:
    """Frames for which each picture is shown, at so many frames per second."""
    return min(LONGEST_HOLD, max(1, math.floor(rate / PICTURES_PER_S)))


def is_full(frames: Sequence[SourceFrame], frame: SourceFrame, settings: RunSettings) -> bool:
    """Whether a run of these frames, perhaps none, has no room for the next one."""
    if not frames:
        return False
    pictures = -(-len(frames) // settings.hold)
    long = (frame.pts - frames[0].pts) * settings.time_base >= RUN_S
    return long or pictures * frames[0].picture.nbytes >= RUN_BYTES


def coded_run(
    frames: Sequence[SourceFrame],
    crf: float,
    settings: RunSettings,
    advance: Callable[[float], None] = lambda frames: None,
) -> list[RunPacket]:
    """Code frames of one shot as a run.

    Args:
        frames: At least one, all at coded size.
        crf: AV1 quality (CRF).
        settings: How runs are coded.
        advance: Called with how many more frames are coded.
    """
    hold = settings.hold
    pictures = [frame.picture for frame in frames[::hold]]
    shown = len(frames) / len(pictures)
    units = encode_video(
        pictures, settings.rate / hold, crf, settings.preset, lambda n: advance(n * shown)
    )
    packets, begin = [], 0
    while begin < len(frames):
        end = _packet_end(frames, units, begin, settings)
        packets.append(
            RunPacket(
                frames[begin].number,
                tuple(frame.pts for frame in frames[begin:end]),
                tuple(units[begin // hold : -(-end // hold)]),
                hold,
                begins=begin == 0,
                restoration=0 if begin else settings.restoration,
            )
        )
        begin = end
    return packets


def _packet_end(
    frames: Sequence[SourceFrame], units: Sequence[bytes], begin: int, settings: RunSettings
) -> int:
    """Where the packet ends that begins with this frame of a run."""
    hold = settings.hold
    end_pts = frames[begin].pts + PACKET_S / settings.time_base
    in_time = bisect_left(frames, end_pts, begin, key=lambda f: Fraction(f.pts)) - begin
    most = min(in_time, FORMAT_LIMITS.max_frames_per_packet) // hold
    sizes_bytes = accumulate(map(len, units[begin // hold :][:most]))
    fit = sum(size_bytes <= PACKET_BYTES for size_bytes in sizes_bytes)
    return begin + max(1, fit) * hold


class RunCoder:
    """Collects the frames of the base and codes them run by run."""

    def __init__(
        self,
        settings: RunSettings,
        rate: Callable[[Segment], SegmentSettings],
        stages: StageTimes,
        advance: Callable[[float], None] = lambda frames: None,
    ) -> None:
        """Set up.

        Args:
            settings: How runs are coded.
            rate: The settings of the next segment.
            stages: Takes the time of each stage.
            advance: As for `coded_run`.
        """
        self._settings, self._rate, self._stages, self._advance = settings, rate, stages, advance
        self._frames: list[SourceFrame] = []

    def push(self, frame: SourceFrame, *, cut: bool) -> Iterator[RunPacket]:
        """Take the next frame, and whether it begins a shot; yield the packets of a whole run."""
        if self._frames and (cut or is_full(self._frames, frame, self._settings)):
            yield from self.flush()
        if len(self._frames) % self._settings.hold:  # it is not shown, and must not take memory
            frame = replace(frame, picture=self._frames[-1].picture)
        self._frames.append(frame)

    def flush(self) -> Iterator[RunPacket]:
        """Yield the packets of the frames that are left."""
        frames, self._frames = self._frames, []
        if not frames:
            return
        crf = min(MAX_VIDEO_CRF, self._rate(Segment(frames)).key_crf + COARSER)
        with self._stages.timed("AV1 run"):
            packets = coded_run(frames, crf, self._settings, self._advance)
        yield from packets
