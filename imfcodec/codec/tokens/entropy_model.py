"""What the codec asks of an entropy model of tokens, whichever it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sized
from typing import Any, ClassVar, Protocol, Self

import numpy.typing as npt

from imfcodec.arrays import Tokens
from imfcodec.codec.tokens.quantiser import Quantiser


class ResidualCost(Protocol):
    """A symbol's model, as far as a sender that chooses tokens sees it."""

    def cost(self, residual: int) -> float:
        """Cost of a residual in bits."""
        ...


class Port(Protocol):
    """Decides or knows the residuals of one token."""

    def residual(self, model: Any, k: int, prediction: int) -> int:
        """The residual of dimension k under ``model``, which is a `ResidualCost`."""
        ...


class TokenCoder(Protocol):
    """Codes token integers; its state is that of the tokens coded so far.

    Sender and receiver hold one each and keep them in the same state. Without `reset` between
    packets the state continues: such a packet is called chained. All arithmetic is on integers.
    """

    def reset(self, key: Tokens | None = None) -> None:
        """Forget all earlier tokens but one.

        Args:
            key: Token of the key frame, int32 [d_m], before a token packet, or of the origin
                before a predicted key frame; None before an independent key frame.
        """
        ...

    def start_after(self, key: Tokens) -> None:
        """Set the state just after a key frame's own token, int32 [d_m]."""
        ...

    def encode(self, tokens: Tokens) -> bytes:
        """int32 [n, d_m] -> payload of one packet. Zero bytes after it change nothing."""
        ...

    def decode(self, payload: bytes, count: int) -> Tokens:
        """Payload of one packet -> its ``count`` tokens, int32 [count, d_m].

        Raises:
            CorruptStream: No sender writes these bytes.
        """
        ...

    def rehearse(self, ports: Iterable[Port]) -> Tokens:
        """Tokens whose residuals are chosen by ports, one port per token; nothing is coded.

        A sender uses this to choose what to send; the coder's state does not change. A port is
        taken from the iterable only after the previous token is decided.

        Returns:
            int32 [n, d_m].
        """
        ...


class EntropyModel(Protocol):
    """Quantisers and token coders of one set of weights.

    Attributes:
        id: Name by which the weights file says which entropy model it holds.
        levels: One entry for each quantiser step.
    """

    id: ClassVar[str]

    @property
    def levels(self) -> Sized:
        """One entry for each quantiser step."""
        ...

    @property
    def token_size(self) -> int:
        """d_m."""
        ...

    def quantiser(self, index: int) -> Quantiser:
        """The quantiser of a quantiser step.

        Raises:
            OptionError: These weights have no such step.
        """
        ...

    def coder(self, index: int, *, holds: bool) -> TokenCoder:
        """A new token coder for a quantiser step (see `quantiser`).

        Args:
            index: Quantiser step.
            holds: Whether tokens may be held, by the stream header.
        """
        ...

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """Read the arrays that `to_arrays` wrote; check every rule that coding depends on.

        Raises:
            WeightsCorrupt: A table is missing, has a wrong shape or breaks a rule.
        """
        ...

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Plain arrays for storing in the weights file."""
        ...
