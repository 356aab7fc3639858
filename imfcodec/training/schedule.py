"""The learning rate's course."""

from __future__ import annotations

import math


def warm_cosine(step: int, warmup_steps: int, progress: float) -> float:
    """Share of the peak rate: linear warm-up, then cosine to a twentieth at ``progress`` 1."""
    warm = min(1.0, (step + 1) / max(1, warmup_steps))
    return warm * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))
