"""Sound between picture packets, by time.

    picture    [0 s ........ 3 s] [3 s ........ 6 s]
    sound   [0-1 s]  ...   [1-2 s] [2-3 s]  ...

A picture packet holds the frames of up to several seconds, and sound is read long before they are
coded. Sound waits, and is written before the picture packet in whose first half it begins. Any
prefix of a stream then holds about as much sound as picture.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from typing import Final

from imfcodec.bitstream import AudioPacket
from imfcodec.media import AudioPacketOut
from imfcodec.media.timing import AUDIO_RATE

PACKET_S: Final = Fraction(1)
"""Longest duration of an audio packet, which holds several Opus packets, in seconds."""

LIVE_PACKET_S: Final = Fraction(1, 5)
"""The same at low latency."""


LONGEST_WAIT: Final = 60 * AUDIO_RATE
"""Longest sound that waits for pictures, in samples."""


class Interleaver:
    """Collects Opus packets and gives them back as audio packets when they are due."""

    def __init__(self, packet_s: Fraction) -> None:
        """Take the longest duration of an audio packet, in seconds."""
        self._longest = int(packet_s * AUDIO_RATE)
        self._waiting: deque[AudioPacketOut] = deque()

    def push(self, packet: AudioPacketOut) -> None:
        """Take the next Opus packet."""
        self._waiting.append(packet)

    def due(self, begin_s: Fraction, end_s: Fraction) -> Iterator[AudioPacket]:
        """Yield what goes before a picture packet.

        Args:
            begin_s: Time of its first frame, in seconds.
            end_s: Time of its last frame.
        """
        middle = (begin_s + end_s) / 2 * AUDIO_RATE
        while self._waiting and self._waiting[0].pts <= middle:
            run = self._run()
            # The end of what has been read may go on, unless that lies a packet back already.
            waits = len(run) == len(self._waiting) and middle - run[0].pts < self._longest
            if waits and _end(run[-1]) - run[0].pts + run[-1].samples <= self._longest:
                return
            yield self._take(run)

    def overdue(self) -> Iterator[AudioPacket]:
        """Yield the oldest sound once a minute of it waits: no picture may come for hours."""
        while self._waiting and self._waiting[-1].pts - self._waiting[0].pts > LONGEST_WAIT:
            yield self._take(self._run())

    def rest(self) -> Iterator[AudioPacket]:
        """Yield all that still waits."""
        while self._waiting:
            yield self._take(self._run())

    def _run(self) -> list[AudioPacketOut]:
        """The next Opus packets without a gap between them, for one audio packet."""
        run: list[AudioPacketOut] = []
        for packet in self._waiting:
            if run and (packet.pts != _end(run[-1]) or _end(packet) - run[0].pts > self._longest):
                break
            run.append(packet)
        return run

    def _take(self, run: list[AudioPacketOut]) -> AudioPacket:
        for _ in run:
            self._waiting.popleft()
        return AudioPacket(run[0].pts, tuple(packet.data for packet in run))


def _end(packet: AudioPacketOut) -> int:
    return packet.pts + packet.samples
