"""The base under windows: what a window covers costs no bits there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from imfcodec.arrays import Picture
from imfcodec.bitstream import Window
from imfcodec.codec.window_mask import mask_of

CELLS: Final = 16
"""A covered part is reduced to so many cells by so many ..."""

STEEP: Final = 6
"""... where the power of the mask with this exponent is near 1."""


class Cover:
    """Replaces what windows cover by a blurred and still picture of it.

    The still picture is taken when the window takes its place.
    """

    def __init__(self) -> None:
        """Begin without windows."""
        self._still: dict[int, tuple[Window, npt.NDArray[np.float32], npt.NDArray[np.float32]]] = {}

    def over(self, picture: Picture, windows: Mapping[int, Window]) -> Picture:
        """Cover the next picture.

        Args:
            picture: RGB uint8 [H, W, 3] at display size.
            windows: By the number of their layer.
        """
        self._still = {n: still for n, still in self._still.items() if n in windows}
        covered = picture.copy() if windows else picture
        for layer, window in windows.items():
            place = covered[window.rows, window.columns]
            if layer not in self._still or self._still[layer][0] != window:
                mask = mask_of(window, (picture.shape[1], picture.shape[0]))
                self._still[layer] = (window, _blurred(place), mask**STEEP)
            _, still, weight = self._still[layer]
            place[:] = (place + weight * (still - place)).round()
        return covered


def _blurred(picture: Picture) -> npt.NDArray[np.float32]:
    cells = cv2.resize(picture, (CELLS, CELLS), interpolation=cv2.INTER_AREA)
    size = picture.shape[1::-1]
    return np.asarray(cv2.resize(cells, size, interpolation=cv2.INTER_CUBIC), np.float32)
