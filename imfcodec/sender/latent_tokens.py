"""A reference, and the tokens of the frames that use it before they are quantised.

    x_c, flow ─ E_T ─ t of every frame ─┬─ refine one in `EXAMINED` ─ t*, H ─┐
                                        └────────────────────────────────────┴─ spread ─ t*, H

E_T errs alike for frames near each other. The frames between two that were refined have the mean of
what these two were corrected by, and of their curvature, each weighted by its nearness.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from imfcodec.arrays import Picture
from imfcodec.codec.network.in_torch import place_of, to_tensor
from imfcodec.codec.stages import Timed
from imfcodec.codec.tokens import Quantiser
from imfcodec.model.imf import IMF
from imfcodec.sender.face_emphasis import FaceEmphasis
from imfcodec.sender.token_refinement import RENEW, Refined, TokenRefiner, unexamined

EXAMINED: Final = 4
"""One of so many frames is refined."""

TOGETHER: Final = EXAMINED * RENEW
"""Largest number of frames whose tokens are found together."""


class LatentTokens:
    """Tokens relative to one reference.

    Attributes:
        latent: The reference's own token before quantisation, float32 [1, d_m]: E_T of the
            reference.
        token: The same token as the receiver has it, int32 [1, d_m].
    """

    def __init__(
        self,
        model: IMF,
        quantiser: Quantiser,
        reference: Picture,
        steps: int,
        timed: Timed = lambda stage: nullcontext(),
        advance: Callable[[int], None] = lambda frames: None,
        emphasis: FaceEmphasis | None = None,
    ) -> None:
        """Prepare a reference.

        Args:
            model: The network.
            quantiser: Quantiser of the stream.
            reference: Decoded key picture, RGB uint8 [H, W, 3]; restored if there are steps.
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
        self._before: Refined | None = None  # correction and curvature of the last refined frame
        self._since = 0  # frames after it

    def restart(self) -> None:
        """Prepare for frames that do not follow the previous ones."""
        self._before = None
        if self._refiner:
            self._refiner.restart()

    def beside(self, pictures: Sequence[Picture], flow: Sequence[Tensor]) -> Refined:
        """Tokens of successive frames, and the curvature of their error.

        Args:
            pictures: x_c, RGB uint8 [H, W, 3] each.
            flow: `optical_flow.observed` from each to the reference [3, h, w].
        """
        parts = [unexamined(torch.from_numpy(self.latent[:0]))]
        for n in range(0, len(pictures), TOGETHER):
            some = pictures[n : n + TOGETHER]
            x = to_tensor(np.stack(some), self._device)
            moved = torch.stack(list(flow[n : n + TOGETHER])).to(self._device)
            with self._timed("token encoder"), torch.inference_mode():
                said = self._model.encode_token(x, self._origin, moved)
            if self._refiner:
                with self._timed("refinement"):
                    parts.append(self._refined(self._refiner, some, x, moved, said))
            else:
                parts.append(unexamined(said))
            self._advance(len(x))
        return Refined(*(torch.cat([x.cpu() for x in part]) for part in zip(*parts, strict=True)))

    def _refined(
        self,
        refiner: TokenRefiner,
        pictures: Sequence[Picture],
        x: Tensor,
        flow: Tensor,
        said: Tensor,
    ) -> Refined:
        """Improve tokens of E_T [N, d_m]: of the last frame and of every few before it.

        If these frames are too few, they are corrected as the last one before them.
        """
        self._since += len(x)
        if self._before and self._since < EXAMINED:
            held = Refined(*(values.expand(len(x), *values.shape[1:]) for values in self._before))
            return held._replace(tokens=said + held.tokens)
        self._since = 0
        places = range((len(x) - 1) % EXAMINED, len(x), EXAMINED)
        at = torch.tensor(places, device=self._device)
        weight = self._emphasis.of([pictures[n] for n in places]) if self._emphasis else None
        if weight is not None:
            weight = weight.to(self._device)
        found = refiner.improve(x[at], flow[at], said[at], weight)
        found = found._replace(tokens=found.tokens - said[at])  # by how much they were corrected
        before = self._before or Refined(*(values[:1] for values in found))
        self._before = Refined(*(values[-1:] for values in found))
        spread = Refined(
            *(_between(torch.cat(values), places) for values in zip(before, found, strict=True))
        )
        return spread._replace(tokens=said + spread.tokens)


def _between(values: Tensor, places: range) -> Tensor:
    """Values of frames 0 to the last place, [N, ...].

    Args:
        values: Of the frame before those, and of the frames at the places, [1 + K, ...].
        places: Ascending.
    """
    known = np.array([-1, *places])
    frames = np.arange(places[-1] + 1)
    position = np.interp(frames, known, np.arange(len(known)))
    below = torch.from_numpy(position.astype(np.int64)).to(values.device)
    share = torch.from_numpy(position % 1).to(values).reshape(-1, *[1] * (values.dim() - 1))
    above = (below + 1).clamp_max(len(known) - 1)
    return torch.lerp(values[below], values[above], share)
