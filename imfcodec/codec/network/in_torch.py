"""The network in torch."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import torch
from torch import Tensor

from imfcodec.arrays import Picture, Pictures, Tokens
from imfcodec.codec.network import STRENGTHS
from imfcodec.codec.network.sharing import shared_out, sharing
from imfcodec.codec.threads import own_threads, set_own_threads
from imfcodec.codec.tokens import Quantiser
from imfcodec.errors import OptionError
from imfcodec.model.imf import IMF, Reference


def device_of(name: str) -> torch.device:
    """The device of a name; auto takes a GPU if there is one.

    Raises:
        OptionError: There is no such device.
    """
    if name == "auto":
        gpus = (("cuda", torch.cuda.is_available), ("mps", torch.backends.mps.is_available))
        name = next((gpu for gpu, is_there in gpus if is_there()), "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise OptionError(f"device {name!r} is not available") from error


def placed(model: IMF, device: str) -> IMF:
    """A network on a device: itself if it is there, otherwise a copy.

    Other users of the same weights may need them where they are.

    Raises:
        OptionError: There is no such device.
    """
    there = device_of(device)
    return model if place_of(model) == there else copy.deepcopy(model).to(there)


def place_of(model: IMF) -> torch.device:
    """The device that a network is on."""
    return next(model.parameters()).device


def to_tensor(pictures: Pictures, device: torch.device | str = "cpu") -> Tensor:
    """RGB uint8 [N, H, W, 3] -> float32 [N, 3, H, W] in 0..1, channels last."""
    x = torch.from_numpy(np.ascontiguousarray(pictures)).to(device)
    return x.permute(0, 3, 1, 2).float().div_(255)


def to_pictures(x: Tensor) -> Pictures:
    """Float [N, 3, H, W] nominally in 0..1 -> RGB uint8 [N, H, W, 3], clipped and rounded."""
    pixels = x.mul(255).round_().clamp_(0, 255).to(torch.uint8)
    array: Pictures = pixels.permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return array


@torch.inference_mode()
def restored(model: IMF, picture: Picture, restoration: int = 0, *, once: bool = False) -> Picture:
    """`Network.restore`, or `restore_once`, of a torch model."""
    if model.restoration is None:
        return picture
    x = to_tensor(picture[None], place_of(model))
    x = model.restore(x, STRENGTHS[restoration], once=once)
    return to_pictures(x)[0]


class TorchNetwork:
    """The network in torch (see `Network`).

    On a CPU, each thread takes a share of the batch. A frame that comes alone has half of the
    threads, and the next one the others.
    """

    def __init__(
        self,
        model: IMF,
        quantiser: Quantiser,
        device: str = "cpu",
        batch: int | None = None,
        threads: int | None = None,
    ) -> None:
        """Prepare the network.

        Args:
            model: The network; it is copied if it is not on the device.
            quantiser: Of the stream's tokens.
            device: Name of a torch device, or auto.
            batch: Frames that are rebuilt together; None takes what suits the device.
            threads: CPU threads; None takes as many as torch does.

        Raises:
            OptionError: There is no such device.
        """
        self._model = placed(model, device)
        self._quantiser = quantiser
        self._device = place_of(self._model)
        self._threads = threads
        host = torch.get_num_threads()
        on_cpu = self._device.type == "cpu"
        self._shares, self.batch, self.side_by_side = sharing(threads or host, batch, on_cpu=on_cpu)
        self.warnings: list[str] = []
        self._workers = ThreadPoolExecutor(
            self._shares, "imfcodec-network", set_own_threads, (1, host)
        )

    def restore(self, picture: Picture, restoration: int = 0) -> Picture:
        """See `Network.restore`."""
        with own_threads(self._threads):
            return restored(self._model, picture, restoration)

    def restore_once(self, picture: Picture, restoration: int = 0) -> Picture:
        """See `Network.restore_once`."""
        with own_threads(self._shares // self.side_by_side):
            return restored(self._model, picture, restoration, once=True)

    @torch.inference_mode()
    def reference(self, picture: Picture, token: Tokens) -> Reference:
        """See `Network.reference`."""
        with own_threads(self._threads):
            return self._model.reference(
                to_tensor(picture[None], self._device), self._tokens(token[None])
            )

    def rebuild(self, reference: Reference, tokens: Tokens) -> Pictures:
        """See `Network.rebuild`."""
        parts: list[Pictures] = []
        while len(tokens):
            batch = tokens[: self.batch]
            try:
                parts += self._shared_out(reference, batch)
            except torch.OutOfMemoryError:  # of a GPU
                if len(batch) == 1:
                    raise
                self.batch = len(batch) // 2
                self.warnings.append(
                    f"{len(batch)} frames at a time do not fit into the memory of {self._device}: "
                    f"it gets {self.batch}"
                )
                torch.cuda.empty_cache()
                continue
            tokens = tokens[len(batch) :]
        return np.concatenate(parts)

    def _shared_out(self, reference: Reference, batch: Tokens) -> list[Pictures]:
        """Pictures of a batch, in the shares of the threads."""
        rebuild = partial(self._rebuild, reference)
        if min(self._shares, len(batch)) > 1:
            return shared_out(self._workers, self._shares, rebuild, batch)
        with own_threads(self._shares // self.side_by_side):
            return [rebuild(batch)]

    @torch.inference_mode()
    def _rebuild(self, reference: Reference, tokens: Tokens) -> Pictures:
        expanded = reference.expand(len(tokens))
        return to_pictures(self._model.reconstruct(self._tokens(tokens), expanded).picture)

    def _tokens(self, integers: Tokens) -> Tensor:
        return torch.from_numpy(self._quantiser.dequantise(integers)).to(self._device)
