"""One clock for picture and sound where the source's clock jumps.

    source     1.4 ......... 4.4 | 1.4 ......... 4.4     two recordings joined
    shift      0                 | 3.0
    result     1.4 ......... 4.4   4.4 ......... 7.4

Joined files and restarted streams make all tracks jump at once. Each must move by the same time,
or the sound no longer fits the picture. The packets' timestamps are moved before they are decoded,
so that nothing after this module sees a jump.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

from av import Packet

BACK_S: Final = Fraction(1, 4)
"""A track whose clock falls back by more than this has been restarted, in seconds."""

GAP_S: Final = Fraction(10)
"""A gap in all tracks that is longer than this is closed, in seconds."""

GAPPY: Final = frozenset(("mpegts", "mpeg", "flv", "h264", "hevc", "aac", "mp3"))
"""Formats whose clock may jump ahead. Elsewhere a gap is meant: a screen that stands still."""

_REORDERED_S: Final = Fraction(2)
"""Without dts, pictures are out of order by less than this, in seconds."""

_MAX_HELD: Final = 256
"""Sound packets that may wait to learn by how much the picture has moved."""


@dataclass
class _Track:
    """Where one track stands.

    Attributes:
        is_video: Whether its packets may lack dts and come out of order.
        step_s: duration of a packet that declares none, in seconds.
        end_s: end of its last packet on the source's clock; None before the first.
        ordered: whether that end came from a dts, or from a track without reordering.
        shift_s: what is added to its timestamps.
        held: packets after a jump that has yet to be confirmed.
    """

    is_video: bool
    step_s: Fraction
    end_s: Fraction | None = None
    ordered: bool = True
    shift_s: Fraction = field(default=Fraction(0))
    held: list[Packet[Any]] = field(default_factory=list)

    def jump_s(self, packet: Packet[Any], latest_s: Fraction | None) -> Fraction:
        """How far the clock jumps at a packet, in seconds; 0 if it does not.

        Args:
            packet: the next one.
            latest_s: end of the last packet of all tracks, None before the first.
        """
        begin = _begin_s(packet)
        if begin is None or self.end_s is None or latest_s is None:
            return Fraction(0)
        if not self.ordered and packet.dts is not None:
            return Fraction(0)  # the first dts: what came before lay ahead of it
        back_s = BACK_S + self.step_s
        if not self.ordered:
            back_s = max(back_s, _REORDERED_S, self.step_s * 8)
        if begin < self.end_s - back_s or begin > latest_s + GAP_S:
            return begin - self.end_s
        return Fraction(0)

    def move(self, packet: Packet[Any]) -> Packet[Any]:
        """Put a packet onto the common clock; the track then stands at its end."""
        begin = _begin_s(packet)
        if begin is not None:
            duration_s = (packet.duration or 0) * packet.time_base or self.step_s
            self.end_s = begin + duration_s
            self.ordered = packet.dts is not None or not self.is_video
        return _shifted(packet, self.shift_s)


class Splicer:
    """Moves the packets of a video track and a sound track onto one clock without jumps.

    The picture decides: its next packet follows the last one. Sound that jumps first waits for it.
    A jump counts once a second packet confirms it; a single wrong timestamp is put right.
    Where gaps are meant, a jump ahead moves nothing.

    Attributes:
        restarts: how often the clock fell back.
        gaps_s: the gaps that were closed, in seconds.
        strays: packets whose timestamp fitted neither before nor after.
    """

    def __init__(self, video_index: int, video_step_s: Fraction, *, closes_gaps: bool) -> None:
        """Prepare.

        Args:
            video_index: stream index of the video track.
            video_step_s: duration of a video packet that declares none, in seconds.
            closes_gaps: whether a gap in all tracks is no intention.
        """
        self.restarts = 0
        self.gaps_s: list[float] = []
        self.strays = 0
        self._video_index = video_index
        self._closes_gaps = closes_gaps
        self._video = _Track(True, video_step_s)
        self._sound = _Track(False, Fraction(0))

    def push(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        """Take the next packet of the file; yield packets in order within each track."""
        video, sound = self._video, self._sound
        if packet.stream_index == self._video_index:
            if not video.jump_s(packet, self._latest_s):
                yield from self._put_right(video)
                yield video.move(packet)
            elif not video.held:
                video.held.append(packet)
            else:
                yield from self._restart(video)
                yield from self.push(packet)
                yield from self._follow_picture()
            return
        if sound.shift_s != video.shift_s and self._is_past_the_jump(packet):
            sound.shift_s = video.shift_s
            yield sound.move(packet)
        elif not sound.jump_s(packet, self._latest_s):
            yield from self._put_right(sound)
            yield sound.move(packet)
        else:
            sound.held.append(packet)
            ahead = sound.jump_s(packet, self._latest_s) > 0
            meant = ahead and not self._closes_gaps and len(sound.held) > 1
            if meant or len(sound.held) >= _MAX_HELD:
                yield from self._restart(sound)

    def finish(self) -> Iterator[Packet[Any]]:
        """Yield what still waits."""
        for track in (self._video, self._sound):
            alone = len(track.held) == 1
            ahead = alone and track.jump_s(track.held[0], self._latest_s) > 0
            # A last packet that nothing confirms: a screen may stand still up to it.
            wrong = alone and (self._closes_gaps or not ahead)
            yield from self._put_right(track) if wrong else self._restart(track)

    @property
    def _latest_s(self) -> Fraction | None:
        return max(
            (t.end_s for t in (self._video, self._sound) if t.end_s is not None), default=None
        )

    def _restart(self, track: _Track) -> Iterator[Packet[Any]]:
        """A jump is confirmed: the held packets follow the last one."""
        held, track.held = track.held, []
        if not held:
            return
        jump_s = track.jump_s(held[0], self._latest_s)
        if jump_s < 0:
            self.restarts += 1
            track.shift_s -= jump_s
        elif self._closes_gaps:
            self.gaps_s.append(float(jump_s))
            track.shift_s -= jump_s
        for packet in held:
            yield track.move(packet)

    def _follow_picture(self) -> Iterator[Packet[Any]]:
        """The picture has jumped: sound that waits moves with it."""
        sound = self._sound
        if sound.held and self._is_past_the_jump(sound.held[0]):
            held, sound.held = sound.held, []
            sound.shift_s = self._video.shift_s
            for packet in held:
                yield sound.move(packet)

    def _put_right(self, track: _Track) -> Iterator[Packet[Any]]:
        """The clock goes on as before: held packets had wrong timestamps."""
        held, track.held = track.held, []
        for packet in held:
            self.strays += 1
            jump_s = track.jump_s(packet, self._latest_s)
            begin = _begin_s(packet)
            assert begin is not None
            assert track.end_s is not None
            yield _shifted(packet, track.shift_s - (jump_s or begin - track.end_s))

    def _is_past_the_jump(self, packet: Packet[Any]) -> bool:
        """Whether a sound packet lies where the picture is now, and not where the sound was."""
        begin, video, sound = _begin_s(packet), self._video, self._sound
        if begin is None or video.end_s is None or sound.end_s is None:
            return False
        return abs(begin - video.end_s) < abs(begin - sound.end_s)


def _begin_s(packet: Packet[Any]) -> Fraction | None:
    """When a packet is decoded: pts of pictures are not in order."""
    stamp = packet.dts if packet.dts is not None else packet.pts
    return None if stamp is None or not packet.time_base else stamp * packet.time_base


def _shifted(packet: Packet[Any], shift_s: Fraction) -> Packet[Any]:
    if shift_s:
        ticks = round(shift_s / packet.time_base)
        if packet.pts is not None:
            packet.pts += ticks
        if packet.dts is not None:
            packet.dts += ticks
    return packet
