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

from imfcodec.codec.threads import shared_out
from imfcodec.model.imf import IMF
from imfcodec.model.layers import reduce_short_side
from imfcodec.model.precision import natural_precision

SIDE: Final = 192
"""Short side in pixels at which frames are rebuilt; they are compared at half this size."""

MULTIPLE: Final = 32
"""Both sides of the rebuilt picture are multiples of this."""

RENEW: Final = 8
"""Largest number of tokens that share one linearisation."""

DIRECTIONS: Final = 8
"""Directions of the token in which it is renewed: those in which the error is curved most."""

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
        self._slopes: _Effect | None = None
        self.restart()

    def restart(self) -> None:
        """Prepare for frames that do not follow the previous ones."""
        # The correction of one frame is a good first guess for the next.
        self._correction = self._still
        self._served = RENEW

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
        slopes = self._slopes_near(tokens)
        for _ in range(self._steps):
            curvature, pull = self._equations(slopes, tokens, target, flow, said, emphasis)
            change: Tensor = torch.linalg.solve(curvature, pull)
            tokens = tokens + change.clamp(-LARGEST, LARGEST)
        self._leading = torch.linalg.eigh(curvature.mean(0)).eigenvectors[:, -DIRECTIONS:].T
        self._correction = (tokens - said)[-1:]
        return Refined(tokens, curvature)

    def _slopes_near(self, tokens: Tensor) -> _Effect:
        """J, the derivative by each value; renewed at the middle one of these tokens if it is old.

        At first all directions are measured, later those that matter most.
        """
        count, size = tokens.shape
        if self._slopes is None or self._served + count > RENEW:
            middle = tokens[count // 2 : count // 2 + 1]
            old = self._slopes
            directions = torch.eye(size, device=self._device) if old is None else self._leading
            moved, picture = self._effect(torch.cat([middle, middle + REACH * directions]))
            self._slopes = _Effect(
                None if moved is None else _renewed(old and old.displacement, directions, moved),
                _renewed(old and old.picture, directions, picture),
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
        @torch.inference_mode()
        def part(some: Tensor) -> _Effect:
            with self._arithmetic():
                rebuilt = self._model.reconstruct(some, self._reference.expand(len(some)))
            moved = None if rebuilt.warp is None else 64 * rebuilt.warp.displacement.float()
            return _Effect(moved, F.avg_pool2d(rebuilt.picture.float(), 2))

        displacements, pictures = zip(*shared_out(part, tokens.split(BATCH)), strict=True)
        moved = None if displacements[0] is None else torch.cat(displacements)
        return _Effect(moved, torch.cat(pictures))

    def _arithmetic(self) -> AbstractContextManager[object]:
        if not self._narrow:
            return nullcontext()
        return torch.autocast(self._device.type, torch.bfloat16)


def _renewed(old: Tensor | None, directions: Tensor, ends: Tensor) -> Tensor:
    """Derivatives of an output by each value [d_m, ...].

    Args:
        old: Those before [d_m, ...]; None if there are none.
        directions: In which they are renewed, orthonormal [N, d_m]; all, if there are none before.
        ends: The output at a token, and `REACH` from it in each direction [1 + N, ...].
    """
    along = (ends[1:] - ends[:1]) / REACH
    if old is None:
        return along
    return old + torch.tensordot(directions.T, along - torch.tensordot(directions, old, 1), 1)


def _at_size_of(like: Tensor, emphasis: Tensor) -> Tensor:
    """Weights [N, 1, H, W] averaged to the size of another map [N, C, h, w]."""
    return F.adaptive_avg_pool2d(emphasis, (like.shape[2], like.shape[3]))


def _aim(flow: Tensor, displacement: Tensor) -> tuple[Tensor, Tensor]:
    """Trusted flow in 1/64 of the picture, and its trust, at the size of the displacement."""
    size = (displacement.shape[2], displacement.shape[3])
    trust = F.adaptive_avg_pool2d(flow[:, 2:], size)
    mean = F.adaptive_avg_pool2d(flow[:, :2] * flow[:, 2:], size) / trust.clamp_min(1e-3)
    return 64 * mean, trust
