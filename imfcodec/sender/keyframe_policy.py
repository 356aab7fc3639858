"""When a frame becomes a key frame."""

from __future__ import annotations

from enum import Enum, auto

import numpy as np
import numpy.typing as npt

from imfcodec.sender.luma_cells import luma_cells

CELL = 8  # side of the cells of which luma is compared, pixels
CUT_LEVELS = 20.0  # mean change of luma, in 8-bit levels, below which nothing is a cut
CUT_RATIO = 4.0  # ... and by how much it must exceed the usual change
MEMORY = 0.9  # of the running mean of the usual change


class KeyKind(Enum):
    """What a key frame is coded from."""

    INDEPENDENT = auto()
    """Nothing: it can become a base."""
    PREDICTED = auto()
    """The last independent one, its base."""


class KeyframePolicy:
    """First frame, scene cuts, and the longest interval.

    What follows a cut looks like nothing before it. A key frame that only the interval asks for
    is predicted, as long as its base is not so old that damage to it would last too long, or
    someone who begins in the middle would wait too long.

    A cut is a frame whose luma differs from the previous frame's by much more than frames of
    this scene usually do: flashes of noise and fast pans raise the usual and stay inside.

    Attributes:
        due: Whether the last decision came from the interval alone, so that a frame shortly before
            would do as well.
    """

    def __init__(
        self, interval_ticks: float | None, scene_cut: bool, base_ticks: float = 0.0
    ) -> None:
        """Set up.

        Args:
            interval_ticks: Longest distance between key frames in ticks; None for no limit.
            scene_cut: Whether cuts count.
            base_ticks: Oldest base in ticks; 0 predicts no key frame.
        """
        self._interval = interval_ticks
        self._scene_cut = scene_cut
        self._base_ticks = base_ticks
        self.due = False
        self._last_key_pts: int | None = None
        self._base_pts = 0
        self._previous: npt.NDArray[np.float32] | None = None
        self._usual = 0.0

    def decide(self, pts: int, picture: npt.NDArray[np.uint8]) -> KeyKind | None:
        """Decide for the next frame in order: pts in ticks, RGB uint8 [H, W, 3].

        Returns:
            Which kind of key frame it is to become; None for no key frame. `take` is to be told
            what became of it.
        """
        cut = self._scene_cut and self._is_cut(picture)
        self.due = False
        if self._last_key_pts is None or cut:
            return KeyKind.INDEPENDENT
        if self._interval is None or pts - self._last_key_pts < self._interval:
            return None
        self.due = True
        return self.kind(pts)

    def kind(self, pts: int) -> KeyKind:
        """Which kind of key frame one at pts becomes if no cut makes it one."""
        old = pts - self._base_pts >= self._base_ticks
        return KeyKind.INDEPENDENT if old else KeyKind.PREDICTED

    def take(self, pts: int, kind: KeyKind) -> None:
        """Note a key frame as it was made: perhaps of an earlier frame, or of the other kind."""
        self._last_key_pts = pts
        if kind is KeyKind.INDEPENDENT:
            self._base_pts = pts

    def _is_cut(self, picture: npt.NDArray[np.uint8]) -> bool:
        cells = luma_cells(picture, CELL)
        previous, self._previous = self._previous, cells
        if previous is None:
            return False
        change = float(np.abs(cells - previous).mean())
        cut = change > CUT_LEVELS and change > CUT_RATIO * self._usual
        # A cut counts fully at once: what changes as much in the next frame is no second one.
        memory = 0.0 if cut else MEMORY
        self._usual = memory * self._usual + (1 - memory) * change
        return cut
