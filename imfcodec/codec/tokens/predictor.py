"""Integer prediction of a token from integers that are already decoded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SHIFT = 10
"""Prediction weights are fixed-point with this many fractional bits."""

WEIGHT_LIMIT = 1 << 14
"""Largest magnitude of a weight: with `TOKEN_LIMIT` no sum reaches 2^63."""

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Predictor:
    """Linear prediction in fixed point.

    With q1, q2 the two previous tokens of the packet and r_j the residuals of this token's
    earlier dimensions:

        p_k = (a_k q1_k + b_k q2_k + sum_{j<k} c_kj r_j + d_k + 2^(SHIFT-1)) >> SHIFT

    The shift is arithmetic (rounds towards minus infinity).

    Attributes:
        a, b, d: int64 [d_m].
        c: int64 [d_m, d_m], strictly lower triangular.
    """

    a: Integers
    b: Integers
    c: Integers
    d: Integers

    def temporal(self, previous: Integers, before: Integers) -> list[int]:
        """The part without residuals, for all dimensions at once, before the shift."""
        base = self.a * previous + self.b * before + self.d + (1 << (SHIFT - 1))
        return [int(x) for x in base]
