"""Tokens of a run of frames before they are quantised, and the integers that a sender sends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imfcodec.codec.network import Picture
from imfcodec.codec.optical_flow import MovementTracker
from imfcodec.codec.tokens import Quantiser, TokenCoder
from imfcodec.sender.latent_tokens import LatentTokens
from imfcodec.sender.token_choice import TokenChooser
from imfcodec.sender.token_smoothing import smooth


@dataclass(frozen=True)
class RefinedRun:
    """The token of a key frame and the tokens of the frames after it.

    Attributes:
        tokens: Unquantised, the key frame's first: float32 [n, d_m].
        curvature: Curvature of the tokens after the first [n - 1, d_m, d_m], see `Refined`.
    """

    tokens: npt.NDArray[np.float32]
    curvature: npt.NDArray[np.float32]

    @classmethod
    def beside(
        cls, latents: LatentTokens, tracker: MovementTracker, pictures: Sequence[Picture]
    ) -> RefinedRun:
        """Tokens of a key frame and of pictures in a row, uint8 [H, W, 3], as a sender finds them.

        The tracker has followed the frames before them.
        """
        flow = [tracker.track(picture[None])[0] for picture in pictures]
        refined = latents.beside(pictures, flow)
        tokens = np.concatenate([latents.latent, refined.tokens.numpy()])
        return cls(tokens, refined.curvature.numpy())

    def integers(self, step: npt.NDArray[np.float32], coder: TokenCoder) -> npt.NDArray[np.int32]:
        """What a sender codes of them in one packet: int32 [n, d_m]."""
        key = Quantiser(step).quantise(self.tokens[:1])
        if not len(self.curvature):
            return key
        coder.start_after(key[0])
        tokens = smooth(self.tokens[1:], self.curvature, step, None)
        return np.concatenate([key, TokenChooser(step).choose(coder, tokens, self.curvature)])
