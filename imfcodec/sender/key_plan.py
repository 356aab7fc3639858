"""Which frames of the next seconds become key frames, all of them weighed at once.

    ─ 1 ─ 2 ─ K ─ 4 ─ 5 │ 6 ─ 7 ─ K ─ 9 │ 10 ─ 11 ─ K ─ 13 ─
              └─ serves both sides        └─ each frame belongs to one neighbour

A frame costs what optical flow leaves unexplained of it, seen from its key frame. One that is
predicted is the coarser the more it differs from its base, and hands that on to what it serves.
The plan with the least sum is found by dynamic programming over the number of key frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from imfcodec.sender.reference_choice import Errors, change_over

LOST: Final = 0.08
"""No error counts for more: what two frames do not have in common is lost, however much it is.
Without that a title between two faces would draw the key frames to itself."""

INHERITED: Final = 0.15
"""Share of a predicted key frame's own error beside its base that its frames inherit."""

NEAREST, FURTHEST = 0.5, 1.5
"""Distance of key frames in intervals, unless there is no such plan ..."""

OUTERMOST: Final = 1.0
"""... and of a scene's first and last frames from theirs."""

MISPLACED: Final = 1e6  # costs more than any plan that keeps to the distances


class _Plan(NamedTuple):
    cost: float
    keys: list[int]


def plan_keys(
    errors: Errors,
    times: Sequence[float],
    known: int,
    count: int,
    interval: float,
    inherited: float = INHERITED,
) -> list[int]:
    """Choose key frames among consecutive frames, or samples of them.

    Without known ones the first becomes the base of the others.

    Args:
        errors: Of frame j rebuilt from frame i, mean absolute difference in 0..1 [N, N].
        times: Of each, rising [N].
        known: How many of the first are key frames already: the base and the last one, or the
            one that is both.
        count: The most key frames to choose.
        interval: Their distance in the mean, in the unit of ``times``.
        inherited: Share of a key frame's error beside its base that its frames inherit; 0 where
            none is predicted.

    Returns:
        Their indices, rising; at least one where none is known.
    """
    errors = np.minimum(errors, LOST)

    def after(base: int, last: int, first: int, count: int) -> _Plan:
        burdened = errors + inherited * errors[base][:, None]  # the base's own error is 0
        return _after(burdened, times, last, first, count, interval)

    if known:
        return after(0, known - 1, known, count).keys
    plans = []
    for base, time in enumerate(times):
        if time - times[0] > OUTERMOST * interval:
            break
        rest = after(base, base, base + 1, count - 1)
        plans.append(_Plan(rest.cost + errors[base, :base].sum(), [base, *rest.keys]))
    return min(plans, key=lambda plan: plan.cost).keys


def _after(
    errors: Errors,
    times: Sequence[float],
    last: int,
    first: int,
    count: int,
    interval: float,
) -> _Plan:
    """At most ``count`` key frames behind ``last``, among the frames from ``first`` on."""
    total = len(errors)
    step = np.full((total, total), np.inf)
    for a in [last, *range(first, total - 1)]:
        for b in range(max(a + 1, first), total):
            between = slice(max(a + 1, first), b)
            step[a, b] = _shared(errors[a, between], errors[b, between]) + errors[b, b]
            if not NEAREST * interval <= times[b] - times[a] <= FURTHEST * interval:
                step[a, b] += MISPLACED
    tail = np.array([errors[a, max(a + 1, first) :].sum() for a in range(total)])
    tail[times[-1] - np.asarray(times) > OUTERMOST * interval] += MISPLACED

    reached = np.full(total, np.inf)
    reached[last] = 0.0
    origins: list[npt.NDArray[np.intp]] = []
    best = _Plan(tail[last], [])
    for _ in range(min(count, total - first)):
        ways = reached[:, None] + step
        origins.append(ways.argmin(0))
        reached = ways.min(0)
        end = int(np.argmin(reached + tail))
        if reached[end] + tail[end] < best.cost:
            best = _Plan(reached[end] + tail[end], _traced(origins, end))
    return best


def _shared(earlier: Errors, later: Errors) -> float:
    """Error of the frames between two key frames, each rebuilt from the one that suits it."""
    count = change_over(earlier, later)
    return float(earlier[:count].sum() + later[count:].sum())


def _traced(origins: list[npt.NDArray[np.intp]], end: int) -> list[int]:
    """The key frames that lead to the last one."""
    keys = [end]
    for origin in origins[:0:-1]:
        keys.append(int(origin[keys[-1]]))
    return keys[::-1]
