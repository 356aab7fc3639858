"""Pictures reduced to mean luma, for comparing frames."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)  # BT.709


def luma_cells(picture: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.float32]:
    """Mean luma of cells of side x side pixels; this averages out noise and grain.

    Args:
        picture: RGB uint8 [H, W, 3]; incomplete cells at the right and bottom are left out.
        side: Side of a cell in pixels.

    Returns:
        float32 [H // side, W // side] in 8-bit levels.
    """
    height, width = (length // side * side for length in picture.shape[:2])
    luma = picture[:height, :width].astype(np.float32) @ LUMA
    cells: npt.NDArray[np.float32] = luma.reshape(height // side, side, width // side, side).mean(
        (1, 3)
    )
    return cells
