"""Which of some frames is the best key frame for them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from imfcodec.sender.luma_cells import luma_cells

CELL = 4  # pictures are compared as means of CELL x CELL pixels: an eye still fills several

Cells = npt.NDArray[np.float32]


def cells_of(picture: npt.NDArray[np.uint8]) -> Cells:
    """RGB uint8 [H, W, 3] -> mean luma of its cells, float32 [H // CELL * (W // CELL)]."""
    return luma_cells(picture, CELL).ravel()


def best_key(reference: Cells, frames: Cells, first: int) -> int:
    """The frame that is best made the key frame of itself and of those after it.

    What comes before it stays with the reference so far. The distance of a frame from its
    reference is the mean square difference of their cells: squared, so that closed eyes count
    beside a little movement of everything. A blink is thus no key frame: few frames are like it.

    Args:
        reference: Cells of the key frame so far, [n].
        frames: Of consecutive frames behind it, [N, n].
        first: Candidates begin here.

    Returns:
        Index of the best candidate, first to N - 1; the earliest of equals.
    """
    stay = np.square(frames - reference).mean(1)
    costs = []
    for candidate in range(first, len(frames)):
        there = np.square(frames - frames[candidate]).mean(1)
        costs.append(stay[:candidate].sum() + there[candidate:].sum())
    return first + int(np.argmin(costs))


def most_typical(frames: Cells, candidates: range) -> int:
    """Which of the candidates all frames, cells [N, n], are most like; the first of equals.

    By the same distance, and for the same reason.
    """
    costs = [np.square(frames - frames[candidate]).mean() for candidate in candidates]
    return candidates[int(np.argmin(costs))]
