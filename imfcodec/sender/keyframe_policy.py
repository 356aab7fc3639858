"""When a frame becomes a key frame."""

from __future__ import annotations

from enum import Enum, auto

import numpy as np
import numpy.typing as npt

from imfcodec.sender.luma_cells import luma_cells

CELL = 8  # side in pixels of the cells whose mean luma is compared
CUT_LEVELS = 20.0  # smallest mean change of luma at a cut, in 8-bit levels
CUT_RATIO = 4.0  # ... and smallest ratio of that change to the usual change
MEMORY = 0.9  # decay per frame of the running mean of changes


class KeyKind(Enum):
    """What a key frame is coded from."""

    INDEPENDENT = auto()
    """No other frame; it can become a base."""
    PREDICTED = auto()
    """The last independent key frame, its base, and perhaps those predicted from that."""


class KeyframePolicy:
    """Asks for a key frame at the first frame, at scene cuts, and after the longest interval.

    Nothing before a cut resembles the frames after it, so its key frame is independent. A key
    frame inside a scene is predicted while its base is young. An old base would let damage last
    too long, and a viewer who joins in the middle would wait too long.

    A cut is a frame whose luma differs from the previous frame's by much more than is usual in
    this scene. Noise and fast pans raise the usual difference, so they are not taken for cuts.

    Attributes:
        due: Whether only the interval asked for the last key frame; an earlier frame would then
            serve as well.
    """

    def __init__(
        self, interval_ticks: float | None, scene_cut: bool, base_ticks: float = 0.0
    ) -> None:
        """Set up.

        Args:
            interval_ticks: Longest time between key frames in ticks; None for no limit.
            scene_cut: Whether cuts count.
            base_ticks: Largest age of a base in ticks; 0 predicts no key frame.
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
            The kind of key frame it should become; None for no key frame. The caller reports to
            `take` which key frame it made.
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
        """The kind of a key frame at ``pts`` inside a scene."""
        old = pts - self._base_pts >= self._base_ticks
        return KeyKind.INDEPENDENT if old else KeyKind.PREDICTED

    def take(self, pts: int, kind: KeyKind) -> None:
        """Record the key frame that was made; it may be an earlier frame or of the other kind."""
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
        # The mean takes over a cut's change at once: as large a change in the next frame is no cut.
        memory = 0.0 if cut else MEMORY
        self._usual = memory * self._usual + (1 - memory) * change
        return cut
