"""Tokens improved with the receiver's network, before they are quantised.

    E_T ─ t ─► receiver's network at 192 pixels ─► displacement, x_hat ─► remaining error ─┐
          ▲                          │                                                    │
          │                          └─ their derivatives by the values of t: J ──────────┤
          └──────────────────────────────── Gauss-Newton ◄────────────────────────────────┘

E_T is fast, but slightly wrong for people whom it has not seen in training. The sender also has
the receiver's network and the optical flow of the source. Near t, the network is almost linear in
the values of the token, so a least-squares step finds better tokens. The step also yields the
curvature of the error: how much each direction of a token matters, which the quantiser needs.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Final, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from imfcodec.model.imf import IMF
from imfcodec.model.layers import reduce_short_side
from imfcodec.model.precision import natural_precision

SIDE: Final = 192
"""Short side in pixels at which frames are rebuilt; they are compared at half this size."""

MULTIPLE: Final = 32
"""Both sides of the rebuilt picture are multiples of this."""

RENEW: Final = 16
"""Largest number of frames that share one linearisation."""

BATCH: Final = 8
"""Tokens that the network rebuilds at once."""

REACH: Final = 0.3
"""Change of a value that estimates its derivative; values have unit variance."""

LARGEST: Final = 1.0
"""Largest change of a value per step."""

PICTURE: Final = 20.0
"""Weight of the picture's error, in 0..1, against that of the displacement, in 1/64."""

TRUST: Final = 0.1
"""Weight of the mean squared distance from the token of E_T."""

SMALL_DISPLACEMENT: Final = 0.1
"""Distances count quadratically below this and linearly above it ..."""

SMALL_DIFFERENCE: Final = 0.02
"""... and so do differences of the picture around this value."""

PLAIN_CURVATURE: Final = 0.4
"""Curvature of tokens that were not refined: about the mean of the computed ones."""


class Refined(NamedTuple):
    """Tokens of successive frames.

    Attributes:
        tokens: t* [N, d_m].
        curvature: H [N, d_m, d_m], symmetric, positive: at a token t near t*, the error is larger
            by about (t - t*)' H (t - t*) / 2.
    """

    tokens: Tensor
    curvature: Tensor


def unexamined(tokens: Tensor) -> Refined:
    """Tokens [N, d_m] as they are; every direction is assumed to matter equally."""
    count, size = tokens.shape
    return Refined(tokens, PLAIN_CURVATURE * torch.eye(size).repeat(count, 1, 1))


class _Effect(NamedTuple):
    """The network's output for N tokens, or its derivatives.

    Attributes:
        displacement: In 1/64 of the picture [N, 2, h, w]; None if the network aligns features by
            attention alone.
        picture: [N, 3, H / 2, W / 2].
    """

    displacement: Tensor | None
    picture: Tensor


class TokenRefiner:
    """Improves the tokens of successive frames that share a reference."""

    def __init__(self, model: IMF, picture: Tensor, token: Tensor, steps: int) -> None:
        """Prepare a reference.

        Args:
            model: The network.
            picture: x_r, decoded [1, 3, H, W] in 0..1.
            token: Token of x_r as the receiver has it [1, d_m].
            steps: Gauss-Newton steps, 1 or more.
        """
        self._model = model
        self._steps = steps
        self._device = token.device
        narrow = self._device.type in ("cpu", "cuda")
        self._narrow = narrow and natural_precision(self._device.type) == "bf16"
        with torch.inference_mode(), self._arithmetic():
            self._reference = model.reference(reduce_short_side(picture, SIDE, MULTIPLE), token)
        self._still = torch.zeros_like(token)
        self.restart()

    def restart(self) -> None:
        """Prepare for frames that do not follow the previous ones."""
        # The correction of one frame is a good first guess for the next.
        self._correction = self._still
        self._slopes: _Effect | None = None
        self._served = 0

    @torch.inference_mode()
    def improve(
        self, pictures: Tensor, flow: Tensor, said: Tensor, emphasis: Tensor | None = None
    ) -> Refined:
        """Improve the tokens of the next frames, at most `RENEW` of them.

        Args:
            pictures: x_c [N, 3, H, W] in 0..1.
            flow: Optical flow from each picture to the reference, and its trust [N, 3, h, w].
            said: The tokens of E_T [N, d_m].
            emphasis: Weight of each pixel's errors [N, 1, H, W]; None weighs all alike.
        """
        target = F.avg_pool2d(reduce_short_side(pictures, SIDE, MULTIPLE), 2)
        tokens = said + self._correction
        curvature = tokens.new_zeros(0)
        emphasis = torch.ones_like(target[:, :1]) if emphasis is None else emphasis
        slopes = self._slopes_at(tokens)
        for _ in range(self._steps):
            curvature, pull = self._equations(slopes, tokens, target, flow, said, emphasis)
            change: Tensor = torch.linalg.solve(curvature, pull)
            tokens = tokens + change.clamp(-LARGEST, LARGEST)
        self._correction = (tokens - said)[-1:]
        return Refined(tokens, curvature)

    def _slopes_at(self, tokens: Tensor) -> _Effect:
        """J near the middle one of these tokens: the derivative by each value."""
        count, size = tokens.shape
        if self._slopes is None or self._served + count > RENEW:
            middle = tokens[count // 2 : count // 2 + 1]
            probes = torch.cat([middle, middle + REACH * torch.eye(size, device=self._device)])
            displacement, picture = self._effect(probes)
            self._slopes = _Effect(
                None if displacement is None else (displacement[1:] - displacement[:1]) / REACH,
                (picture[1:] - picture[:1]) / REACH,
            )
            self._served = 0
        self._served += count
        return self._slopes

    def _equations(
        self,
        slopes: _Effect,
        tokens: Tensor,
        target: Tensor,
        flow: Tensor,
        said: Tensor,
        emphasis: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Curvature H [N, d_m, d_m] and -gradient [N, d_m] of the error at these tokens."""
        effect = self._effect(tokens)
        held = 2 * TRUST / tokens.shape[1]
        identity = torch.eye(tokens.shape[1], device=self._device)
        curvature = held * identity.expand(len(tokens), -1, -1)
        pull = held * (said - tokens)
        missing = target - effect.picture
        weight = PICTURE / missing[0].numel() / missing.abs().clamp_min(SMALL_DIFFERENCE)
        terms = [(slopes.picture, missing, weight * _at_size_of(missing, emphasis))]
        if slopes.displacement is not None and effect.displacement is not None:
            aim, trust = _aim(flow, effect.displacement)
            missing = aim - effect.displacement
            distance = missing.square().sum(1, keepdim=True).sqrt()
            trust = trust * _at_size_of(trust, emphasis)
            weight = trust / trust[0].numel() / distance.clamp_min(SMALL_DISPLACEMENT)
            terms.append((slopes.displacement, missing, weight.expand_as(missing)))
        for slope, missing, weight in terms:
            j, w = slope.flatten(1), weight.flatten(1)
            curvature = curvature + (j * w[:, None]) @ j.T
            pull = pull + (w * missing.flatten(1)) @ j.T
        return curvature, pull

    def _effect(self, tokens: Tensor) -> _Effect:
        displacements, pictures = [], []
        for some in tokens.split(BATCH):
            with self._arithmetic():
                rebuilt = self._model.reconstruct(some, self._reference.expand(len(some)))
            if rebuilt.warp is not None:
                displacements.append(64 * rebuilt.warp.displacement.float())
            pictures.append(F.avg_pool2d(rebuilt.picture.float(), 2))
        return _Effect(torch.cat(displacements) if displacements else None, torch.cat(pictures))

    def _arithmetic(self) -> AbstractContextManager[object]:
        if not self._narrow:
            return nullcontext()
        return torch.autocast(self._device.type, torch.bfloat16)


def _at_size_of(like: Tensor, emphasis: Tensor) -> Tensor:
    """Weights [N, 1, H, W] averaged to the size of another map [N, C, h, w]."""
    return F.adaptive_avg_pool2d(emphasis, (like.shape[2], like.shape[3]))


def _aim(flow: Tensor, displacement: Tensor) -> tuple[Tensor, Tensor]:
    """Trusted flow in 1/64 of the picture, and its trust, at the size of the displacement."""
    size = (displacement.shape[2], displacement.shape[3])
    trust = F.adaptive_avg_pool2d(flow[:, 2:], size)
    mean = F.adaptive_avg_pool2d(flow[:, :2] * flow[:, 2:], size) / trust.clamp_min(1e-3)
    return 64 * mean, trust
