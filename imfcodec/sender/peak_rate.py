"""The highest rate of a stream over a few seconds."""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from typing import Final

WINDOW_S: Final = 5
"""Duration over which the rate is taken, in seconds. Windows that begin earlier than this do not
count: the first one has the first key frame."""


class PeakRate:
    """Takes packets in order.

    Attributes:
        peak_bytes: Most bytes of any window so far.
    """

    def __init__(self) -> None:
        self.peak_bytes = 0
        self._latest: deque[tuple[Fraction, int]] = deque()

    def add(self, time_s: Fraction, size_bytes: int) -> None:
        """Take bytes that count at a time in seconds, not before that of the last ones."""
        if time_s < WINDOW_S:
            return
        self._latest.append((time_s, size_bytes))
        while self._latest[0][0] <= time_s - WINDOW_S:
            self._latest.popleft()
        self.peak_bytes = max(self.peak_bytes, sum(size for _, size in self._latest))
