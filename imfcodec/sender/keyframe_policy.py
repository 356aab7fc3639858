"""When a frame becomes a key frame."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum, auto
from fractions import Fraction

import numpy as np

from imfcodec.sender.shots import Picture, thumbnail, unexplained_change

DRIFT_LEVELS = 12.0
"""How much further the last frames may be from their key frame, moved by optical flow, than half a
second of frames is from the best of themselves, held still: mean difference in 8-bit levels."""

DRIFT_S = Fraction(1, 2)
"""That half second."""

LAST_S = Fraction(1, 5)
"""Those last frames, in seconds, of which the median counts: a flash is no drift. And no two key
frames are closer because of it."""

MAX_LATELY = 64
"""No more frames than these are compared, whatever the frame rate."""


class KeyKind(Enum):
    """What a key frame is coded from."""

    INDEPENDENT = auto()
    """Nothing: it can become a base."""
    PREDICTED = auto()
    """The last independent one, its base."""


class KeyframePolicy:
    """First frame, scene cuts, drift, and the longest interval.

    What follows a cut looks like nothing before it. Any other key frame is predicted, as long as
    its base is not so old that damage to it would last too long, or someone who begins in the
    middle would wait too long.

    The receiver moves what the key frame shows. Where a picture fades, or its exposure swings,
    that does not help: frames drift away from their key frame. Once half a second of them is
    further from it than from the best of themselves, there is a new one.

    Attributes:
        due: Whether the last decision came from the interval alone, so that a frame shortly before
            would do as well.
    """

    def __init__(
        self,
        interval_ticks: float | None,
        scene_cut: bool,
        base_ticks: float = 0.0,
        *,
        time_base: Fraction = Fraction(1, 25),
        planned_ticks: float | None = None,
    ) -> None:
        """Set up.

        Args:
            interval_ticks: Longest distance between key frames in ticks; None for no limit.
            scene_cut: Whether cuts and drift count.
            base_ticks: Oldest base in ticks; 0 predicts no key frame.
            time_base: Seconds per tick.
            planned_ticks: Distance of the key frames that a plan will add, in ticks; None where
                there is no plan.
        """
        self._interval = interval_ticks
        self._scene_cut = scene_cut
        self._base_ticks = base_ticks
        self._drift_ticks = float(DRIFT_S / time_base)
        self._last_ticks = float(LAST_S / time_base) - 0.5
        self._planned_ticks = planned_ticks
        self.due = False
        self._last_key_pts: int | None = None
        self._base_pts = 0
        self._reference: _Seen | None = None
        self._lately: deque[_Seen] = deque()

    def decide(self, pts: int, picture: Picture, *, cut: bool = False) -> KeyKind | None:
        """Decide for the next frame in order.

        Args:
            pts: Of the frame, in ticks.
            picture: RGB uint8 [H, W, 3].
            cut: Whether it begins a shot.

        Returns:
            Which kind of key frame it is to become; None for no key frame. `take` is to be told
            what became of it.
        """
        self.due = False
        if self._last_key_pts is None or (cut and self._scene_cut):
            self._restart(pts, picture)
            return KeyKind.INDEPENDENT
        if self._interval is not None and pts - self._last_key_pts >= self._interval:
            self._restart(pts, picture)
            self.due = True
            return self.kind(pts)
        if self._scene_cut and self._adrift(pts, picture):
            self._restart(pts, picture)
            return self.kind(pts)
        return None

    def kind(self, pts: int) -> KeyKind:
        """Which kind of key frame one at pts becomes if no cut makes it one."""
        old = pts - self._base_pts >= self._base_ticks
        return KeyKind.INDEPENDENT if old else KeyKind.PREDICTED

    def take(self, pts: int, kind: KeyKind) -> None:
        """Note a key frame as it was made: perhaps of an earlier frame, or of the other kind."""
        self._last_key_pts = pts
        if kind is KeyKind.INDEPENDENT:
            self._base_pts = pts

    def _restart(self, pts: int, picture: Picture) -> None:
        self._reference = _Seen(pts, thumbnail(picture), 0.0)
        self._lately.clear()

    def _adrift(self, pts: int, picture: Picture) -> bool:
        """Whether the last half second is closer to the best of its own frames than to its key."""
        reference = self._reference
        assert reference is not None  # since the first frame
        if self._planned_ticks is not None and pts - reference.pts >= self._planned_ticks:
            self._restart(pts, picture)  # the plan will have put a key frame near
            return False
        seen = thumbnail(picture)
        self._lately.append(_Seen(pts, seen, unexplained_change(seen, reference.picture)))
        while pts - self._lately[0].pts >= self._drift_ticks or len(self._lately) > MAX_LATELY:
            self._lately.popleft()
        last = [one.change for one in self._lately if pts - one.pts < self._last_ticks]
        moved = float(np.median(last))
        if moved < DRIFT_LEVELS or pts - reference.pts < self._last_ticks:
            return False
        pictures = np.stack([one.picture for one in self._lately]).astype(np.int16)
        held = min(float(np.abs(pictures - one).mean()) for one in pictures)
        return moved - held > DRIFT_LEVELS


@dataclass(frozen=True)
class _Seen:
    """A frame: its pts, its thumbnail, and by how many levels it differs from its key frame."""

    pts: int
    picture: Picture
    change: float
