"""From which of two key frames each frame between them is rebuilt.

    the earlier one ─ 1 ─ 2 ─ ... ─ s │ s + 1 ─ ... ─ n ─ the later one

The less a frame differs from its reference after motion compensation, the better it is rebuilt.
Optical flow compensates motion nearly as well as the network and costs a tenth as much.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from imfcodec.model.correspondence import sample
from imfcodec.model.layers import reduce_short_side

SIDE, MULTIPLE = 128, 2  # pictures are compared at this short side in pixels, both sides even

LATELY: Final = 9
"""What a key frame explains is told by the median of so many frames, so that a blink is no end."""

COMPARED: Final = 12
"""So many frames are compared with both key frames; all others with one of them alone."""

Errors = npt.NDArray[np.float64]
Moved = TypeVar("Moved")


@torch.inference_mode()
def unexplained(
    pictures: Tensor, reference: Tensor, flow: Tensor, weights: Tensor | None = None
) -> Errors:
    """Mean absolute difference of frames from their reference moved by optical flow.

    Args:
        pictures: x [N, 3, H, W] in 0..1, or one picture for all.
        reference: x_r [N, 3, H, W], or one picture for all.
        flow: `optical_flow.observed` from each x to x_r [N, 3, h, w].
        weights: Of each pixel of x [N, 1, H, W], or for all x; None weighs all alike.

    Returns:
        float64 [N].
    """
    pictures = reduce_short_side(pictures, SIDE, MULTIPLE)
    reference = reduce_short_side(reference, SIDE, MULTIPLE).expand(len(flow), -1, -1, -1)
    moved = sample(reference, flow[:, :2])
    difference = (pictures - moved).abs().mean(1, keepdim=True)
    if weights is not None:
        weights = reduce_short_side(weights, SIDE, MULTIPLE)
        difference = difference * weights / weights.mean((1, 2, 3), keepdim=True)
    return np.asarray(difference.mean((1, 2, 3)).double().numpy())


def divided(
    count: int, there: Iterator[tuple[Moved, float]], back: Iterator[tuple[Moved, float]]
) -> tuple[list[Moved], list[Moved]]:
    """Divide the frames between two key frames, looking at few of them from both.

    From each end, frames are looked at as long as that key frame explains them better than the
    other one does those at its own end, until `COMPARED` have been looked at twice.

    Args:
        count: Number of frames.
        there: The frames in order, seen from the earlier key frame, and their errors.
        back: The frames in reverse order, seen from the later key frame, and their errors.

    Returns:
        The frames for the earlier and for the later key frame, both in order.
    """
    sides: tuple[list[tuple[Moved, float]], ...] = [], []

    def lately(side: list[tuple[Moved, float]]) -> float:
        return median(error for _, error in side[-LATELY:]) if side else 0.0

    for _ in range(min(count + COMPARED, 2 * count)):
        first = len(sides[1]) == count or lately(sides[0]) <= lately(sides[1])
        if first and len(sides[0]) < count:
            sides[0].append(next(there))
        else:
            sides[1].append(next(back))
    earlier, later = sides[0], sides[1][::-1]
    begin = count - len(later)  # of the frames that were looked at twice
    twice = earlier[begin:], later[: len(earlier) - begin]
    change = begin + change_over(*(np.array([e for _, e in side]) for side in twice))
    return [m for m, _ in earlier[:change]], [m for m, _ in later[change - begin :]]


def change_over(earlier: Errors, later: Errors) -> int:
    """How many of N frames use the earlier key frame so that the sum of errors is smallest.

    Args:
        earlier: Error of each frame rebuilt from the earlier key frame [N].
        later: Error of each frame rebuilt from the later key frame [N].

    Returns:
        0 to N; the largest if several are equal.
    """
    total = np.concatenate([[0.0], np.cumsum(earlier - later)])
    return len(total) - 1 - int(np.argmin(total[::-1]))
