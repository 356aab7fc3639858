"""A part of a video, by time.

    pictures   |a.......|b......|c......|d......|
    part            begin ---------- end
    result          |a..|b......|c.....|

The picture that is on the screen when the part begins is its first one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Part(Generic[T]):
    """Takes pictures in order and gives back those of the part, its beginning at 0.

    Attributes:
        is_over: whether a picture after the part has come.
        is_empty: whether the part has had no picture so far.
    """

    def __init__(self, begin: float, end: float | None) -> None:
        """Take the beginning and the end in ticks; None has no end."""
        self._begin = begin
        self._end = end
        self._before: T | None = None  # the last picture before the part
        self.is_over = False
        self.is_empty = True

    def take(self, pts: int, picture: T) -> Iterator[tuple[int, T]]:
        """Take the next picture and its time in ticks."""
        if pts < self._begin:
            self._before = picture
            return
        before, self._before = self._before, None
        if before is not None and pts > self._begin:
            self.is_empty = False
            yield 0, before
        self.is_over = self._end is not None and pts >= self._end
        if not self.is_over:
            self.is_empty = False
            yield round(pts - self._begin), picture
