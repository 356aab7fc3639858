"""One clock for picture and sound where the source's clock jumps.

    source     1.4 ......... 4.4 | 1.4 ......... 4.4     two recordings joined
    shift      0                 | 3.0
    result     1.4 ......... 4.4   4.4 ......... 7.4

Joined files and restarted streams make all tracks jump at once. Each must move by the same time,
or the sound no longer fits the picture. The packets' timestamps are moved before they are decoded,
so that nothing after this module sees a jump.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

from av import Packet

BACK_S: Final = Fraction(1, 4)
"""A track whose clock falls back by more than this has been restarted, in seconds."""

_REORDERED: Final = 8
"""Pictures without dts may be out of order by so many steps."""

GAP_S: Final = Fraction(10)
"""A gap in all tracks that is longer than this is closed, in seconds."""

_MAX_HELD: Final = 256
"""Sound packets that may wait to learn by how much the picture has moved."""


@dataclass
class _Track:
    """Where one track stands.

    Attributes:
        end_s: end of its last packet on the source's clock; None before the first.
        shift_s: what is added to its timestamps.
    """

    end_s: Fraction | None = None
    shift_s: Fraction = field(default=Fraction(0))


class Splicer:
    """Moves the packets of a video track and a sound track onto one clock without jumps.

    The picture decides: its next packet follows the last one. Sound that jumps first waits for it.

    Attributes:
        restarts: how often the clock fell back.
        gaps_s: the gaps that were closed, in seconds.
    """

    def __init__(self, video_index: int, video_step_s: Fraction) -> None:
        """Prepare.

        Args:
            video_index: stream index of the video track.
            video_step_s: duration of a video packet that declares none, in seconds.
        """
        self.restarts = 0
        self.gaps_s: list[float] = []
        self._video_index = video_index
        self._step_s = video_step_s
        self._video = _Track()
        self._sound = _Track()
        self._held: deque[Packet[Any]] = deque()

    def push(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        """Take the next packet of the file; yield packets in order within each track."""
        if packet.stream_index == self._video_index:
            if self._jumps(self._video, packet):
                self._restart_video(packet)
                yield self._moved(self._video, packet)
                yield from self._release()
            else:
                yield self._moved(self._video, packet)
        elif not self._held and self._follows_picture(packet):
            self._sound.shift_s = self._video.shift_s
            yield self._moved(self._sound, packet)
        elif self._held or self._jumps(self._sound, packet):
            self._held.append(packet)
            if len(self._held) >= _MAX_HELD:
                yield from self._release()
        else:
            yield self._moved(self._sound, packet)

    def finish(self) -> Iterator[Packet[Any]]:
        """Yield what still waits."""
        yield from self._release()

    def _restart_video(self, packet: Packet[Any]) -> None:
        video, begin = self._video, _begin_s(packet)
        assert video.end_s is not None
        assert begin is not None
        self._account(begin - video.end_s)
        video.shift_s += video.end_s - begin

    def _release(self) -> Iterator[Packet[Any]]:
        if not self._held:
            return
        if self._sound.shift_s == self._video.shift_s:  # the picture has not jumped: carry on
            begin = _begin_s(self._held[0])
            if begin is not None and self._sound.end_s is not None:
                self._account(begin - self._sound.end_s)
                self._sound.shift_s += self._sound.end_s - begin
        else:
            self._sound.shift_s = self._video.shift_s
        while self._held:
            yield self._moved(self._sound, self._held.popleft())

    def _account(self, jump_s: Fraction) -> None:
        if jump_s < 0:
            self.restarts += 1
        else:
            self.gaps_s.append(float(jump_s))

    def _jumps(self, track: _Track, packet: Packet[Any]) -> bool:
        begin = _begin_s(packet)
        if begin is None or track.end_s is None:
            return False
        reorder_s = self._step_s * (1 if packet.dts is not None else _REORDERED)
        if begin < track.end_s - BACK_S - reorder_s:
            return True
        # Where the other track goes on, this one only pauses.
        ends = (one.end_s for one in (self._video, self._sound) if one.end_s is not None)
        return begin > max(ends) + GAP_S

    def _follows_picture(self, packet: Packet[Any]) -> bool:
        """Whether the picture has jumped already, and this packet of the sound is from there."""
        begin = _begin_s(packet)
        video, sound = self._video, self._sound
        if begin is None or video.shift_s == sound.shift_s:
            return False
        if video.end_s is None or sound.end_s is None:
            return True
        return abs(begin - video.end_s) < abs(begin - sound.end_s)

    def _moved(self, track: _Track, packet: Packet[Any]) -> Packet[Any]:
        begin = _begin_s(packet)
        if begin is not None:
            step = self._step_s if track is self._video else Fraction(0)
            duration = (packet.duration or 0) * packet.time_base or step
            track.end_s = begin + duration
        if track.shift_s:
            ticks = round(track.shift_s / packet.time_base)
            if packet.pts is not None:
                packet.pts += ticks
            if packet.dts is not None:
                packet.dts += ticks
        return packet


def _begin_s(packet: Packet[Any]) -> Fraction | None:
    """When a packet is decoded: pts of pictures are not in order."""
    stamp = packet.dts if packet.dts is not None else packet.pts
    return None if stamp is None or not packet.time_base else stamp * packet.time_base
