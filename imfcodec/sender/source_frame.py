"""One frame of the source."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class SourceFrame:
    """One frame to code: number, pts in ticks, RGB uint8 [H, W, 3] at coded size."""

    number: int
    pts: int
    picture: npt.NDArray[np.uint8]
