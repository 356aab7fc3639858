"""When a frame becomes a key frame."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from imfcodec.sender.planning.shots import Picture, thumbnail, unexplained_change
from imfcodec.sender.segment import KeyKind

DRIFT_LEVELS = 12.0
"""Drift: mean difference from the key frame, moved by optical flow, less the mean difference of the
last half second from its best frame, held still. Both are in 8-bit levels."""

DRIFT_S = Fraction(1, 2)
"""The window of the still frame, in seconds."""

LAST_S = Fraction(1, 5)
"""The window of the moved key frame, in seconds. Its median counts, so that a flash is no drift.
Drift puts no two key frames closer together than this."""

MAX_LATELY = 64
"""Largest number of frames in a window, whatever the frame rate."""


class KeyframePolicy:
    """Asks for a key frame at the first frame, at cuts, after drift, and after the interval.

    Nothing before a cut resembles the frames after it, so its key frame is independent. Any other
    key frame is predicted while its base is young. An old base would let damage last too long,
    and a viewer who joins in the middle would wait too long.

    The receiver can only move what the key frame shows. That does not help where a picture fades
    or its exposure swings: the frames drift away from their key frame. The next key frame is due
    as soon as they are further from it than half a second of frames is from its own best frame.

    Attributes:
        due: Whether only the interval asked for the last key frame; an earlier frame would then
            serve as well.
    """

    def __init__(
        self,
        interval_ticks: float | None,
        scene_cut: bool,
        base_ticks: float = 0.0,
        *,
        time_base: Fraction,
        drift: bool = True,
    ) -> None:
        """Set up.

        Args:
            interval_ticks: Longest distance between key frames in ticks; None for no limit.
            scene_cut: Whether cuts count.
            base_ticks: Oldest base in ticks; 0 predicts no key frame.
            time_base: Seconds per tick.
            drift: Whether drift counts. A plan needs none: it compares all its frames.
        """
        self._interval = interval_ticks
        self._scene_cut = scene_cut
        self._base_ticks = base_ticks
        self._drift_ticks = float(DRIFT_S / time_base)
        self._last_ticks = max(float(LAST_S / time_base) - 0.5, 0.5)
        self._drift = drift
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
            The kind of key frame to make of it; None for no key frame. The caller reports what it
            made to `take`.
        """
        self.due = False
        if self._last_key_pts is None or (cut and self._scene_cut):
            self._restart(pts, picture)
            return KeyKind.INDEPENDENT
        if self._interval is not None and pts - self._last_key_pts >= self._interval:
            self._restart(pts, picture)
            self.due = True
            return self.kind(pts)
        if self._drift and self._adrift(pts, picture):
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
        """Whether the frames have drifted away from their key frame."""
        reference = self._reference
        assert reference is not None  # since the first frame
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
    """A frame: its pts, its thumbnail, and its mean difference in levels from its key frame."""

    pts: int
    picture: Picture
    change: float
