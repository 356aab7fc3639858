"""The receiver's network state: references in, pictures out."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from imfcodec.codec.tokens import Quantiser
from imfcodec.model.imf import IMF, Reference

Picture = npt.NDArray[np.uint8]
Pictures = npt.NDArray[np.uint8]

STRENGTHS = (1.0, 0.75, 0.5, 0.0)
"""Restoration strength s, by the field ``restoration`` of key packets: x_r = x + s (R(x) - x).
These values are part of the format."""


def to_tensor(pictures: Pictures, device: str = "cpu") -> Tensor:
    """RGB uint8 [N, H, W, 3] -> float32 [N, 3, H, W] in 0..1, channels last."""
    x = torch.from_numpy(np.ascontiguousarray(pictures)).to(device)
    return x.permute(0, 3, 1, 2).float().div_(255)


def to_pictures(x: Tensor) -> Pictures:
    """Float [N, 3, H, W] nominally in 0..1 -> RGB uint8 [N, H, W, 3], clipped and rounded."""
    pixels = x.mul(255).round_().clamp_(0, 255).to(torch.uint8)
    array: Pictures = pixels.permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return array


@torch.inference_mode()
def restored(model: IMF, picture: Picture, restoration: int = 0, device: str = "cpu") -> Picture:
    """Restore a decoded key frame to the reference x_r; both are RGB uint8 [H, W, 3].

    ``restoration`` is the field of the key packet that gives the restoration strength.
    """
    if model.restoration is None:
        return picture
    x = model.restore(to_tensor(picture[None], device), STRENGTHS[restoration])
    return to_pictures(x)[0]


class Reconstructor:
    """Rebuilds frames from token integers, in the receiver and in a sender that measures.

    A frame depends only on the references and its own token, so frames may be rebuilt in any
    batches. On a CPU, each thread takes a share of the batch: the threads then wait less for each
    other than if all of them worked on each operation.
    """

    def __init__(
        self, model: IMF, quantiser: Quantiser, device: str = "cpu", batch: int = 8
    ) -> None:
        # Other users of the same weights may need them on the CPU.
        self._model = model if device == "cpu" else copy.deepcopy(model).to(device)
        self._quantiser = quantiser
        self._device = device
        self.batch = batch
        self._threads = torch.get_num_threads() if device == "cpu" else 1
        self._workers = ThreadPoolExecutor(
            self._threads, "imfcodec-network", torch.set_num_threads, (1,)
        )
        self._references: dict[int, Reference] = {}

    def clear(self) -> None:
        """Remove every reference."""
        self._references.clear()

    def restore(self, picture: Picture, restoration: int = 0) -> Picture:
        """Restore a decoded key frame, uint8 [H, W, 3], to a reference (see `restored`)."""
        return restored(self._model, picture, restoration, self._device)

    @torch.inference_mode()
    def set_reference(self, slot: int, picture: Picture, token: npt.NDArray[np.int32]) -> None:
        """Take a restored key frame x_r, uint8 [H, W, 3], with its token integers [d_m]."""
        self._references[slot] = self._model.reference(
            to_tensor(picture[None], self._device), self._tokens(token[None])
        )

    def rebuild(self, tokens: npt.NDArray[np.int32]) -> Pictures:
        """Token integers [N, d_m] -> RGB uint8 [N, H, W, 3] at coded size."""
        parts: list[Pictures] = []
        for begin in range(0, len(tokens), self.batch):
            batch = tokens[begin : begin + self.batch]
            shares = np.array_split(batch, min(self._threads, len(batch)))
            if len(shares) == 1:
                parts.append(self._rebuild(batch))
                continue
            try:
                parts += self._workers.map(self._rebuild, shares)
            finally:
                torch.set_num_threads(self._threads)  # later threads inherit what a worker sets
        return np.concatenate(parts)

    @torch.inference_mode()
    def _rebuild(self, tokens: npt.NDArray[np.int32]) -> Pictures:
        references = [r.expand(len(tokens)) for _, r in sorted(self._references.items())]
        return to_pictures(self._model.reconstruct(self._tokens(tokens), references).picture)

    def _tokens(self, integers: npt.NDArray[np.int32]) -> Tensor:
        return torch.from_numpy(self._quantiser.dequantise(integers)).to(self._device)
