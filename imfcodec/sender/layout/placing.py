"""Windows around heads: still for as long as the head stays inside.

    frames ─┬─ wait ────────────────────────┬─► frames with their windows
            └─ some ─ HeadTracker ─ heads ──┘

A window that moves needs a new key picture, so it moves only when the head leaves it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from statistics import median
from typing import Final

from imfcodec.bitstream import Window
from imfcodec.sender.layout.heads import Head, HeadTracker, Sighting
from imfcodec.sender.source_frame import SourceFrame

LOOK_S: Final = Fraction(1, 8)
"""Time between two searches for heads, in seconds."""

AHEAD_S: Final = Fraction(1)
"""Frames wait so long for what the heads do next, in seconds ..."""

AHEAD_BYTES: Final = 128 << 20
"""... unless they take more memory than this."""

GONE_S: Final = Fraction(1)
"""A head that is not seen for so long, in seconds, has gone."""

LEAST_SEEN: Final = 0.5
"""Share of the searches in which a head must be found to get a window ..."""

LEAST_SIGHTINGS: Final = 3
"""... and number of sightings, if there have been as many searches."""

SIDE: Final = 2.0
"""Side of a new window in heights of the face."""

LARGEST_SIDE: Final = 2.8
"""A new window becomes at most so large to hold the head for longer, in heights of the face."""

NEARER, FARTHER = 1.6, 3.5
"""The window is renewed when its side leaves this range, in heights of the face."""

BESIDE, ABOVE, BELOW = 0.62, 0.75, 0.7
"""What a window has to hold around the middle of a face, in heights of the face."""

CODED_SIDES: Final = ((112, 128), (176, 192))
"""A window with a side up to the first number is coded at the second; any larger one at 256."""

WHOLE: Final = 0.4
"""A head whose window covers this share of the picture is coded with the whole picture."""

LARGER: Final = 2.0
"""A head with so many times the area takes the window of another one."""

Box = tuple[float, float, float, float]
"""Left, top, right and bottom edge in pixels."""


@dataclass(frozen=True)
class PlacedFrame:
    """A frame with its windows.

    Attributes:
        frame: The frame at display size.
        cut: Whether it begins a shot.
        whole: Whether its shot begins with a head that fills so much of the picture that it needs
            no window.
        windows: By the number of their layer, from 1.
    """

    frame: SourceFrame
    cut: bool
    whole: bool = True
    windows: dict[int, Window] = field(default_factory=dict)


class WindowPlacer:
    """Gives each head a window while it lasts."""

    def __init__(
        self,
        size: tuple[int, int],
        time_base: Fraction,
        most: int,
        *,
        close_ups: bool = True,
        tracker: HeadTracker | None = None,
    ) -> None:
        """Set up.

        Args:
            size: Display width and height in pixels.
            time_base: Seconds per tick.
            most: Largest number of windows at a time.
            close_ups: Whether a shot may be `PlacedFrame.whole`.
            tracker: Finds the heads; None makes one.
        """
        self._size, self._most = size, most
        self._look, self._gone = LOOK_S / time_base, GONE_S / time_base
        self._ahead = AHEAD_S / time_base
        self._room = max(1, AHEAD_BYTES // (3 * size[0] * size[1]))
        self._tracker = tracker or HeadTracker()
        self._waiting: deque[tuple[SourceFrame, bool]] = deque()
        self._placed: dict[int, tuple[Head, Window]] = {}
        self._close_ups = close_ups
        self._first = True
        self._whole = False

    def push(self, frame: SourceFrame, *, cut: bool) -> Iterator[PlacedFrame]:
        """Take the next frame, at display size; yield those whose windows are known.

        Args:
            frame: The frame; it is kept.
            cut: Whether a shot seems to begin.
        """
        looks = self._tracker.looks
        if cut or not looks or frame.pts - looks[-1] >= self._look:
            cut = self._tracker.look(frame.pts, frame.picture, cut=cut)
        self._waiting.append((frame, cut))
        while self._waiting and (
            len(self._waiting) > self._room or frame.pts - self._waiting[0][0].pts >= self._ahead
        ):
            yield self._next()

    def flush(self) -> Iterator[PlacedFrame]:
        """Yield the frames that are left."""
        while self._waiting:
            yield self._next()

    def _next(self) -> PlacedFrame:
        frame, cut = self._waiting.popleft()
        pts = frame.pts
        self._tracker.forget(pts - int(self._gone))
        present = [head for head in self._tracker.heads if self._is_present(head, pts)]
        if cut or self._first:
            self._whole, self._first = self._close_ups and self._is_close_up(pts), False
        self._keep(present, pts)
        self._add(present, pts)
        windows = {layer: window for layer, (_, window) in sorted(self._placed.items())}
        return PlacedFrame(frame, cut, self._whole, windows)

    def _is_present(self, head: Head, pts: int) -> bool:
        begun = head.sightings[0].pts <= pts
        return begun and (head.end_pts is None or pts < head.end_pts)

    def _is_close_up(self, pts: int) -> bool:
        """Whether a head that is seen soon in the shot that begins fills much of the picture."""
        width, height = self._size
        end_pts = next((frame.pts for frame, cut in self._waiting if cut), math.inf)
        seen = [
            head
            for head in self._tracker.heads
            if head.sightings[0].pts < end_pts
            and (head.end_pts is None or pts < head.end_pts)
            and self._is_seen(head)
        ]
        return any(self._window(head, pts).side ** 2 >= WHOLE * width * height for head in seen)

    def _keep(self, present: Sequence[Head], pts: int) -> None:
        """Keep or renew the windows of the heads that are still there."""
        for layer, (head, window) in list(self._placed.items()):
            if head not in present:
                del self._placed[layer]
            elif not self._fits(head.at(pts), window):
                renewed = self._window(head, pts)
                if self._fits(head.at(pts), renewed):
                    self._placed[layer] = (head, renewed)

    def _add(self, present: Sequence[Head], pts: int) -> None:
        """Give windows to heads that have none, the largest first."""
        for head in sorted(present, key=lambda h: h.at(pts).height, reverse=True):
            taken = {layer: known.at(pts) for layer, (known, _) in self._placed.items()}
            if any(known is head for known, _ in self._placed.values()):
                continue
            here = head.at(pts)
            if not (head.alive and self._is_seen(head)) or any(
                _holds(window, here) for _, window in self._placed.values()
            ):
                continue
            free = [layer for layer in range(1, self._most + 1) if layer not in taken]
            smallest = min(taken, key=lambda layer: taken[layer].height, default=0)
            if not free and taken and here.height**2 > LARGER * taken[smallest].height ** 2:
                free = [smallest]
            if free:
                self._placed[free[0]] = (head, self._window(head, pts))

    def _is_seen(self, head: Head) -> bool:
        """Whether it is no flicker."""
        looks = sum(look >= head.sightings[0].pts for look in self._tracker.looks)
        seen = len(head.sightings)
        return seen >= LEAST_SEEN * looks and seen >= min(LEAST_SIGHTINGS, looks)

    def _window(self, head: Head, pts: int) -> Window:
        """A window that holds the head from this time on for as long as possible."""
        path = [head.at(pts), *(s for s in head.sightings if s.pts > pts)]
        box = _around(path[0])
        held = path[:1]
        for sighting in path[1:]:
            left, top, right, bottom = _around(sighting)
            wider = (min(left, box[0]), min(top, box[1]), max(right, box[2]), max(bottom, box[3]))
            if max(wider[2] - wider[0], wider[3] - wider[1]) > LARGEST_SIDE * path[0].height:
                break
            box = wider
            held.append(sighting)
        wanted = max(SIDE * median(s.height for s in held), box[2] - box[0], box[3] - box[1])
        side = min(*self._size, max(8, 2 * round(wanted / 2)))
        left, top = (
            min(max(0, round((low + high - side) / 2)), limit - side)
            for low, high, limit in zip(box[:2], box[2:], self._size, strict=True)
        )
        coded = next((coded for most, coded in CODED_SIDES if side <= most), 256)
        return Window(left, top, side, coded)

    def _fits(self, here: Sighting, window: Window) -> bool:
        """Whether a window still holds a head, as far as the picture goes, at a good size."""
        width, height = self._size
        left, top, right, bottom = _around(here)
        inside = (
            window.left <= max(0, left)
            and window.top <= max(0, top)
            and window.left + window.side >= min(width, right)
            and window.top + window.side >= min(height, bottom)
        )
        small_enough = window.side <= FARTHER * here.height
        large_enough = window.side >= min(NEARER * here.height, *self._size)
        return inside and small_enough and large_enough


def _around(here: Sighting) -> Box:
    """What a window has to hold of a head."""
    h = here.height
    return here.x - BESIDE * h, here.y - ABOVE * h, here.x + BESIDE * h, here.y + BELOW * h


def _holds(window: Window, here: Sighting) -> bool:
    """Whether a head lies in a window, so that it needs none of its own."""
    half = here.height / 2
    return (
        window.left <= here.x - half
        and window.top <= here.y - half
        and here.x + half <= window.left + window.side
        and here.y + half <= window.top + window.side
    )
