"""How far rebuilt pictures seem to be from their sources, judged in the sender.

    source  ─ E_F ─ f^32 / |f^32| ─┐
    rebuilt ─ E_F ─ f^32 / |f^32| ─┴─ root mean square ─► error

The measure has the form of LPIPS (Zhang 2018, eq. 1), with the features that the receiver's network
has anyway. It is a little blind to blur, so errors of plain video count `VIDEO` times. It then
correlates with LPIPS (AlexNet) by 0.986 (`benchmarks/experiments/judging.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor

from imfcodec.arrays import Picture, Tokens
from imfcodec.codec.network import Network
from imfcodec.codec.network.in_torch import place_of, to_tensor
from imfcodec.model.imf import IMF

EVERY: Final = 7
"""One of so many frames is judged. This number has no divisor in common with the frames that a
picture of plain video is held for, so that held pictures are seen at every age."""

SCALE: Final = 32
"""Scale of the features."""

DARK: Final = 0.1
"""Added to the norm of features, so that flat areas do not count."""

VIDEO, RESTORED_VIDEO = 1.2, 1.05
"""Errors of plain video are so many times as visible as their measure says, and so are errors of
plain video whose every picture R has restored."""


class Judge:
    """Sees what a segment coder makes, and compares it with its sources (see `Watcher`).

    Attributes:
        errors: Of one in `EVERY` frames.
    """

    def __init__(self, model: IMF, network: Network) -> None:
        """Take the model, and the receiver's network."""
        self._model, self._network = model, network
        self._seen = 0
        self.errors: list[float] = []

    def restored(self, picture: Picture, restoration: int) -> Picture:
        """A picture of plain video as a receiver restores it (`Network.restore_once`)."""
        return self._network.restore_once(picture, restoration)

    def take(self, reference: Picture, token: Tokens) -> None:
        """See `Watcher`."""
        self._reference = self._network.reference(reference, token)

    def see(self, tokens: Tokens, sources: Sequence[Picture]) -> None:
        """See `Watcher`."""
        places = [n for n in range(len(tokens)) if (self._seen + n) % EVERY == 0]
        self._seen += len(tokens)
        if places:
            rebuilt = self._network.rebuild(self._reference, tokens[places])
            self.errors += self.compare(list(rebuilt), [sources[n] for n in places])

    def compare(self, pictures: Sequence[Picture], sources: Sequence[Picture]) -> list[float]:
        """The errors of pictures, RGB uint8 [H, W, 3], one by one."""
        return [
            self.distance(self.look(p), self.look(s))
            for p, s in zip(pictures, sources, strict=True)
        ]

    @staticmethod
    def distance(look: Tensor, source: Tensor) -> float:
        """The error of a picture that looks so, given what its source looks like."""
        return float((look - source).square().sum(1).mean().sqrt())

    @torch.inference_mode()
    def look(self, picture: Picture) -> Tensor:
        """What a picture, RGB uint8 [H, W, 3], looks like: float32 [1, C, H / 32, W / 32]."""
        x = to_tensor(np.stack([picture]), place_of(self._model))
        features = self._model.dense_feature_encoder(x)[SCALE]
        return features / (features.square().sum(1, keepdim=True) + DARK**2).sqrt()
