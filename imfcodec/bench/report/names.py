"""Places the name of a curve in a figure. All lengths are in points (1/72 inch)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

_GAP: Final = 7.0
"""Distance between a point and its name."""

_LIFT: Final = 10.0
"""Step by which a name moves up or down to find a free place."""


class Box(NamedTuple):
    """A rectangle; y grows upwards."""

    left: float
    bottom: float
    right: float
    top: float

    def overlaps(self, other: Box) -> bool:
        """Whether they share more than an edge."""
        across = self.left < other.right and other.left < self.right
        return across and self.bottom < other.top and other.bottom < self.top

    def lies_in(self, room: Box) -> bool:
        """Whether it leaves the room nowhere."""
        across = room.left <= self.left and self.right <= room.right
        return across and room.bottom <= self.bottom and self.top <= room.top


def place(
    path: npt.NDArray[np.float64],
    width: float,
    height: float,
    taken: Iterable[Box],
    room: Box,
    start_first: bool,
) -> tuple[Box, int]:
    """Find a free place beside one of a curve's points, the nearest first.

    Args:
        path: The curve's points [N, 2], left to right.
        width: Of the name.
        height: Of the name.
        taken: What it must not cover.
        room: What it must not leave.
        start_first: Whether the curve's beginning is a better place than its end.

    Returns:
        The name's box, and which point of the path it stands at. Where nothing is free, the
        place beside the end, taken or not.
    """
    taken = list(taken)
    for box, point in _candidates(path, width, height, start_first):
        if box.lies_in(room) and not any(box.overlaps(other) for other in taken):
            return box, point
    last = len(path) - 1
    return _beside(path[last], width, height, 0.0, to_the_right=True), last


def _candidates(
    path: npt.NDArray[np.float64], width: float, height: float, start_first: bool
) -> Iterator[tuple[Box, int]]:
    points = range(len(path)) if start_first else range(len(path) - 1, -1, -1)
    for step in range(13):
        # 0, up, down, further up, ...
        lift = (step + 1) // 2 * (_LIFT if step % 2 else -_LIFT)
        for point in points:
            for to_the_right in (False, True) if start_first else (True, False):
                yield _beside(path[point], width, height, lift, to_the_right), point


def _beside(
    point: npt.NDArray[np.float64], width: float, height: float, lift: float, to_the_right: bool
) -> Box:
    left = float(point[0]) + _GAP if to_the_right else float(point[0]) - _GAP - width
    bottom = float(point[1]) + lift - height / 2
    return Box(left, bottom, left + width, bottom + height)
