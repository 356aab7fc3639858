"""Which of several frames is the best key frame for them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from imfcodec.sender.luma_cells import luma_cells

CELL = 4  # pictures are compared as means of CELL x CELL pixels; an eye fills several cells

Cells = npt.NDArray[np.float32]


def cells_of(picture: npt.NDArray[np.uint8]) -> Cells:
    """RGB uint8 [H, W, 3] -> mean luma of its cells, float32 [H // CELL * (W // CELL)]."""
    return luma_cells(picture, CELL).ravel()


def best_key(reference: Cells, frames: Cells, first: int) -> int:
    """Choose the frame that is the best key frame for itself and for the frames after it.

    The frames before it keep the current key frame. The distance of a frame from its reference is
    the mean squared difference of their cells. It is squared so that closed eyes count even if
    everything else moves a little. A blink is therefore never chosen: few frames are like it.

    Args:
        reference: Cells of the current key frame [n].
        frames: Cells of the consecutive frames after it [N, n].
        first: Index of the first candidate.

    Returns:
        Index of the best candidate, first to N - 1; the earliest if several are equal.
    """
    stay = np.square(frames - reference).mean(1)
    costs = []
    for candidate in range(first, len(frames)):
        there = np.square(frames - frames[candidate]).mean(1)
        costs.append(stay[:candidate].sum() + there[candidate:].sum())
    return first + int(np.argmin(costs))


def most_typical(frames: Cells, candidates: range) -> int:
    """The candidate that is nearest to all frames, cells [N, n]; the first if several are equal.

    The distance is that of `best_key`, for the same reason.
    """
    costs = [np.square(frames - frames[candidate]).mean() for candidate in candidates]
    return candidates[int(np.argmin(costs))]
