"""The frames that a mean hides."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

SHARE: Final = 0.05
"""Share of the frames that count as the worst."""


def worst_mean(values: Sequence[float], *, higher_is_better: bool) -> tuple[float, int]:
    """Mean over the worst 5 % of the frames, at least one, and the worst frame.

    Args:
        values: One per frame, in order.
        higher_is_better: Direction of the metric.

    Returns:
        The mean, and the number of the worst frame (the first of equals).

    Raises:
        ValueError: There are no frames.
    """
    if not values:
        raise ValueError("no frames, so none is the worst")
    badness = np.asarray(values, np.float64) * (-1 if higher_is_better else 1)
    order = np.argsort(-badness, kind="stable")
    count = max(1, math.ceil(SHARE * len(values)))
    return float(np.mean([values[i] for i in order[:count]])), int(order[0])
