"""Where a viewer looks: errors of eyes and mouth count more than those of the rest.

picture ─ YuNet ─ boxes of the eyes and the mouth of every face ─► weight of each pixel
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from imfcodec.media.faces import FaceFinder, Picture, eyes_and_mouth


class FaceEmphasis:
    """Weights of the pixels of pictures."""

    def __init__(self, weight: float, finder: FaceFinder | None = None) -> None:
        """Prepare for pictures.

        Args:
            weight: Of errors in the eyes and the mouth; others have 1.
            finder: The detector; None loads the package's own.
        """
        self._weight = weight
        self._finder = finder or FaceFinder()

    def of(self, pictures: Sequence[Picture]) -> Tensor:
        """Weights of pictures, RGB uint8 [H, W, 3] each: float32 [N, 1, H, W]."""
        return torch.from_numpy(np.stack([self._in(picture) for picture in pictures])[:, None])

    def _in(self, picture: Picture) -> np.ndarray:
        weights = np.ones(picture.shape[:2], np.float32)
        for face in self._finder.find(picture):
            for box in eyes_and_mouth(face.landmarks):
                weights[box] = self._weight
        return weights
