"""Tokens improved by what the receiver makes of them, before they are quantised.

    E_T ─ t ─► receiver's network at 128 pixels ─► x_hat, displacement ─► error ─┐
          ▲                                                                     │ gradient
          └───────────────────────── Adam, a few steps ◄────────────────────────┘

E_T answers at once and is a little wrong about everybody whom it has never seen. The sender has
the receiver's network, and optical flow that tells where things went: some steps down the
gradient find a token that says it better. What one frame had to be corrected by is a good guess
for the next one, so that few steps a frame suffice and the corrections do not tremble.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Final

import torch
from torch import Tensor

from imfcodec.model.distances import flow_distance, motion_distance, pyramid_l1
from imfcodec.model.imf import IMF
from imfcodec.model.layers import reduce_short_side
from imfcodec.model.precision import natural_precision

SIDE: Final = 128
"""Short side in pixels at which frames are rebuilt."""

MULTIPLE: Final = 32
"""Both sides of what the network rebuilds are multiples of this."""

BATCH: Final = 8
"""Consecutive frames that are improved together."""

RATE: Final = 0.1
"""Largest change of a value per step, about; values have unit variance."""

PICTURE: Final = 20.0
"""Weight of the error of the picture beside that of the displacement."""

MOTION: Final = 30.0
"""Weight of the error of the difference to the frame before."""

TRUST: Final = 0.1
"""Weight of the squared distance from what E_T said."""


class TokenRefiner:
    """Improves the tokens of successive frames that share a reference."""

    def __init__(self, model: IMF, picture: Tensor, token: Tensor, steps: int) -> None:
        """Prepare a reference.

        Args:
            model: The network; none of its weights asks for a gradient.
            picture: x_r, decoded [1, 3, H, W] in 0..1.
            token: Its token as the receiver has it [1, d_m].
            steps: Of the descent per batch.
        """
        self._model = model
        self._steps = steps
        self._narrow = natural_precision("cpu") == "bf16"
        with torch.no_grad(), self._arithmetic():
            self._reference = model.reference(reduce_short_side(picture, SIDE, MULTIPLE), token)
        self._correction = torch.zeros_like(token)
        self._before: tuple[Tensor, Tensor] | None = None

    def improve(self, pictures: Tensor, flow: Tensor, tokens: Tensor) -> Tensor:
        """Better tokens [N, d_m] of the next frames.

        Args:
            pictures: x_c [N, 3, H, W] in 0..1.
            flow: Optical flow from each to the reference and its trust [N, 3, h, w].
            tokens: E_T's [N, d_m].
        """
        improved = [
            self._improve(reduce_short_side(x, SIDE, MULTIPLE), f, t)
            for x, f, t in zip(
                pictures.split(BATCH), flow.split(BATCH), tokens.split(BATCH), strict=True
            )
        ]
        return torch.cat(improved)

    def _improve(self, target: Tensor, flow: Tensor, said: Tensor) -> Tensor:
        reference = self._reference.expand(len(target))
        token = (said + self._correction).requires_grad_()
        adam = torch.optim.Adam([token], RATE, (0.8, 0.9))
        for _ in range(self._steps):
            with self._arithmetic():
                rebuilt = self._model.reconstruct(token, [reference])
            picture = rebuilt.picture.float()
            error = PICTURE * pyramid_l1(picture, target) + TRUST * (token - said).square().mean()
            for warp in rebuilt.warps:  # none where attention alone brings everything over
                error = error + flow_distance(warp.displacement.float(), flow)
            if self._before is not None:
                before, target_before = self._before
                error = error + MOTION * motion_distance(
                    picture,
                    torch.cat([before, picture[:-1]]),
                    target,
                    torch.cat([target_before, target[:-1]]),
                )
            (token.grad,) = torch.autograd.grad(error, token)
            adam.step()
        token = token.detach()
        self._before = picture[-1:].detach(), target[-1:]
        self._correction = (token - said)[-1:]
        return token

    def _arithmetic(self) -> AbstractContextManager[object]:
        return torch.autocast("cpu", torch.bfloat16, enabled=self._narrow)
