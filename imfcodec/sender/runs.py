"""AV1 runs: frames of one shot to packets."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import accumulate
from typing import Final

from imfcodec.bitstream import FORMAT_LIMITS, RunPacket
from imfcodec.codec.pictures.av1_video import encode_video
from imfcodec.codec.restoration_strength import restoration_field
from imfcodec.sender.source_frame import SourceFrame

RUN_S: Final = Fraction(60)
"""Longest run in seconds, so that what is lost comes back."""

RUN_BYTES: Final = 160 << 20
"""Pictures of a run take at most so much memory."""

PACKET_S: Final = Fraction(3)
"""Longest duration of the frames in one packet, in seconds."""

PACKET_BYTES: Final = 3 << 18
"""Pictures of one packet take at most so many bytes, of the 1 MiB that the format allows it."""

PICTURES_PER_S: Final = Fraction(25, 2)
"""About so many pictures are shown in a second as a rule, each for a whole number of frames."""

LONGEST_HOLD: Final = 32
"""Largest number of these frames; the format allows no more."""

FULL, NONE = 0, 3
"""Codes of restoration strengths (`STRENGTHS`): very coarse pictures need the full one."""


@dataclass(frozen=True)
class RunSettings:
    """How runs are coded.

    Attributes:
        preset: SVT-AV1 preset.
        time_base: Seconds per tick.
        rate: Frames per second.
        hold: Frames for which each picture is shown.
        restoration: Code of the restoration strength.
        restores_each: Whether each picture is restored by itself, and not only the first one.
    """

    preset: int
    time_base: Fraction
    rate: Fraction
    hold: int = 1
    restoration: int = NONE
    restores_each: bool = False


def hold_of(rate: Fraction) -> int:
    """Frames for which each picture is shown as a rule, at so many frames per second."""
    return min(LONGEST_HOLD, max(1, math.floor(rate / PICTURES_PER_S)))


def restored_each(settings: RunSettings, crf: float) -> RunSettings:
    """The settings of a run whose every picture is restored, unless they are too fine for that."""
    code = restoration_field(crf, predicted=False)
    return replace(settings, restoration=code, restores_each=code != NONE)


def is_full(frames: Sequence[SourceFrame], frame: SourceFrame, time_base: Fraction) -> bool:
    """Whether a run of these frames, perhaps none, has no room for the next one."""
    if not frames:
        return False
    long = (frame.pts - frames[0].pts) * time_base >= RUN_S
    return long or len(frames) * frames[0].picture.nbytes >= RUN_BYTES


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
        advance: Called several times a second with how many more frames are coded, perhaps 0.
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
                restores_each=settings.restores_each and not begin,
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
