"""Which integers to send for a token: a trade of bits against error.

    t, H ─► for k = 1..d_m: the best value k, given the errors of the earlier values
            ─► the integer of least  error + LAMBDA bits  ─► the coder's next symbol

The values of a token can compensate each other's rounding. Let H = L' D L, with L unit lower
triangular. Integers with rounding errors e then have the error
sum_k D_k (e_k + sum_(j<k) L_kj e_j)^2 / 2, so each value can be chosen given the earlier ones.
The coder's own tables give the cost of an integer in bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from imfcodec.codec.tokens import TokenCoder
from imfcodec.codec.tokens.entropy_model import ResidualCost
from imfcodec.codec.tokens.quantiser import TOKEN_LIMIT

LAMBDA: Final = 0.0005
"""Cost of a bit, in the unit of the error that H describes."""

INERTIA: Final = 0.5
"""Share of the last frame's error that is kept: a constant error is invisible, a changing one
is not."""

Floats = npt.NDArray[np.floating[Any]]


class TokenChooser:
    """Chooses the integers of successive tokens."""

    def __init__(self, step: Floats) -> None:
        """Prepare for the tokens after a key frame.

        Args:
            step: Quantiser steps [d_m].
        """
        self._step = step.astype(np.float64)
        self._error = np.zeros(len(step))

    def choose(self, coder: TokenCoder, tokens: Floats, curvature: Floats) -> npt.NDArray[np.int32]:
        """Integers for the next tokens, given the state of `coder`, which does not change.

        Args:
            coder: The coder that will code them.
            tokens: t [N, d_m].
            curvature: H [N, d_m, d_m], symmetric, positive.

        Returns:
            int32 [N, d_m].
        """
        return coder.rehearse(self._choices(tokens / self._step, curvature))

    def _choices(self, values: Floats, curvature: Floats) -> Iterator[_Choice]:
        scaled = curvature.astype(np.float64) * np.outer(self._step, self._step)
        # Reversing before and after Cholesky makes each value depend on the earlier ones.
        upper = np.linalg.cholesky(scaled[:, ::-1, ::-1])[:, ::-1, ::-1]
        scale = np.diagonal(upper, axis1=1, axis2=2)
        lower = np.swapaxes(upper / scale[:, None], 1, 2)
        for value, factor, weight in zip(values, lower, np.square(scale) / 2, strict=True):
            choice = _Choice(value + INERTIA * self._error, factor, weight)
            yield choice
            self._error = choice.error + INERTIA * self._error


class _Choice:
    """Decides the residuals of one token as the coder asks for them."""

    def __init__(self, aim: Floats, factor: Floats, weight: Floats) -> None:
        self.error = np.zeros(len(aim))
        self._aim = aim
        self._factor = factor
        self._weight = weight

    def residual(self, model: ResidualCost, k: int, prediction: int) -> int:
        mean = float(self._aim[k] - self._factor[k, :k] @ self.error[:k])
        below = int(np.clip(np.floor(mean), -TOKEN_LIMIT, TOKEN_LIMIT - 1))
        weight = float(self._weight[k])
        # Both neighbours, the next integer towards the prediction, and the prediction itself.
        candidates = {below, below + 1, prediction}
        if prediction < below:
            candidates.add(below - 1)
        if prediction > below + 1:
            candidates.add(below + 2)
        best = min(
            sorted(c for c in candidates if abs(c) <= TOKEN_LIMIT),
            key=lambda value: (
                weight * (value - mean) ** 2 + LAMBDA * model.cost(value - prediction)
            ),
        )
        self.error[k] = best - self._aim[k]
        return best - prediction
