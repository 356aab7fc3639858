"""Latent tokens without their tremble, before they are quantised.

    float tokens ─ Gaussian over time ─ at most REACH steps from where they were ─► quantise

A network sees a little noise in every frame, and a value near the middle between two integers
then flips from frame to frame: each flip moves the whole picture and costs bits. What really
moves changes a value by more than the reach, and is followed at once.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

SIGMA_FRAMES: Final = 1.0
"""Standard deviation of the filter, frames."""

REACH: Final = 0.5
"""How far a value may be moved, in quantiser steps."""

RADIUS: Final = int(3 * SIGMA_FRAMES)
"""Frames on each side that the filter takes in."""

_BELL: Final = np.exp(-((np.arange(-RADIUS, RADIUS + 1) / SIGMA_FRAMES) ** 2) / 2)
_TAPS: Final = (_BELL / _BELL.sum()).astype(np.float32)

Tokens = npt.NDArray[np.float32]


def smooth(tokens: Tokens, before: Tokens, step: Tokens) -> Tokens:
    """Filter a run of tokens over time; beyond its ends the nearest token counts as repeated.

    Args:
        tokens: float32 [N, d_m], consecutive frames.
        before: float32 [M, d_m], the frames just before them, unfiltered; M may be 0.
        step: Quantiser steps, float32 [d_m].

    Returns:
        float32 [N, d_m].
    """
    context = np.concatenate([before[-RADIUS:], tokens])
    missing = RADIUS - (len(context) - len(tokens))
    padded = np.pad(context, ((missing, RADIUS), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, len(_TAPS), axis=0)
    reach = REACH * step
    smoothed: Tokens = np.clip(windows @ _TAPS, tokens - reach, tokens + reach)
    return smoothed
