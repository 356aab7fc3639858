"""Latent tokens smoothed over time, before they are quantised.

    t*, H of a packet ─ least squares over time ─► tokens that change only for a reason

Every frame has a little noise, and values that are hardly visible jitter most. Changes cost
bits, so each token moves towards its neighbours where that costs no quality:

    sum_n (t_n - t*_n)' H_n (t_n - t*_n) + STIFFNESS sum_n |(t_n - t_(n-1)) / step|^2  ->  least
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

STIFFNESS: Final = 0.01
"""Cost of a change by one quantiser step, in the unit of the error that H describes."""

Floats = npt.NDArray[np.floating[Any]]


def smooth(tokens: Floats, curvature: Floats, step: Floats, before: Floats | None) -> Floats:
    """Smooth the tokens of a run of frames by least squares.

    Args:
        tokens: t* [N, d_m], consecutive frames.
        curvature: H [N, d_m, d_m], see `Refined`.
        step: Quantiser steps [d_m].
        before: Smoothed token of the previous frame [d_m]; None after a key frame.

    Returns:
        float64 [N, d_m].
    """
    spring = np.diag(STIFFNESS / np.square(step.astype(np.float64)))
    matrix = curvature.astype(np.float64)
    right = (matrix @ tokens[..., None])[..., 0]
    matrix[:-1] += spring
    matrix[1:] += spring
    if before is not None:
        matrix[0] += spring
        right[0] += spring @ before
    # Block elimination forwards and back (Thomas); the off-diagonal blocks are -spring.
    size = len(step)
    bond, smoothed = np.zeros((size, size)), np.zeros(size)
    bonds, forward = np.empty_like(matrix), np.empty_like(right)
    for n, (block, value) in enumerate(zip(matrix, right, strict=True)):
        solved = np.linalg.solve(
            block - spring @ bond, np.column_stack([spring, value + spring @ smoothed])
        )
        bond, smoothed = solved[:, :-1], solved[:, -1]
        bonds[n], forward[n] = bond, smoothed
    for n in range(len(forward) - 2, -1, -1):
        forward[n] += bonds[n] @ forward[n + 1]
    return forward
