"""Which integers to send for a token: what they cost against what they lose.

    t, H ─► for k = 1..d_m: what would be best for value k, given how far the earlier ones
            are off ─► the integer of least  error + LAMBDA bits  ─► the coder's next symbol

Values of a token work together: where one is rounded up another can make good for it. With
H = L' D L, L unit lower triangular, the error of integers that are off by e is
sum_k D_k (e_k + sum_(j<k) L_kj e_j)^2 / 2, so that each value in turn knows what the earlier
ones have left to it. What an integer costs the coder's own tables say.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from imfcodec.entropy import SymbolModel, TokenCoder
from imfcodec.entropy.quantiser import TOKEN_LIMIT

LAMBDA: Final = 0.0005
"""What a bit is worth, in the unit of the error that H belongs to."""

INERTIA: Final = 0.5
"""Share of the last frame's error that is kept: an error that stays is not seen, one that
comes and goes is."""

Floats = npt.NDArray[np.floating[Any]]


class TokenChooser:
    """Chooses the integers of successive tokens."""

    def __init__(self, step: Floats) -> None:
        """Prepare for tokens behind a key frame.

        Args:
            step: Quantiser steps [d_m].
        """
        self._step = step.astype(np.float64)
        self._error = np.zeros(len(step))

    def choose(self, coder: TokenCoder, tokens: Floats, curvature: Floats) -> npt.NDArray[np.int32]:
        """Integers for the next tokens, as `coder` stands; its state does not change.

        Args:
            coder: Will code them.
            tokens: t [N, d_m].
            curvature: H [N, d_m, d_m], symmetric, positive.

        Returns:
            int32 [N, d_m].
        """
        return coder.rehearse(self._choices(tokens / self._step, curvature))

    def _choices(self, values: Floats, curvature: Floats) -> Iterator[_Choice]:
        scaled = curvature.astype(np.float64) * np.outer(self._step, self._step)
        # The factor of the reversed matrix, reversed: its rows run from the last value back.
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

    def residual(self, model: SymbolModel, k: int, prediction: int) -> int:
        mean = float(self._aim[k] - self._factor[k, :k] @ self.error[:k])
        below = int(np.clip(np.floor(mean), -TOKEN_LIMIT, TOKEN_LIMIT - 1))
        weight = float(self._weight[k])
        # Either neighbour, one step on towards what the tables expect, or just that.
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
