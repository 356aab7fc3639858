"""Where a viewer looks: errors of eyes and mouth count more than those of the rest.

picture ─ YuNet ─ boxes of the eyes and the mouth of every face ─► weight of each pixel
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor

from imfcodec.media.faces import Face, FaceFinder, Picture, eyes_and_mouth

RENEW: Final = 4
"""Successive frames for which a face counts as being in the same place."""


class FaceEmphasis:
    """Weights of the pixels of successive frames."""

    def __init__(self, weight: float, finder: FaceFinder | None = None, renew: int = RENEW) -> None:
        """Prepare for frames.

        Args:
            weight: Of errors in the eyes and the mouth; others have 1.
            finder: The detector; None loads the package's own.
            renew: Frames for which a face counts as being in the same place.
        """
        self._weight = weight
        self._renew = renew
        self._finder = finder or FaceFinder()
        self._faces: list[Face] = []
        self._served = 0

    def of(self, pictures: Sequence[Picture]) -> Tensor:
        """Weights of the next frames, RGB uint8 [H, W, 3] each: float32 [N, 1, H, W]."""
        return torch.from_numpy(np.stack([self._next(picture) for picture in pictures])[:, None])

    def _next(self, picture: Picture) -> np.ndarray:
        if self._served % self._renew == 0:
            self._faces = self._finder.find(picture)
        self._served += 1
        weights = np.ones(picture.shape[:2], np.float32)
        for face in self._faces:
            for box in eyes_and_mouth(face.landmarks):
                weights[box] = self._weight
        return weights
