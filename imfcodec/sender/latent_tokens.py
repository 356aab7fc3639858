"""A reference, and the tokens of the frames that use it before they are quantised."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from imfcodec.arrays import Picture
from imfcodec.codec.network.in_torch import place_of, to_tensor
from imfcodec.codec.tokens import Quantiser
from imfcodec.model.imf import IMF
from imfcodec.sender.face_emphasis import FaceEmphasis
from imfcodec.sender.token_refinement import RENEW, Refined, TokenRefiner, unexamined


class LatentTokens:
    """Tokens relative to one reference.

        x_c, flow ─ E_T ─ refine ─ t_c, H

    Attributes:
        latent: The reference's own token before quantisation, float32 [1, d_m]: E_T of the
            restored picture, which the receiver's features are made from.
        token: The same token as the receiver has it, int32 [1, d_m].
    """

    def __init__(
        self,
        model: IMF,
        quantiser: Quantiser,
        reference: Picture,
        steps: int,
        timed: Callable[[str], AbstractContextManager[None]] = lambda stage: nullcontext(),
        advance: Callable[[int], None] = lambda frames: None,
        emphasis: FaceEmphasis | None = None,
    ) -> None:
        """Prepare a reference.

        Args:
            model: The network.
            quantiser: Quantiser of the stream.
            reference: x_r, RGB uint8 [H, W, 3], restored.
            steps: Refinement steps; 0 keeps the tokens of E_T.
            timed: Measures the time of a stage.
            advance: Called with how many more frames are done.
            emphasis: Where errors count more; None weighs all alike.
        """
        self._emphasis = emphasis
        self._model = model
        self._device = place_of(model)
        self._origin = to_tensor(reference[None], self._device)
        self._timed = timed
        self._advance = advance
        with timed("token encoder"), torch.inference_mode():
            self.latent: npt.NDArray[np.float32] = model.key_token(self._origin).cpu().numpy()
        self.token = quantiser.quantise(self.latent)
        self._refiner: TokenRefiner | None = None
        if steps:
            as_received = torch.from_numpy(quantiser.dequantise(self.token)).to(self._device)
            self._refiner = TokenRefiner(model, self._origin, as_received, steps)

    def restart(self) -> None:
        """Prepare for frames that do not follow the previous ones."""
        if self._refiner:
            self._refiner.restart()

    def beside(self, pictures: Sequence[Picture], flow: Sequence[Tensor]) -> Refined:
        """Tokens of successive frames, and the curvature of their error.

        Args:
            pictures: x_c, RGB uint8 [H, W, 3] each.
            flow: `optical_flow.observed` from each to the reference [3, h, w].
        """
        parts = [unexamined(torch.from_numpy(self.latent[:0]))]
        for n in range(0, len(pictures), RENEW):
            x = to_tensor(np.stack(pictures[n : n + RENEW]), self._device)
            moved = torch.stack(list(flow[n : n + RENEW])).to(self._device)
            with self._timed("token encoder"), torch.inference_mode():
                said = self._model.encode_token(x, self._origin, moved)
            if self._refiner:
                with self._timed("refinement"):
                    weight = self._emphasis.of(pictures[n : n + RENEW]) if self._emphasis else None
                    if weight is not None:
                        weight = weight.to(self._device)
                    parts.append(self._refiner.improve(x, moved, said, weight))
            else:
                parts.append(unexamined(said))
            self._advance(len(x))
        return Refined(*(torch.cat([x.cpu() for x in part]) for part in zip(*parts, strict=True)))
