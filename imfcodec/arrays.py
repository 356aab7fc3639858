"""Arrays that many rooms hand to each other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
"""RGB [H, W, 3]."""

Pictures = npt.NDArray[np.uint8]
"""RGB [N, H, W, 3]."""

Tokens = npt.NDArray[np.int32]
"""Integers of one token [d_m] or of several [N, d_m]."""
