"""Float tokens <-> integers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

TOKEN_LIMIT = 1 << 14
"""Largest magnitude of a quantised value, so that every prediction fits 64 bits."""


@dataclass(frozen=True)
class Quantiser:
    """Uniform quantisation with one step per dimension.

    Attributes:
        step: Learned steps times the stream's global scale, float32 [d_m].
    """

    step: npt.NDArray[np.float32]

    def quantise(self, token: npt.NDArray[np.float32]) -> npt.NDArray[np.int32]:
        """Q = round(t / step): float32 [N, d_m] -> int32 [N, d_m]. Only a sender does this."""
        value = np.rint(token.astype(np.float64) / self.step)
        return np.clip(value, -TOKEN_LIMIT, TOKEN_LIMIT).astype(np.int32)

    def dequantise(self, integers: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """T = q step: int32 [N, d_m] -> float32 [N, d_m]."""
        return integers.astype(np.float32) * self.step
