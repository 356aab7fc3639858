"""The network and the token quantiser, trained together, and one pass through them."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imfcodec.config import ModelConfig
from imfcodec.model.correspondence import Warp
from imfcodec.model.imf import IMF
from imfcodec.model.latent_token_encoder import at_rest
from imfcodec.model.layers import interleaved
from imfcodec.training.pairs import Batch


class Pass(NamedTuple):
    """Result of one pass over a batch.

    Attributes:
        picture: x_hat_c [B, 3, S, S].
        token: Of x_c, normalised and without noise [B, d_m].
        bits: Mean bits per token, scalar.
        warp: How the reference was sampled; None for the plain alignment.
        neighbour: The neighbouring frame of x_c, rebuilt [B, 3, S, S]; empty if not requested.
        reference: The reference that it was made of [B, 3, S, S].
        received: The tokens that it was made of, t_c and t_r [B, d_m].
    """

    picture: Tensor
    token: Tensor
    bits: Tensor
    warp: Warp | None
    neighbour: Tensor
    reference: Tensor
    received: tuple[Tensor, Tensor]


class TokenQuantiser(nn.Module):
    """Per-dimension quantisation steps and the density of temporal differences.

    Training replaces rounding by additive uniform noise of one step's width (Ballé 2017). The
    rate is that of coding a token given its neighbour in time: the discretised Laplace
    density of their difference, with one learned scale per dimension.
    """

    def __init__(self, token_size: int, step: float = 0.2) -> None:
        super().__init__()
        self.log_step = nn.Parameter(torch.full((token_size,), math.log(step)))
        self.log_scale = nn.Parameter(torch.full((token_size,), math.log(step)))

    @property
    def step(self) -> Tensor:
        """Quantisation steps [d_m] in the units of the normalised tokens."""
        return self.log_step.exp()

    def rate_bits(self, token: Tensor, neighbour: Tensor, noise: Tensor) -> Tensor:
        """Mean bits per token [B, d_m], coded from its neighbour in time [B, d_m]: scalar.

        The noise [B, d_m] is uniform in -1/2..1/2.
        """
        difference = (token - neighbour + noise * self.step).float().abs()
        scale, half = self.log_scale.exp(), self.step / 2

        def tail(x: Tensor) -> Tensor:
            """P(X > x) of a Laplace variable for any sign of x."""
            outer = 0.5 * torch.exp(-x.abs() / scale)
            return torch.where(x >= 0, outer, 1 - outer)

        probability = tail(difference - half) - tail(difference + half)
        far = difference / scale / math.log(2)  # keeps a slope where the probability vanishes
        bits = torch.where(probability > 1e-6, -torch.log2(probability.clamp_min(1e-6)), far)
        return bits.sum(1).mean()


class Trainee(nn.Module):
    """The network and the token quantiser."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.imf = IMF(config)
        self.quantiser = TokenQuantiser(config.token_size)

    def forward(
        self, batch: Batch, size: int, noise: list[Tensor], neighbour: bool = False
    ) -> Pass:
        """Rebuild the targets of a batch as a receiver would.

        The tokens are those of E_T with noise for rounding, or those that a sender chose.

        Args:
            batch: Pictures of which the token encoder sees every pixel.
            size: Side in pixels at which the rest of the network works.
            noise: Uniform in -1/2..1/2 and scaled by how far quantisation has been brought in:
                one [B, d_m] for x_c, one for x_r, one for the neighbour, and one for the rate.
            neighbour: Whether the neighbour is rebuilt as well, from the same reference.
        """
        said, (current, reference_token, beside), bits = self._tokens(batch, noise)
        picture = interleaved(reduce_to(batch.reference, size))
        reference = self.imf.reference(picture, reference_token)
        rebuilt = self.imf.reconstruct(current, reference)
        nothing = rebuilt.picture.new_zeros(0)
        return Pass(
            rebuilt.picture,
            said,
            bits,
            rebuilt.warp,
            self.imf.reconstruct(beside, reference).picture if neighbour else nothing,
            picture,
            (current, reference_token),
        )

    def _tokens(self, batch: Batch, noise: list[Tensor]) -> tuple[Tensor, list[Tensor], Tensor]:
        """What E_T says of x_c; t_c, t_r and the neighbour's as received; bits per token."""
        if batch.sent is not None:
            current, neighbour = batch.sent.current, batch.sent.neighbour
            # Nothing that is trained can change what these cost.
            with torch.no_grad():
                bits = self.quantiser.rate_bits(current, neighbour, torch.zeros_like(current))
            return current, [current, batch.sent.reference, neighbour], bits
        origin = batch.reference
        share = len(batch.neighbour)
        pictures = [batch.current, origin, batch.neighbour]
        origins = [origin, origin, origin[:share]]
        flow = None
        if batch.neighbour_flow is not None and batch.flow is not None:
            flow = torch.cat([batch.flow, at_rest(batch.flow), batch.neighbour_flow])
        tokens = self.imf.encode_token(
            interleaved(torch.cat(pictures)), interleaved(torch.cat(origins)), flow
        ).split([len(p) for p in pictures])
        step = self.quantiser.step
        received = [t + n[: len(t)] * step for t, n in zip(tokens, noise[:-1], strict=True)]
        bits = self.quantiser.rate_bits(tokens[0][:share], tokens[-1], noise[-1][:share])
        return tokens[0], received, bits


def token_noise(
    generator: torch.Generator, batch: int, token_size: int, amount: float
) -> list[Tensor]:
    """Noise for `Trainee.forward` over a whole batch, on the CPU: the same on every machine."""
    noise = (torch.rand((4, batch, token_size), generator=generator) - 0.5).unbind(0)
    # The rate is always that of full quantisation; what the decoder sees is warmed in.
    return [*(n * amount for n in noise[:-1]), noise[-1]]


def reduce_to(x: Tensor, size: int) -> Tensor:
    """Area-reduce square pictures [B, 3, S, S] to ``size``."""
    return x if x.shape[-1] == size else F.interpolate(x, (size, size), mode="area")
