"""Where one shot ends and the next begins.

    frames ─ 64-line grey ─ change that optical flow cannot explain ─ abrupt? ─ lasting? ─ cut

Optical flow explains a moving camera and a moving head, so neither is a cut. A shot that does not
last is no cut either: that is a flash, or a picture that alternates with another. A frame that
changes abruptly therefore waits until its shot has lasted for `LASTING_S`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

import numpy as np

from imfcodec.arrays import Picture
from imfcodec.codec.optical_flow import grey
from imfcodec.sender.source_frame import SourceFrame

SIDE: Final = 64
"""Short side in pixels at which pictures are compared."""

CUT_LEVELS: Final = 8.0
"""Smallest mean unexplained change at a cut, in 8-bit levels. Talking heads reach 6."""

CUT_RATIO: Final = 2.5
"""... and its smallest ratio to the usual change, so that a fast scene is not cut to pieces."""

USUAL_S, USUAL_FRAMES = Fraction(1, 2), 9
"""The usual change is the median over this time in seconds, and over at least this many frames."""

LASTING_S: Final = Fraction(1, 5)
"""Shortest shot, in seconds."""

RETURNED: Final = 0.5
"""The earlier shot is back once a picture differs from it by less than a cut, and by less than this
share of the change."""

WARY_S: Final = Fraction(2)
"""After a shot that was too short, a hasty detector confirms each cut for this time, in seconds."""

MAX_WAITING: Final = 32
"""Largest number of frames that wait, whatever the frame rate."""


def thumbnail(picture: Picture) -> Picture:
    """RGB uint8 [H, W, 3] -> the grey picture that is compared, uint8 [h, w]."""
    return grey(picture, SIDE)


def unexplained_change(current: Picture, reference: Picture) -> float:
    """Mean absolute difference of two thumbnails once optical flow has moved the reference.

    Returns:
        8-bit levels.
    """
    import cv2

    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    flow = np.asarray(dis.calc(current, reference, None), np.float32)  # type: ignore[call-overload]
    y, x = np.mgrid[: current.shape[0], : current.shape[1]].astype(np.float32)
    moved = cv2.remap(
        reference,
        x + flow[..., 0],
        y + flow[..., 1],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return float(cv2.absdiff(np.asarray(moved, np.uint8), current).mean())


class ShotDetector:
    """Takes frames in order and gives them back, each with whether it begins a shot.

        A A A A│B B B B B      a cut, once B has lasted
        A A A A B A A A A      a flash, no cut
        A B A B A B A B A      alternating pictures, no cut

    A frame comes back at once unless it belongs to a shot that has not lasted yet. A hasty
    detector holds no frame back. It reports a cut at once, and the end of a shot that was too short
    as well. For a while after that, it reports a cut only once the new shot has lasted.
    """

    def __init__(self, time_base: Fraction, *, hasty: bool) -> None:
        """Prepare for frames whose pts count ticks of ``time_base`` seconds.

        Args:
            time_base: Seconds per tick.
            hasty: Whether no frame may wait.
        """
        # Half a tick less: stamps that were rounded make a shot no shorter.
        self._lasting = float(LASTING_S / time_base) - 0.5
        self._wary = float(WARY_S / time_base)
        self._usual_ticks = float(USUAL_S / time_base)
        self._hasty = hasty
        self._trusted_from = -math.inf
        self._changes: deque[tuple[int, float]] = deque()
        self._previous: Picture | None = None
        self._doubt: _Doubt | None = None

    def push(self, frame: SourceFrame) -> Iterator[tuple[SourceFrame, bool]]:
        """Take the next frame; yield the frames whose role is now known."""
        picture = thumbnail(frame.picture)
        previous, self._previous = self._previous, picture
        if previous is None:
            yield frame, False  # a key frame anyway
            return
        change = unexplained_change(picture, previous)
        abrupt = change > max(CUT_LEVELS, CUT_RATIO * self._usual())
        before, late, again = previous, False, False
        if doubt := self._doubt:
            if frame.pts - doubt.pts >= self._lasting or len(doubt.waiting) >= MAX_WAITING:
                late = self._hasty and not doubt.called
                yield from self._settle(cut=True)
            elif doubt.is_back(picture) or abrupt:
                # Too short. If it was reported as a cut, a key frame shows it: compare with that.
                if not doubt.called:
                    abrupt = abrupt and not doubt.is_back(picture)
                    before = doubt.before
                    change = unexplained_change(picture, before)
                again = doubt.called and not doubt.again
                self._trusted_from = frame.pts + self._wary
                yield from self._settle(cut=False)
        called = abrupt and self._hasty and (again or frame.pts >= self._trusted_from)
        if abrupt:
            self._doubt = _Doubt(before, change, frame.pts, called, again)
        else:
            self._changes.append((frame.pts, change))
            self._forget(frame.pts)
        if self._doubt and not self._hasty:
            self._doubt.waiting.append(frame)
        else:
            yield frame, late or called

    def flush(self) -> Iterator[tuple[SourceFrame, bool]]:
        """Yield the frames that still wait; the last shot may be short."""
        yield from self._settle(cut=True)

    def _settle(self, *, cut: bool) -> Iterator[tuple[SourceFrame, bool]]:
        """Decide whether the shot in doubt begins with a cut."""
        doubt, self._doubt = self._doubt, None
        if doubt is None:
            return
        if not cut:
            self._changes.append((doubt.pts, doubt.change))
        for place, frame in enumerate(doubt.waiting):
            yield frame, cut and place == 0

    def _usual(self) -> float:
        return float(np.median([change for _, change in self._changes])) if self._changes else 0.0

    def _forget(self, pts: int) -> None:
        changes = self._changes
        while len(changes) > USUAL_FRAMES and pts - changes[0][0] > self._usual_ticks:
            changes.popleft()


@dataclass
class _Doubt:
    """A shot that has not lasted yet.

    Attributes:
        before: Thumbnail of the last picture before it.
        change: Unexplained change from there to its first picture.
        pts: Of its first frame.
        called: Whether that frame has been reported as a cut.
        again: Whether it ended a shot that was reported as a cut and was too short.
        waiting: Its frames so far; empty if no frame may wait.
    """

    before: Picture
    change: float
    pts: int
    called: bool
    again: bool
    waiting: list[SourceFrame] = field(default_factory=list)

    def is_back(self, picture: Picture) -> bool:
        """Whether a picture shows the earlier shot again."""
        limit = min(RETURNED * self.change, CUT_LEVELS)
        return unexplained_change(picture, self.before) < limit
