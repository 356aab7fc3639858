"""DIS optical flow from a frame to its reference, an input of E_T.

x, x_r ─ grey, 128 pixels on the short side ─ DIS both ways ─ agree? ─ flow ++ trust
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from imfcodec.arrays import Picture

SHORT_SIDE: Final = 128
"""Short side in pixels of the compared pictures; the returned flow has half of it."""

AGREEMENT: Final = 1.0
"""Largest sum of forward and backward flow, in those pixels, where the flow is trusted."""

Field = npt.NDArray[np.float32]


class Movement(NamedTuple):
    """Optical flow between two pictures.

    Attributes:
        there: From each pixel of the current picture to its place in the reference, x and y in
            pixels of the reduced pictures, float32 [h, w, 2].
        back: From the reference to the current picture.
    """

    there: Field
    back: Field


def grey(picture: Picture, short_side: int = SHORT_SIDE) -> Picture:
    """RGB uint8 [H, W, 3] -> uint8 [h, w], the short side as given in pixels, both sides even."""
    import cv2

    height, width = picture.shape[:2]
    unit = min(height, width) / (short_side / 2)
    size = (2 * round(width / unit), 2 * round(height / unit))
    luma = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), np.uint8)


def movement(current: Picture, reference: Picture, start: Movement | None = None) -> Movement:
    """DIS optical flow between two grey pictures, both ways.

    Args:
        current: uint8 [h, w].
        reference: The same.
        start: Finite flow from which the search starts; None starts from zero flow.
    """
    import cv2

    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    if start is None:
        rest = np.zeros((*current.shape, 2), np.float32)
        start = Movement(rest, rest)
    # The estimate overwrites its starting point, hence the copies.
    there = dis.calc(current, reference, start.there.copy())
    back = dis.calc(reference, current, start.back.copy())
    return Movement(np.asarray(there, np.float32), np.asarray(back, np.float32))


def observed(moved: Movement) -> Tensor:
    """A movement as E_T sees it: flow in picture widths and heights, and trust, [3, h/2, w/2].

    Trust is 1 where all four pixels' forward and backward flow agree, else 0.
    """
    import cv2

    height, width = moved.there.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    x, y = x + moved.there[..., 0], y + moved.there[..., 1]
    returned = moved.there + cv2.remap(moved.back, x, y, cv2.INTER_LINEAR)
    trust = np.abs(returned).sum(-1, keepdims=True) < AGREEMENT
    there = moved.there / np.array([width, height], np.float32)
    field = torch.from_numpy(np.concatenate([there, trust], -1, dtype=np.float32))
    field = F.avg_pool2d(field.permute(2, 0, 1), 2)
    field[2] = (field[2] > 0.99).float()
    return field


class MovementTracker:
    """Optical flow of successive frames to one reference.

    Each search starts from the flow of the previous frame, so that it still finds a head that has
    moved far.
    """

    def __init__(self, reference: Picture) -> None:
        """Take the decoded reference, RGB uint8 [H, W, 3]; an empty array while there is none."""
        self._reference = grey(reference) if reference.size else reference
        self._last: Movement | None = None

    def track(self, pictures: Picture) -> Tensor:
        """The next frames, uint8 [N, H, W, 3] -> `observed` of each, [N, 3, h/2, w/2]."""
        seen = []
        for picture in pictures:
            self._last = movement(grey(picture), self._reference, self._last)
            seen.append(observed(self._last))
        return torch.stack(seen)
