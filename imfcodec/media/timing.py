"""Time as integers: presentation timestamps (pts) in ticks of a time base."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

AUDIO_RATE: Final = 48000
"""Ticks per second of every audio timestamp: the clock of Opus."""

FALLBACK_RATE: Final = Fraction(25)
_PLAUSIBLE_RATE: Final = Fraction(1000)
"""A container without a rate reports its tick rate instead, 1000/s or 90000/s."""


def nominal_duration(time_base: Fraction, *rates: Fraction | None) -> Fraction:
    """Ticks per frame at the stream's nominal rate.

    Args:
        time_base: seconds per tick.
        rates: frames per second, best source first; the first plausible rate is used.

    Returns:
        Positive, not necessarily whole; 1/25 s if no rate is known.
    """
    for rate in rates:
        if rate and 0 < rate < _PLAUSIBLE_RATE:
            return 1 / (rate * time_base)
    return 1 / (FALLBACK_RATE * time_base)


def exact(seconds: float) -> Fraction:
    """The decimal number that a float was written as: 0.28 is 7/25."""
    return Fraction(str(seconds))


def ticks(seconds: Fraction, rate: int = AUDIO_RATE) -> int:
    """Seconds as whole ticks of 1/rate, rounded to nearest."""
    return round(seconds * rate)


class FrameClock:
    """Turns the timestamps of decoded frames into a strictly increasing count from zero.

    The first frame is the origin unless another one is given. A frame without timestamp follows its
    predecessor by the nominal duration. A frame that is not later than its predecessor is moved to
    one tick after it. If the clock falls back by more than a second, it was restarted: time then
    continues from the previous frame.

    Attributes:
        origin: the source's timestamp that becomes 0, ticks; None before any frame.
        missing: number of frames without timestamp.
        corrected: number of frames whose timestamp was moved.
        restarts: number of times that the source's clock was restarted.
    """

    def __init__(self, time_base: Fraction, nominal: Fraction, origin: int | None = None) -> None:
        """Start a clock.

        Args:
            time_base: seconds per tick.
            nominal: ticks per frame.
            origin: timestamp that becomes 0, ticks; None takes the first frame's.
        """
        self.origin = origin
        self.missing = 0
        self.corrected = 0
        self.restarts = 0
        self._step = max(1, round(nominal))
        self._restart_ticks = max(self._step, round(1 / time_base))
        self._shift = 0
        self._last = -1

    def place(self, pts: int | None) -> int:
        """Find the time of the next frame.

        Args:
            pts: timestamp in the source, ticks; None if it has none.

        Returns:
            Ticks since the origin, greater than all earlier results.
        """
        if self.origin is None:
            self.origin = pts or 0
        follow = self._last + self._step if self._last >= 0 else 0
        if pts is None:
            self.missing += 1
            self._last = follow
            return follow
        place = pts - self.origin + self._shift
        if place < self._last - self._restart_ticks:
            self.restarts += 1
            self._shift += follow - place
            place = follow
        elif place <= self._last:
            self.corrected += 1
            place = self._last + 1
        self._last = place
        return place

    def complaints(self) -> list[str]:
        """Faults of the timestamps so far, one sentence each."""
        found = []
        if self.missing:
            found.append(f"{self.missing} frames had no timestamp; the nominal rate placed them")
        if self.corrected:
            found.append(f"{self.corrected} frames had a timestamp out of order; they were moved")
        if self.restarts:
            times = "once" if self.restarts == 1 else f"{self.restarts} times"
            found.append(f"the video's clock was restarted {times}")
        return found
