"""What the receiver will see, measured in the sender."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from imfcodec.arrays import Picture, Pictures
from imfcodec.codec.network import Network


class Watcher(Protocol):
    """Sees what a segment coder makes."""

    def take(self, reference: Picture, token: npt.NDArray[np.int32]) -> None:
        """Take a key frame, x_r uint8 [H, W, 3], with its token int32 [d_m]."""
        ...

    def see(self, tokens: npt.NDArray[np.int32], sources: Sequence[Picture]) -> None:
        """Take frames that use it: their tokens, int32 [N, d_m], and their sources."""
        ...


class Monitor:
    """Rebuilds the frames of a layer as the receiver will and measures them."""

    def __init__(self, receiver: Network, psnr_db: list[float]) -> None:
        """Take the receiver's network, and a list for `psnr_of` the frames."""
        self._receiver, self._psnr_db = receiver, psnr_db

    def take(self, reference: Picture, token: npt.NDArray[np.int32]) -> None:
        """See `Watcher`."""
        self._reference = self._receiver.reference(reference, token)

    def see(self, tokens: npt.NDArray[np.int32], sources: Sequence[Picture]) -> None:
        """See `Watcher`."""
        self._psnr_db += psnr_of(self._receiver.rebuild(self._reference, tokens), sources)


def psnr_of(pictures: Pictures, sources: Sequence[Picture]) -> list[float]:
    """PSNR-RGB of frames as the receiver shows them, uint8 [N, H, W, 3], in dB; 78 at most."""
    error = pictures.astype(np.float32) - np.stack(sources)
    mse = np.square(error).mean((1, 2, 3)).clip(1e-3)
    return [float(v) for v in 10 * np.log10(255**2 / mse)]
