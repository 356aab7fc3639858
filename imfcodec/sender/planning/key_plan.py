"""Which frames of the next seconds become key frames, planned together.

    ─ 1 ─ 2 ─ K ─ 4 ─ 5 │ 6 ─ 7 ─ K ─ 9 │ 10 ─ 11 ─ K ─ 13 ─
              └─ serves both sides        └─ each frame has one of its two neighbours

The cost of a frame is its difference from its key frame after optical flow has moved that. A
predicted key frame is coarser the more it differs from its base, and the frames that it serves
inherit that error. So many key frames are free; each further one has a price, and must save it.
Dynamic programming over the number of key frames finds the cheapest plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from imfcodec.sender.reference_choice import Errors, change_over

LOST: Final = 0.12
"""Upper limit of an error: once two frames have nothing in common, more difference is no worse."""

INHERITED: Final = 0.15
"""Share of a predicted key frame's error against its base that its frames inherit. A key frame that
has nothing in common with its base is not predicted."""

NEAREST: Final = 0.5
"""Key frames closer together than this, in intervals, have a price ..."""

NEARBY: Final = 0.25
"""... of this share of a further key frame's."""

FURTHEST: Final = 1.5
"""Largest distance between key frames in intervals, if such a plan exists ..."""

OUTERMOST: Final = 1.0
"""... and largest distance of a scene's first and last frames from their key frames."""

MISPLACED: Final = 1e6  # costs more than any plan within these distances


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
    price: float = np.inf,
) -> list[int]:
    """Choose key frames among consecutive frames, or samples of them.

    If no key frame is known, the first one chosen is the base of the others.

    Args:
        errors: Error of frame j rebuilt from frame i, mean absolute difference in 0..1 [N, N].
        times: Time of each frame, ascending [N].
        known: Number of frames at the beginning that are key frames already: the base and the
            last one, or one frame that is both.
        count: Number of key frames that cost nothing.
        interval: Average distance between key frames, in the unit of ``times``.
        inherited: Share of a key frame's error against its base that its frames inherit; 0 if
            no key frame is predicted.
        price: Error, summed over frames, that each further key frame must save.

    Returns:
        Indices of the chosen frames, ascending; at least one if none is known.
    """
    errors = np.minimum(errors, LOST)

    def after(base: int, last: int, first: int, count: int) -> _Plan:
        owed = np.where(errors[base] < LOST, inherited * errors[base], 0.0)  # the base's is 0
        burdened = errors + owed[:, None]
        return _after(burdened, times, last, first, count, interval, price)

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
    price: float,
) -> _Plan:
    """The best key frames after ``last``, among the frames from ``first`` on."""
    total = len(errors)
    step = np.full((total, total), np.inf)
    for a in [last, *range(first, total - 1)]:
        for b in range(max(a + 1, first), total):
            between = slice(max(a + 1, first), b)
            step[a, b] = _shared(errors[a, between], errors[b, between]) + errors[b, b]
            apart = (times[b] - times[a]) / interval
            if apart > FURTHEST:
                step[a, b] += MISPLACED
            elif apart < NEAREST:
                step[a, b] += NEARBY * price
    tail = np.array([errors[a, max(a + 1, first) :].sum() for a in range(total)])
    tail[times[-1] - np.asarray(times) > OUTERMOST * interval] += MISPLACED

    reached = np.full(total, np.inf)
    reached[last] = 0.0
    origins: list[npt.NDArray[np.intp]] = []
    best = _Plan(tail[last], [])
    for chosen in range(1, total - first + 1):
        ways = reached[:, None] + step
        origins.append(ways.argmin(0))
        reached = ways.min(0)
        end = int(np.argmin(reached + tail))
        paid = price * (chosen - count) if chosen > count else 0.0
        if reached[end] + tail[end] + paid < best.cost:
            best = _Plan(reached[end] + tail[end] + paid, _traced(origins, end))
    return best


def _shared(earlier: Errors, later: Errors) -> float:
    """Error of the frames between two key frames, each rebuilt from the better one."""
    count = change_over(earlier, later)
    return float(earlier[:count].sum() + later[count:].sum())


def _traced(origins: list[npt.NDArray[np.intp]], end: int) -> list[int]:
    """The key frames of the best plan that ends with ``end``, ascending."""
    keys = [end]
    for origin in origins[:0:-1]:
        keys.append(int(origin[keys[-1]]))
    return keys[::-1]
