"""Where one shot ends and the next begins."""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from imfcodec.sender.luma_cells import luma_cells

Cells = npt.NDArray[np.float32]
"""Luma in 8-bit levels, the mean of each cell of a picture: float32 [rows, columns]."""

CELL = 8
"""Side of a cell in pixels of the scanned picture: noise and compression drop out."""

CUT_LEVELS = 16.0
"""Smallest mean change of luma at a cut; a face that fills the picture and turns quickly reaches
14."""

CUT_RATIO = 2.5
"""... and smallest ratio to the usual change, so that pans and handheld cameras are no cuts."""

USUAL_FRAMES = 9
"""Over how many changes the usual one is taken: their second largest. So one cut or flash does
not hide the next cut (a sender, which pays for each, lets it), and a camera that repeats frames
and then jumps is not cut at every jump."""


def small_luma(picture: npt.NDArray[np.uint8]) -> Cells:
    """RGB uint8 [H, W, 3], H and W at least `CELL` -> cells [H // CELL, W // CELL]."""
    height, width = (length // CELL * CELL for length in picture.shape[:2])
    # Every second pixel both ways: sixteen per cell are enough.
    return luma_cells(picture[:height:2, :width:2], CELL // 2)


class CutDetector:
    """Detects the first frame of every shot except the first."""

    def __init__(self) -> None:
        self._previous: Cells | None = None
        self._changes: deque[float] = deque(maxlen=USUAL_FRAMES)

    def is_cut(self, cells: Cells) -> bool:
        """Whether the next frame in order begins a new shot."""
        previous, self._previous = self._previous, cells
        if previous is None:
            return False
        change = float(np.abs(cells - previous).mean())
        usual = sorted(self._changes)[-2] if len(self._changes) > 1 else 0.0
        self._changes.append(change)
        return change > CUT_LEVELS and change > CUT_RATIO * usual
